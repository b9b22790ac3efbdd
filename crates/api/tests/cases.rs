//! What happens to an Instrumentation: each file of `cases/` is one row of the test matrix, or one rule, as data.
//!
//! A case gives one of
//!
//! - `create`: an object that a user creates,
//! - `update`: `from` the stored object `to` what a user sends,
//! - `restart`: a stored object that a starting operator looks at,
//! - `delete`: an object that a user deletes,
//! - `config-file`: the value of `instrumentations` in the configuration file;
//!
//! optionally `settings` (`images` by language, `enabled` and `disabled` languages; the rest as shipped); and in `expect`
//!
//! - `stored`: members that the outcome has (`null`: has not), or `stored-exactly`: the whole outcome,
//! - `unchanged: true`: there is nothing to write,
//! - `warnings`: all of them, in order (not given: not looked at),
//! - `error`, `refused-by-schema`: why it is refused (not given: it is accepted),
//! - `status`: the new `upgradeBlockedVersions` (not given: it is not written),
//! - `events`: all of them (not given: none).
//!
//! Objects are `ns/inst` of kind Instrumentation where they do not say otherwise.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use api::{
    Language, Settings,
    instrumentation::{Defaulted, default, parse_static, schema, upgrade, validate, validate_delete},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Rows of the test matrix about the resource and its upgrade that this file must find cases for.
const ROWS: std::ops::RangeInclusive<u16> = 112..=125;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Option<u16>,
    rule: String,
    /// Entry of docs/differences.md, where the outcome differs from the Go operator's.
    differs: Option<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Case {
    name: String,
    #[serde(default)]
    settings: Given,
    create: Option<Value>,
    update: Option<Update>,
    restart: Option<Value>,
    delete: Option<Value>,
    config_file: Option<Value>,
    expect: Expected,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    images: BTreeMap<String, String>,
    enabled: Vec<String>,
    disabled: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    from: Value,
    to: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Expected {
    stored: Option<Value>,
    stored_exactly: Option<Value>,
    #[serde(default)]
    unchanged: bool,
    warnings: Option<Vec<String>>,
    error: Option<String>,
    refused_by_schema: Option<String>,
    status: Option<BTreeMap<String, String>>,
    #[serde(default)]
    events: Vec<Value>,
}

/// What happened, in the terms of [`Expected`].
#[derive(Default)]
struct Outcome {
    object: Value,
    unchanged: bool,
    warnings: Vec<String>,
    error: Option<String>,
    refused_by_schema: Option<String>,
    status: Option<BTreeMap<String, String>>,
    events: Vec<Value>,
}

impl Given {
    fn settings(&self) -> Settings {
        let language = |id: &String| Language::from_id(id).unwrap();
        let mut settings = Settings::default();
        self.images.iter().for_each(|(id, image)| settings.images[language(id)] = image.clone());
        self.enabled.iter().for_each(|id| settings.enabled[language(id)] = true);
        self.disabled.iter().for_each(|id| settings.enabled[language(id)] = false);
        settings
    }
}

fn whole(part: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "opentelemetry.io/v1alpha1",
        "kind": "Instrumentation",
        "metadata": { "name": "inst", "namespace": "ns" },
    });
    // Not a merge patch, which would drop a null that somebody wrote.
    for (key, value) in part.as_object().unwrap() {
        match (key.as_str(), value.as_object()) {
            ("metadata", Some(members)) => {
                object["metadata"].as_object_mut().unwrap().extend(members.clone())
            }
            _ => object[key] = value.clone(),
        }
    }
    object
}

fn admit(sent: &Value, old: Option<&Value>, settings: &Settings) -> Outcome {
    let Defaulted { patch, mut warnings } = default(sent, old, settings);
    let mut object = sent.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    let again = default(&object, old, settings);
    assert!(again.patch.is_empty() && again.warnings.is_empty(), "the second pass still changes: {again:?}");

    let violations: Vec<String> = schema::check(&object).violations.iter().map(ToString::to_string).collect();
    if !violations.is_empty() {
        return Outcome {
            object,
            warnings,
            refused_by_schema: Some(violations.join("\n")),
            ..Outcome::default()
        };
    }
    let validated = validate(&object, settings);
    warnings.extend(validated.warnings);
    Outcome { object, unchanged: patch.is_empty(), warnings, error: validated.error, ..Outcome::default() }
}

