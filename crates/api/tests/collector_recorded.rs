//! What the Go operator stored and converted, recorded behind a real API server: we show the same objects in both
//! versions, write the same text and find the same hash.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use api::collector::{
    API_VERSION, OLD_API_VERSION, config_hash,
    config_text::{parse, render, render_all},
    conversion::{ANNOTATION, to_v1alpha1, to_v1beta1},
};
use serde_json::{Value, json};

#[path = "collector/plain.rs"]
mod plain;

use plain::plain;

struct Stored {
    id: String,
    old: Value,
    new: Value,
    /// Those of its ConfigMaps, in short, and that of its pods.
    hashes: Vec<String>,
}

/// The distinct collectors of the recordings at rest, in both versions.
fn stored() -> Vec<Stored> {
    let recordings = include_str!("../../collector/tests/recorded/collector.jsonl");
    let mut all: Vec<Stored> = Vec::new();
    for line in recordings.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        for (what, part) in [("create", &record["reference"]), ("update", &record["reference"]["update"])] {
            let version = |version: &str, api_version: &str| {
                let mut object = part["stored"][version].clone();
                object["apiVersion"] = json!(api_version);
                object["kind"] = json!("OpenTelemetryCollector");
                object
            };
            // Bridges have one version only.
            if part["stored"]["v1beta1"].is_null() {
                continue;
            }
            let hashes: Vec<String> = part["hashes"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(of, _)| of.contains("-collector") && !of.contains("targetallocator"))
                .map(|(_, hash)| hash.as_str().unwrap().to_owned())
                .collect();
            let (old, new) = (version("v1alpha1", OLD_API_VERSION), version("v1beta1", API_VERSION));
            let id = format!("{} {what}", record["id"].as_str().unwrap());
            if !all.iter().any(|other| other.new == new && other.hashes == hashes) {
                all.push(Stored { id, old, new, hashes });
            }
        }
    }
    assert!(all.len() >= 90, "{} objects", all.len());
    all
}

fn without_stash(mut object: Value) -> Value {
    let annotations = object["metadata"].get_mut("annotations").and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        annotations.remove(ANNOTATION);
    }
    object
}

/// What the Go operator drops although both versions have it (WD4), or because it is `false`.
const KEPT: [&str; 4] =
    [".spec.serviceName", ".denyFSAccessThroughSMs", ".metrics.enableMetrics", ".targetAllocator.enabled"];

fn assert_equal(ours: &Value, reference: &Value, path: &str) {
    match (ours, reference) {
        (Value::Object(_), Value::Object(_) | Value::Null) | (Value::Null, Value::Object(_)) => {
            for name in [ours, reference].into_iter().filter_map(Value::as_object).flat_map(|of| of.keys()) {
                assert_equal(&ours[name], &reference[name], &format!("{path}.{name}"));
            }
        }
        (_, Value::Null) if KEPT.iter().any(|kept| path.ends_with(kept)) => {}
        _ => assert_eq!(ours, reference, "{path}"),
    }
}

#[test]
fn the_old_version_shows_what_the_go_operator_shows() {
    for Stored { id, old, new, .. } in stored() {
        let ours = without_stash(to_v1alpha1(&new));
        assert_eq!(ours["spec"]["config"], old["spec"]["config"], "{id}");
        assert_equal(&plain(&ours, "v1alpha1"), &plain(&old, "v1alpha1"), &id);
    }
}

#[test]
fn the_new_version_shows_all_that_the_old_one_says() {
    fn is_part(part: &Value, of: &Value, path: &str) {
        match (part, of) {
            (Value::Object(part), Value::Object(_)) => {
                for (name, value) in part {
                    is_part(value, &of[name], &format!("{path}.{name}"));
                }
            }
            _ => assert_eq!(part, of, "{path}"),
        }
    }
    for Stored { id, old, new, .. } in stored() {
        let mut ours = to_v1beta1(&old);
        // An object that was made through v1beta1, without a target allocator or without selectors: the old version means all.
        for name in ["podMonitorSelector", "serviceMonitorSelector"] {
            let of = |object: &Value| object["spec"]["targetAllocator"]["prometheusCR"][name].clone();
            if of(&old).is_null() && of(&new).is_null() {
                assert_eq!(of(&ours), json!({}), "{id}");
                ours["spec"]["targetAllocator"]["prometheusCR"][name].take();
            }
        }
        assert_eq!(ours["metadata"]["annotations"].get(ANNOTATION), None, "{id}");
        is_part(&plain(&ours, "v1beta1"), &plain(&new, "v1beta1"), &id);
        assert_eq!(
            plain(&ours, "v1beta1")["spec"]["config"],
            plain(&new, "v1beta1")["spec"]["config"],
            "{id}"
        );
    }
}

#[test]
fn stored_objects_come_back_from_the_old_version_as_they_were() {
    for Stored { id, new, .. } in stored() {
        assert_eq!(plain(&to_v1beta1(&to_v1alpha1(&new)), "v1beta1"), plain(&new, "v1beta1"), "{id}");
    }
}

#[test]
fn text_and_hash_of_each_configuration_are_the_recorded_ones() {
    let mut complete = 0;
    for Stored { id, old, new, hashes } in stored() {
        let (text, config) = (old["spec"]["config"].as_str().unwrap(), &new["spec"]["config"]);
        assert_eq!(render(config), text, "{id}");
        assert_eq!(render_all(&parse(text).unwrap()), text, "{id}");
        let ours = config_hash(config);
        // An update that the API server refused for the pods has left them with the hash before.
        assert!(
            hashes.is_empty() || hashes.iter().any(|hash| ours.starts_with(hash)),
            "{id}: {ours}, {hashes:?}"
        );
        complete += usize::from(hashes.contains(&ours));
    }
    assert!(complete > 60, "{complete} hashes");
}
