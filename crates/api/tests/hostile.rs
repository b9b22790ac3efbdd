//! Anything anywhere: an object that nobody has checked is never a reason to panic, and what is not understood stays.

use api::{
    Settings,
    instrumentation::{default, parse_static, schema, upgrade, validate},
};
use serde_json::{Value, json};

/// An object with something in most places that the functions look at.
fn object() -> Value {
    let agent = json!({
        "image": "r/java:1.33.6",
        "env": [{ "name": "A", "value": "b" }],
        "attrs": [{ "name": "A", "value": "b" }],
        "resources": { "limits": { "cpu": "1" } },
        "resourceRequirements": { "requests": { "cpu": "1" } },
        "volumeLimitSize": "1Gi",
        "volumeClaimTemplate": { "spec": {} },
        "version": "2.4",
        "configPath": "/a",
        "configFile": "/b",
    });
    json!({
        "metadata": {
            "name": "inst",
            "namespace": "ns",
            "annotations": { "instrumentation.opentelemetry.io/default-auto-instrumentation-java-image": "r/java:1.33.6" },
        },
        "spec": {
            "exporter": { "endpoint": "http://c", "tls": { "ca_file": "x" } },
            "sampler": { "type": "jaeger_remote", "argument": "endpoint=x" },
            "env": [{ "name": "A", "value": "b" }],
            "imagePullPolicy": "Always",
            "java": agent, "nodejs": agent, "python": agent, "dotnet": agent, "go": agent, "apacheHttpd": agent, "nginx": agent,
        },
        "status": { "upgradeBlockedVersions": { "java": "x" } },
    })
}

fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| paths(value, &format!("{path}/{}", escape(key)), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| paths(value, &format!("{path}/{i}"), found))
        }
        _ => {}
    }
}

#[test]
fn a_wrong_value_anywhere_is_survived_and_left_alone() {
    let settings = Settings::with_every_language();
    let mut places = Vec::new();
    paths(&object(), "", &mut places);
    assert!(places.len() > 100, "{}", places.len());
    let wrong = [
        json!(null),
        json!(true),
        json!(1.5),
        json!("\u{0}=,="),
        json!([]),
        json!([null, [1]]),
        json!({}),
        json!({ "": null }),
    ];
    for place in &places {
        for wrong in &wrong {
            let mut sent = object();
            *sent.pointer_mut(place).unwrap() = wrong.clone();

            let defaulted = default(&sent, Some(&object()), &settings);
            let mut stored = sent.clone();
            json_patch::patch(&mut stored, &defaulted.patch).unwrap();
            let is_scalar_value = place.ends_with("/value") && (wrong.is_boolean() || wrong.is_number());
            // Absent and empty objects may be filled in; nothing else may change.
            if !wrong.is_null() && !wrong.is_object() && !is_scalar_value {
                assert_eq!(stored.pointer(place), Some(wrong), "{place}: {:?}", defaulted.patch);
            }
            assert!(
                default(&stored, Some(&sent), &settings).patch.is_empty(),
                "{place} {wrong}: not at rest"
            );

            let upgraded = upgrade(&sent, &settings);
            json_patch::patch(&mut sent.clone(), &upgraded.patch).unwrap();
            let _ = upgraded.status_merge_patch(&sent);
            let _ = validate(&sent, &settings);
            let _ = schema::check(&sent);
            let _ = parse_static(&sent, &settings);
        }
    }
}
