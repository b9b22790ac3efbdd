//! What the Go operator stored, or refused, of 307 Instrumentations given to a real API server: ours does the same,
//! or differs for a listed reason.
//!
//! `recorded.jsonl`: the first line holds what is stored of an object without any setting (`nothing`). Each other line
//! has an `input`, or a merge patch of the object before it (`patch`); and either `differs`, a merge patch that turns
//! `nothing` merged with the input (or the former object merged with the patch) into what was stored, or `message`.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::collections::BTreeMap;

use api::{
    Settings,
    instrumentation::{default, has_leaf, schema, validate},
};
use serde_json::{Value, json};

/// Records that differ, each with its reason and with what is to be true instead.
fn listed(id: &str, ours: &mut Value, theirs: &mut Value) -> Option<&'static str> {
    let java =
        "/metadata/annotations/instrumentation.opentelemetry.io~1default-auto-instrumentation-java-image";
    let patched = theirs.pointer(java).is_some() && ours.pointer(java) == Some(&json!("other:1"));
    if ["r-00104", "r-00148"].contains(&id) && patched {
        *ours.pointer_mut(java).unwrap() = theirs.pointer(java).unwrap().clone();
        return Some("W36: an annotation that a user edited by hand is not written over");
    }
    None
}

/// Objects and lists without a leaf are not written by ours: nothing that nobody wrote.
fn without_empty(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(without_empty);
            map.retain(|_, value| has_leaf(value) || value == &json!(""));
        }
        Value::Array(items) => items.iter_mut().for_each(without_empty),
        _ => {}
    }
}

/// The Go operator writes quantities anew; ours leaves them as they were written.
fn quantities_as_strings(object: &mut Value) {
    for agent in object["spec"].as_object_mut().into_iter().flat_map(|spec| spec.values_mut()) {
        let limit = agent.get_mut("volumeLimitSize").filter(|limit| limit.is_number());
        if let Some(limit) = limit {
            *limit = limit.to_string().into();
        }
    }
}

#[test]
fn recorded_instrumentations_are_stored_or_refused_alike() {
    let settings = Settings::with_every_language();
    let mut lines =
        include_str!("data/recorded.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let nothing = lines.next().unwrap()["nothing"].take();
    // By recording and name: what ours and the Go operator last stored.
    let mut stored: BTreeMap<(String, String), (Value, Value)> = BTreeMap::new();
    let (mut equal, mut refused, mut reasons) = (0, 0, BTreeMap::<&str, usize>::new());

    for record in lines {
        let id = record["id"].as_str().unwrap();
        let name = record["name"].as_str().or(record["input"]["metadata"]["name"].as_str()).unwrap();
        let key = (id.to_owned(), name.to_owned());
        let before = stored.get(&key).cloned();
        if record.get("patch").is_some() && before.is_none() {
            assert_eq!(record["code"], 404);
            continue;
        }
        let sent = match &before {
            None => record["input"].clone(),
            Some((ours, _)) => {
                let mut sent = ours.clone();
                json_patch::merge(&mut sent, &record["patch"]);
                sent
            }
        };
        let defaulted = default(&sent, before.as_ref().map(|(ours, _)| ours), &settings);
        assert_eq!(defaulted.warnings, Vec::<String>::new(), "{id}");
        let mut ours = sent;
        json_patch::patch(&mut ours, &defaulted.patch).unwrap();

        let violations: Vec<String> =
            schema::check(&ours).violations.iter().map(ToString::to_string).collect();
        let validated = validate(&ours, &settings);
        if let Some(message) = record["message"].as_str() {
            if message.contains("\"parentbased_jaeger_remote\": supported values") {
                assert_eq!((violations, validated.error), (vec![], None), "{id}");
                *reasons.entry("W40: parentbased_jaeger_remote is accepted").or_default() += 1;
                continue;
            }
            let said = match violations.first() {
                Some(violation) => violation.replace(", \"parentbased_jaeger_remote\"", ""),
                None => {
                    let error = validated.error.unwrap();
                    error.split_once("; ").unwrap().0.to_owned()
                }
            };
            assert!(message.ends_with(&said), "{id}: the Go operator said {message:?}, ours {said:?}");
            refused += 1;
            continue;
        }
        assert_eq!((violations, validated.error), (vec![], None), "{id}");

        let theirs_said: Vec<&str> =
            record["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let ours_said = &validated.warnings;
        for (theirs, ours) in theirs_said.iter().zip(ours_said) {
            assert!(ours.starts_with(&format!("{theirs}; ")), "{id}: {theirs:?} became {ours:?}");
        }
        assert!(theirs_said.len() <= ours_said.len(), "{id}: {theirs_said:?} became {ours_said:?}");
        for more in &ours_said[theirs_said.len()..] {
            let known = [
                "spec.imagePullPolicy is not a pull policy",
                "spec.apacheHttpd.version is not known",
                "spec.go.volumeClaimTemplate has no effect",
            ];
            assert!(known.iter().any(|known| more.starts_with(known)), "{id}: {more}");
        }

        let mut theirs = match &before {
            None => nothing.clone(),
            Some((_, theirs)) => theirs.clone(),
        };
        match record.get("patch") {
            Some(patch) => json_patch::merge(&mut theirs, patch),
            None => json_patch::merge(
                &mut theirs,
                &json!({ "spec": record["input"]["spec"], "metadata": { "annotations": record["input"]["metadata"].get("annotations").cloned().unwrap_or(json!({})) } }),
            ),
        }
        json_patch::merge(&mut theirs, &record["differs"]);
        stored.insert(key, (ours.clone(), theirs.clone()));

        let mut ours =
            json!({ "metadata": { "annotations": ours["metadata"]["annotations"] }, "spec": ours["spec"] });
        [&mut ours, &mut theirs].into_iter().for_each(|object| {
            quantities_as_strings(object);
            without_empty(object);
        });
        match listed(id, &mut ours, &mut theirs) {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None => equal += 1,
        }
        assert_eq!(ours, theirs, "{id}");
    }
    println!("{equal} equal, {refused} refused alike, {reasons:?}");
    assert_eq!((equal, refused, reasons.values().sum::<usize>()), (289, 14, 3));
}
