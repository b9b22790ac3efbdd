//! Conversion between v1alpha1 and v1beta1: each file of `collector/cases/` is one row of the test matrix, or one fixed
//! weakness, as data.
//!
//! A case gives an object as `v1alpha1` or `v1beta1`; kind, name and, where there is none, an empty configuration are
//! added. Then
//!
//! - `becomes`: members that it has in the other version (`null`: has not),
//! - `keeps`: all that the other version cannot say (`null`: nothing),
//! - `edit`: what somebody changes there, as a merge patch,
//! - `unreadable`: what is said to be wrong with its configuration (not given: nothing),
//! - `back`: members that it has when it is home again,
//! - `restored: true`: it is equal then; or with these members instead.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use api::collector::{
    API_VERSION, OLD_API_VERSION,
    conversion::{ANNOTATION, convert_review, to_v1alpha1, to_v1beta1, unreadable_config},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Option<String>,
    rule: String,
    /// Entry of docs/differences, where the outcome differs from the Go operator's.
    differs: Option<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: Option<String>,
    v1alpha1: Option<Value>,
    v1beta1: Option<Value>,
    becomes: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    keeps: Option<Value>,
    edit: Option<Value>,
    unreadable: Option<String>,
    back: Option<Value>,
    restored: Option<Value>,
}

/// Tells `keeps: null` from its absence.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn files() -> Vec<(String, File)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/collector/cases");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let file = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, file)
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

fn object(given: &Value, api_version: &str) -> Value {
    let mut object = given.clone();
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!("OpenTelemetryCollector");
    object["metadata"]["name"] = json!("c");
    if object["spec"].get("config").is_none() {
        object["spec"]["config"] = match api_version {
            API_VERSION => json!({ "receivers": {}, "exporters": {}, "service": { "pipelines": {} } }),
            _ => json!("receivers: {}\nexporters: {}\nservice:\n  pipelines: {}\n"),
        };
    }
    object
}

fn stash(object: &Value) -> Value {
    match object["metadata"]["annotations"].get(ANNOTATION) {
        Some(text) => serde_json::from_str(text.as_str().unwrap()).unwrap(),
        None => Value::Null,
    }
}

/// Whether an object has these members; an empty mapping has to be empty.
fn assert_has(object: &Value, members: &Value, path: &str) {
    match members {
        Value::Null if path.contains("config.") => assert_eq!(object, members, "{path}"),
        Value::Null => assert!(object.is_null(), "{path} is {object}"),
        Value::Object(all) if !all.is_empty() => {
            for (name, value) in all {
                assert_has(&object[name], value, &format!("{path}.{name}"));
            }
        }
        other => assert_eq!(object, other, "{path}"),
    }
}

fn run(case: &Case) {
    let forward = case.v1alpha1.is_some();
    let (away, home) = if forward {
        (to_v1beta1 as fn(&Value) -> Value, to_v1alpha1 as fn(&Value) -> Value)
    } else {
        (to_v1alpha1 as fn(&Value) -> Value, to_v1beta1 as fn(&Value) -> Value)
    };
    let (version, api_version) =
        if forward { ("v1alpha1", OLD_API_VERSION) } else { ("v1beta1", API_VERSION) };
    let given = object(case.v1alpha1.as_ref().or(case.v1beta1.as_ref()).unwrap(), api_version);

    let mut converted = away(&given);
    assert_eq!(converted["apiVersion"], if forward { API_VERSION } else { OLD_API_VERSION });
    if let Some(becomes) = &case.becomes {
        assert_has(&converted, becomes, "");
    }
    if let Some(keeps) = &case.keeps {
        let expected = if keeps.is_null() { Value::Null } else { json!({ version: keeps }) };
        assert_eq!(stash(&converted), expected, "keeps");
    }
    if let Some(edit) = &case.edit {
        json_patch::merge(&mut converted, edit);
    }
    let problem = unreadable_config(&converted).map(|problem| problem.to_string());
    match &case.unreadable {
        Some(part) => assert!(problem.as_ref().is_some_and(|text| text.contains(part)), "{problem:?}"),
        None => assert_eq!(problem, None),
    }
    let back = home(&converted);
    if let Some(members) = &case.back {
        assert_has(&back, members, "");
    }
    if let Some(restored) = &case.restored {
        let mut expected = given.clone();
        if restored != &json!(true) {
            json_patch::merge(&mut expected, restored);
        }
        assert_eq!(back, expected, "restored");
    }
}