fn restart(stored: &Value, settings: &Settings) -> Outcome {
    let upgraded = upgrade(stored, settings);
    let mut object = stored.clone();
    json_patch::patch(&mut object, &upgraded.patch).unwrap();
    // The write passes our own webhook, which must leave alone what was there and what the upgrade wrote.
    let mut written = object.clone();
    json_patch::patch(&mut written, &default(&object, Some(stored), settings).patch).unwrap();
    let mut undone = Vec::new();
    missing(&object, Some(&written), "after the webhook", &mut undone);
    assert_eq!(undone, Vec::<String>::new());
    if let Some(merge) = upgraded.status_merge_patch(stored) {
        json_patch::merge(&mut object, &merge);
    }
    let again = upgrade(&object, settings);
    assert!(again.is_unchanged(), "the next start writes again: {again:?}");

    let events = upgraded.events.iter().map(|event| {
        json!({ "type": event.kind, "reason": event.reason, "action": event.action, "note": event.note })
    });
    let events = events.collect();
    Outcome {
        object,
        unchanged: upgraded.is_unchanged(),
        status: upgraded.status,
        events,
        ..Outcome::default()
    }
}

fn run(case: &Case) -> Outcome {
    let settings = case.settings.settings();
    match case {
        Case { create: Some(object), .. } => admit(&whole(object), None, &settings),
        Case { update: Some(Update { from, to }), .. } => admit(&whole(to), Some(&whole(from)), &settings),
        Case { restart: Some(object), .. } => restart(&whole(object), &settings),
        Case { delete: Some(object), .. } => {
            let validated = validate_delete();
            let (warnings, error) = (validated.warnings, validated.error);
            Outcome { object: whole(object), unchanged: true, warnings, error, ..Outcome::default() }
        }
        Case { config_file: Some(value), .. } => match parse_static(value, &settings) {
            Ok((read, warnings)) => {
                let object = serde_json::to_value(read).unwrap();
                Outcome { object, warnings, ..Outcome::default() }
            }
            Err(error) => Outcome { error: Some(error), ..Outcome::default() },
        },
        _ => panic!("what happens to the object?"),
    }
}

/// Whether `part` is in `whole`; a `null` in it means absence. Lists are compared as a whole.
fn missing(part: &Value, whole: Option<&Value>, path: &str, problems: &mut Vec<String>) {
    match (part, whole) {
        (Value::Object(members), Some(Value::Object(_))) => {
            for (key, value) in members {
                missing(value, whole.unwrap().get(key), &format!("{path}.{key}"), problems);
            }
        }
        (Value::Null, None) => {}
        _ if Some(part) == whole => {}
        _ => problems.push(format!("{path}: expected {part}, got {}", whole.unwrap_or(&Value::Null))),
    }
}

fn problems(case: &Case) -> Vec<String> {
    let (expect, got) = (&case.expect, run(case));
    let mut problems = Vec::new();
    let mut compare = |what: &str, expected: Value, got: Value| {
        if expected != got {
            problems.push(format!("{what}:\n    expected {expected:#}\n    got      {got:#}"));
        }
    };
    compare("error", json!(expect.error), json!(got.error));
    compare("refused by schema", json!(expect.refused_by_schema), json!(got.refused_by_schema));
    compare("status", json!(expect.status), json!(got.status));
    compare("events", json!(expect.events), json!(got.events));
    if let Some(warnings) = &expect.warnings {
        compare("warnings", json!(warnings), json!(got.warnings));
    }
    if let Some(exactly) = &expect.stored_exactly {
        compare("stored", whole(exactly), got.object.clone());
    }
    if expect.unchanged {
        compare("unchanged", json!(true), json!(got.unchanged));
    }
    if let Some(part) = &expect.stored {
        missing(part, Some(&got.object), "stored", &mut problems);
    }
    problems
}

#[test]
fn every_case_comes_out_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let differences = fs::read_to_string(folder.join("../../../../docs/differences/api.md")).unwrap();
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut rows, mut failures, mut count) = (Vec::new(), String::new(), 0);
    for path in &files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let file: File = match serde_saphyr::from_str(&fs::read_to_string(path).unwrap()) {
            Ok(file) => file,
            Err(error) => panic!("{name}: {error}"),
        };
        let number = name.split('-').next().and_then(|number| number.parse::<u16>().ok());
        assert_eq!(file.row, number, "{name}: the file is named by its row");
        rows.extend(file.row);
        if let Some(entry) = &file.differs {
            assert!(
                differences.contains(&format!("### {entry} · ")),
                "{name}: no entry {entry} in docs/differences/api.md"
            );
        }
        for case in &file.cases {
            count += 1;
            let problems = problems(case);
            if !problems.is_empty() {
                let text = problems.join("\n  ");
                failures += &format!("\n── {name} ({}): {}\n  {text}\n", file.rule, case.name);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    let without: Vec<u16> = ROWS.filter(|row| !rows.contains(row)).collect();
    assert_eq!(without, Vec::<u16>::new(), "rows of the matrix without a case");
    println!("{count} cases in {} files", files.len());
}
