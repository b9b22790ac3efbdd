//! What the Go operator said to real collectors, recorded behind a real API server: our verdict, message, warning about null objects
//! and stored configuration are equal, or differ for a listed reason that really occurs.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::collections::BTreeMap;

use api::collector::{KIND, OLD_API_VERSION, conversion::to_v1beta1};
use collector::{
    Available,
    admission::{Access, Level, Requester, Settings, default, validate},
};
use serde_json::{Value, json};

/// Recordings that differ, and the entry of docs/differences that says why.
const DIFFERENT: &[(&str, &str)] = &[
    ("g1000-0006 update", "WN6"),
    // The unknown protocol passes; then the Ingress has no hostname.
    ("g1000-0029 create", "WN8"),
    ("g1000-0066 update", "WN6"),
    ("g1000-0082 create", "WD1"),
    ("g1000-0095 create", "WD3"),
];

fn settings() -> Settings {
    Settings {
        available: Available { monitors: true, gateway: true, cluster_roles: true, ..Available::default() },
        config_validation: Level::Off,
        ..Settings::default()
    }
}

/// The stored object and the warnings, or why it is refused.
fn admit(sent: &Value, old: Option<&Value>) -> Result<(Value, Vec<String>), String> {
    let settings = settings();
    let defaulted = default(sent, old, &settings);
    if let Some(error) = defaulted.error {
        return Err(error);
    }
    let mut object = sent.clone();
    json_patch::patch(&mut object, &defaulted.patch).unwrap();
    // The recorder was an administrator.
    let requester = Requester { user: "admin".to_owned(), groups: Vec::new() };
    let mut access = Access::default();
    loop {
        let validated = validate(&object, old, Some(&requester), &settings, &access);
        if validated.reviews.is_empty() {
            return validated.error.map_or(Ok((object, validated.warnings)), Err);
        }
        let allowed = |user: &str| user == "admin";
        access.0.extend(validated.reviews.into_iter().map(|r| (r.clone(), Ok(allowed(&r.user)))));
    }
}

fn sent(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(namespace);
    if object["apiVersion"] == OLD_API_VERSION { to_v1beta1(&object) } else { object }
}

/// The value without what says nothing: nulls, and the empty maps that the Go operator writes for structs.
fn said(value: &Value) -> Value {
    let Some(map) = value.as_object() else { return value.clone() };
    let silent = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    map.iter().map(|(key, value)| (key.clone(), said(value))).filter(|(_, value)| !silent(value)).collect()
}

/// How ours differs from what was recorded.
fn difference(ours: &Result<(Value, Vec<String>), String>, theirs: &Value, stored: &Value) -> Option<String> {
    let code = theirs["code"].as_u64().unwrap_or_default();
    let message = theirs["message"].as_str().unwrap_or_default();
    match ours {
        // The schema's refusals are the API server's own.
        _ if code == 422 => None,
        Err(ours) => {
            let theirs = message.split_once("denied the request: ").map(|(_, text)| text);
            let equal = theirs.is_some_and(|theirs| ours.starts_with(theirs));
            (!equal).then(|| format!("we refuse: {ours}\n    they: {code} {message}"))
        }
        Ok(_) if code >= 400 => Some(format!("we accept, they: {message}")),
        Ok((object, warnings)) => {
            let nulls = |warning: &&str| warning.starts_with("Collector config spec.config has null objects");
            let theirs: Vec<&str> = theirs["warnings"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .filter(nulls)
                .collect();
            let ours: Vec<&str> = warnings.iter().map(String::as_str).filter(nulls).collect();
            if theirs.iter().any(|text| !ours.contains(text)) {
                return Some(format!("null objects:\n    ours   {ours:?}\n    theirs {theirs:?}"));
            }
            let theirs = &stored["v1beta1"]["spec"];
            if theirs.is_null() {
                return None;
            }
            let fields = ["mode", "upgradeStrategy", "replicas", "managementState", "autoscaler", "ingress"];
            let pick = |spec: &Value| {
                let picked: Value =
                    fields.iter().map(|key| ((*key).to_owned(), spec[*key].clone())).collect();
                let mut picked = said(&picked);
                picked["config"] = spec["config"].clone();
                picked
            };
            let patch = json_patch::diff(&pick(theirs), &pick(&object["spec"])).0;
            (!patch.is_empty()).then(|| format!("stored: {patch:?}"))
        }
    }
}

#[test]
fn verdicts_and_stored_configurations_are_those_that_were_recorded() {
    let reasons: BTreeMap<&str, &str> = DIFFERENT.iter().copied().collect();
    let mut seen = Vec::new();
    let mut unexpected = Vec::new();
    let mut compared = 0;
    for line in include_str!("recorded/collector.jsonl").lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let id = record["id"].as_str().unwrap();
        let reference = &record["reference"];
        let objects = record["input"]["objects"].as_array().unwrap();
        let Some(created) = objects.last().filter(|object| object["kind"] == KIND) else { continue };
        if reference["kind"] != KIND {
            continue;
        }
        let ours = admit(&sent(created, id), None);
        let mut phases = vec![("create", difference(&ours, &reference["create"], &reference["stored"]))];
        let update = &record["input"]["update"];
        if update["kind"] == KIND && !reference["update"].is_null() && ours.is_ok() {
            let old = reference["stored"]["v1beta1"].clone();
            let ours = admit(&sent(update, id), Some(&old));
            phases.push(("update", difference(&ours, &reference["update"], &reference["update"]["stored"])));
        }
        for (phase, found) in phases {
            compared += 1;
            let name = format!("{id} {phase}");
            match (found, reasons.contains_key(name.as_str())) {
                (None, false) => {}
                (None, true) => unexpected.push(format!("{name}: listed but equal")),
                (Some(_), true) => seen.push(name),
                (Some(found), false) => unexpected.push(format!("{name}: {found}")),
            }
        }
    }
    let page = include_str!("../../../docs/differences/collector-config.md");
    for (name, entry) in DIFFERENT {
        assert!(page.contains(&format!("### {entry} ")), "{name}: no entry {entry}");
    }
    println!("{compared} requests compared, {} differ for a listed reason", seen.len());
    assert!(unexpected.is_empty(), "{} unexpected:\n{}", unexpected.len(), unexpected.join("\n"));
    assert!(compared > 80, "only {compared} were compared");
}