#[test]
fn every_case_comes_out_as_written() {
    let files = files();
    for (name, file) in &files {
        for (i, case) in file.cases.iter().enumerate() {
            println!("{name}: {} ({})", case.about.as_ref().unwrap_or(&file.rule), i + 1);
            run(case);
        }
    }
    let rows: BTreeSet<_> = files.iter().filter_map(|(_, file)| file.row.clone()).collect();
    assert_eq!(rows, ["A18", "A19", "A20", "A21", "A22"].map(str::to_owned).into());
}

/// Where the outcome differs from the Go operator's, the difference is described, with the name of the case.
#[test]
fn every_difference_is_listed() {
    let docs = include_str!("../../../docs/differences/collector-api.md");
    for (name, file) in files() {
        let Some(key) = file.differs else { continue };
        let entry =
            docs.split("\n### ").find(|entry| entry.starts_with(&format!("{key} "))).unwrap_or_default();
        assert!(entry.contains(&name), "{key} in docs/differences/collector-api.md does not name {name}");
    }
}

fn review(version: &str, desired: &str, objects: &[Value]) -> Value {
    convert_review(&json!({
        "apiVersion": format!("apiextensions.k8s.io/{version}"),
        "kind": "ConversionReview",
        "request": { "uid": "705ab4f5", "desiredAPIVersion": desired, "objects": objects },
    }))
}

/// API servers ask in the version that the CRD allows them; both are answered in kind.
#[test]
fn a_review_is_answered_in_the_version_that_it_was_asked_in() {
    let given = object(&json!({ "spec": { "replicas": 2 } }), OLD_API_VERSION);
    for version in ["v1", "v1beta1"] {
        let answer = review(version, API_VERSION, std::slice::from_ref(&given));
        assert_eq!(
            answer,
            json!({
                "apiVersion": format!("apiextensions.k8s.io/{version}"),
                "kind": "ConversionReview",
                "response": {
                    "uid": "705ab4f5",
                    "convertedObjects": [to_v1beta1(&given)],
                    "result": { "status": "Success" },
                },
            })
        );
    }
}

#[test]
fn objects_keep_their_order_and_one_that_is_there_already_stays() {
    let old = object(&json!({ "spec": { "config": "@@@" } }), OLD_API_VERSION);
    let new = object(&json!({ "spec": {} }), API_VERSION);
    let answer = review("v1", API_VERSION, &[old.clone(), new.clone(), old.clone()]);
    assert_eq!(answer["response"]["convertedObjects"], json!([to_v1beta1(&old), new, to_v1beta1(&old)]));
    let answer = review("v1", OLD_API_VERSION, &[old.clone(), new.clone()]);
    assert_eq!(answer["response"]["convertedObjects"], json!([old, to_v1alpha1(&new)]));
    assert_eq!(review("v1", API_VERSION, &[])["response"]["result"]["status"], "Success");
}

#[test]
fn what_is_no_collector_or_no_version_is_refused_by_name() {
    let message = |answer: Value| {
        assert_eq!(answer["response"]["result"]["status"], "Failure");
        assert_eq!(answer["response"]["uid"], "705ab4f5");
        answer["response"]["result"]["message"].as_str().unwrap().to_owned()
    };
    let collector = object(&json!({ "spec": {} }), API_VERSION);
    let text = message(review("v1", "opentelemetry.io/v2", &[collector]));
    assert!(text.contains("opentelemetry.io/v2") && text.contains("opentelemetry.io/v1beta1"), "{text}");

    let mut other = object(&json!({ "spec": {} }), OLD_API_VERSION);
    other["kind"] = json!("Instrumentation");
    let text = message(review("v1", API_VERSION, &[other]));
    assert!(text.contains("Instrumentation") && text.contains("\"c\""), "{text}");
    assert_eq!(convert_review(&json!("nonsense"))["response"]["result"]["status"], "Success");
}
