//! What happens to a collector when it is stored or upgraded, and what it may do: each file of `cases/` is one row of the test
//! matrix, or one fixed weakness, as data.
//!
//! A case gives one of
//!
//! - `create`: an object that a user creates,
//! - `update`: `from` the stored object `to` what a user sends,
//! - `delete`: an object that a user deletes,
//! - `upgrade`: a stored object that an operator of version `to` (0.158.0 if not given) looks at,
//! - `config`: a configuration, for its RBAC `rules`;
//!
//! optionally `settings`, and `allowed`: what users may do (`"*"`, or `verb resource` lines; others may do nothing); and in
//! `expect`
//!
//! - `stored`: members that the outcome has (`null`: has not),
//! - `unchanged: true`: there is nothing to write,
//! - `warnings`: all of them, in order (not given: not looked at), `warns`: one that is among them,
//! - `error`: why it is refused (not given: it is accepted), `error-begins`: how that begins,
//! - `events`, `notes`, `version`: all of them (not given: not looked at),
//! - `rules`: the RBAC rules, as `group/resources: verbs`.
//!
//! The configuration `min` is the matrix's: OTLP over gRPC and HTTP, the debug exporter, one pipeline of traces.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use api::collector::conversion::to_v1beta1;
use collector::{
    Available,
    admission::{
        Access, Asked, DeniedComponents, Level, Requester, Settings, default, validate, validate_delete,
    },
    config::Config,
    rbac,
    upgrade::upgrade,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Rows of the test matrix that need a case here. A18 to A26 are about the schema and its conversion, R1 to R9 about reconciling.
fn rows() -> Vec<String> {
    let range =
        |letter: &str, from: u8, to: u8| (from..=to).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    [range("A", 1, 17), range("V", 1, 32), range("R", 10, 18), range("B", 1, 9)].concat()
}

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
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Case {
    name: String,
    #[serde(default)]
    settings: Given,
    #[serde(default)]
    allowed: BTreeMap<String, Vec<String>>,
    user: Option<String>,
    create: Option<Value>,
    update: Option<Update>,
    delete: Option<Value>,
    upgrade: Option<Value>,
    #[serde(default)]
    to: Option<String>,
    config: Option<Value>,
    expect: Expected,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Given {
    cluster_roles: bool,
    cert_manager: bool,
    no_network_policy: bool,
    level: Option<String>,
    fips_denied: Option<String>,
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
    #[serde(default)]
    unchanged: bool,
    warnings: Option<Vec<String>>,
    warns: Option<String>,
    error: Option<String>,
    error_begins: Option<String>,
    events: Option<Vec<String>>,
    notes: Option<Vec<String>>,
    version: Option<String>,
    rules: Option<Vec<String>>,
}

/// What happened, in the terms of [`Expected`].
#[derive(Debug, Default)]
struct Outcome {
    object: Value,
    unchanged: bool,
    warnings: Vec<String>,
    error: Option<String>,
    events: Vec<String>,
    notes: Vec<String>,
    version: Option<String>,
    rules: Vec<String>,
}

impl Given {
    fn settings(&self) -> Settings {
        Settings {
            available: Available { cluster_roles: self.cluster_roles, ..Available::default() },
            cert_manager: self.cert_manager,
            network_policy: !self.no_network_policy,
            config_validation: self.level.as_deref().map_or(Level::Off, |level| Level::parse(level).unwrap()),
            fips_denied: self.fips_denied.as_deref().map(DeniedComponents::parse),
            ..Settings::default()
        }
    }
}

fn min() -> Value {
    json!({
        "receivers": {"otlp": {"protocols": {"grpc": {}, "http": {}}}},
        "exporters": {"debug": {}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}},
    })
}

fn whole(part: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": { "name": "c", "namespace": "ns" },
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
    if object["spec"].is_object() && object["spec"]["config"] == "min" {
        object["spec"]["config"] = min();
    }
    // As the API server does it before it asks anybody.
    if object["apiVersion"] == "opentelemetry.io/v1alpha1" { to_v1beta1(&object) } else { object }
}

impl Case {
    fn allows(&self, user: &str, asked: &Asked) -> bool {
        let line = match asked {
            Asked::Resource { group, resource, verb } if group.is_empty() => format!("{verb} {resource}"),
            Asked::Resource { group, resource, verb } => format!("{verb} {group}/{resource}"),
            Asked::Path { path, verb } => format!("{verb} {path}"),
        };
        self.allowed.get(user).is_some_and(|lines| lines.iter().any(|l| *l == "*" || *l == line))
    }

    fn admit(&self, sent: &Value, old: Option<&Value>) -> Outcome {
        let settings = self.settings.settings();
        let defaulted = default(sent, old, &settings);
        let mut outcome = Outcome {
            unchanged: defaulted.patch.is_empty(),
            warnings: defaulted.warnings,
            error: defaulted.error,
            events: defaulted
                .events
                .iter()
                .map(|event| format!("{}: {}", event.reason, event.note))
                .collect(),
            object: sent.clone(),
            ..Outcome::default()
        };
        json_patch::patch(&mut outcome.object, &defaulted.patch).unwrap();
        if outcome.error.is_some() {
            return outcome;
        }
        let again = default(&outcome.object, old, &settings);
        assert!(
            again.patch.is_empty() && again.events.is_empty(),
            "the second pass still changes: {again:?}"
        );
        let requester = self.user.as_ref().map(|user| Requester { user: user.clone(), groups: Vec::new() });
        let mut access = Access::default();
        for _ in 0..3 {
            let validated = validate(&outcome.object, old, requester.as_ref(), &settings, &access);
            if validated.reviews.is_empty() {
                outcome.warnings.extend(validated.warnings);
                outcome.error = validated.error;
                return outcome;
            }
            for review in validated.reviews {
                let allowed = self.allows(&review.user, &review.asked);
                assert!(access.0.insert(review, Ok(allowed)).is_none(), "asked twice");
            }
        }
        panic!("validation asks for ever");
    }

    fn run(&self) -> Outcome {
        if let Some(object) = &self.create {
            return self.admit(&whole(object), None);
        }
        if let Some(update) = &self.update {
            return self.admit(&whole(&update.to), Some(&whole(&update.from)));
        }
        if let Some(object) = &self.delete {
            let validated = validate_delete(&whole(object));
            return Outcome { error: validated.error, warnings: validated.warnings, ..Outcome::default() };
        }
        if let Some(object) = &self.upgrade {
            let raw = whole(object);
            let target = self.to.as_deref().unwrap_or("0.158.0").parse().unwrap();
            let upgraded = upgrade(&raw, &target);
            let mut object = raw.clone();
            json_patch::patch(&mut object, &upgraded.patch).unwrap();
            if let Some(version) = &upgraded.version {
                let mut done = object.clone();
                done["status"]["version"] = version.as_str().into();
                assert!(upgrade(&done, &target).is_unchanged(), "an upgraded object is upgraded again");
            }
            return Outcome {
                unchanged: upgraded.is_unchanged(),
                notes: upgraded
                    .notes
                    .iter()
                    .map(|note| format!("{}: {}", if note.warning { "Warning" } else { "Normal" }, note.text))
                    .collect(),
                object,
                version: upgraded.version,
                error: upgraded.error,
                ..Outcome::default()
            };
        }
        let Some(config) = self.config.as_ref() else { panic!("a case does something") };
        let rules = rbac::rules(&Config::read(config)).unwrap();
        let line = |rule: &rbac::Rule| {
            let group = rule.api_groups.join(",");
            let group = if group.is_empty() { "core" } else { &group };
            format!("{group}/{}: {}", rule.resources.join(","), rule.verbs.join(","))
        };
        Outcome { rules: rules.iter().map(line).collect(), ..Outcome::default() }
    }
}

/// What `actual` lacks of `expected`; null: it must be absent.
fn missing(expected: &Value, actual: Option<&Value>, path: &str, out: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Null, None | Some(Value::Null)) => {}
        (Value::Object(members), Some(Value::Object(found))) if !members.is_empty() => {
            for (key, value) in members {
                missing(value, found.get(key), &format!("{path}.{key}"), out);
            }
        }
        (expected, Some(actual)) if expected == actual => {}
        (expected, actual) => out.push(format!("{path}: expected {expected}, found {actual:?}")),
    }
}

fn compare(expected: &Expected, outcome: &Outcome) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(stored) = &expected.stored {
        missing(stored, Some(&outcome.object), "", &mut failures);
    }
    if expected.unchanged && !outcome.unchanged {
        failures.push("it was changed".to_owned());
    }
    let mut equal = |what: &str, expected: Option<String>, found: String| {
        if expected.as_ref().is_some_and(|expected| *expected != found) {
            failures.push(format!(
                "{what}:\n    expected {}\n    found    {found}",
                expected.unwrap_or_default()
            ));
        }
    };
    let list = |list: &Vec<String>| format!("{list:#?}");
    equal("warnings", expected.warnings.as_ref().map(list), list(&outcome.warnings));
    equal("events", expected.events.as_ref().map(list), list(&outcome.events));
    equal("notes", expected.notes.as_ref().map(list), list(&outcome.notes));
    equal("rules", expected.rules.as_ref().map(list), list(&outcome.rules));
    equal("version", expected.version.clone(), outcome.version.clone().unwrap_or_default());
    match (&expected.error_begins, &outcome.error) {
        (Some(begin), Some(error)) if error.starts_with(begin.as_str()) => {}
        (Some(begin), error) => failures.push(format!("error: expected {begin}…, found {error:?}")),
        (None, error) if *error != expected.error => {
            failures.push(format!("error:\n    expected {:?}\n    found    {error:?}", expected.error));
        }
        _ => {}
    }
    if let Some(text) = &expected.warns
        && !outcome.warnings.contains(text)
    {
        failures.push(format!("no warning {text}, only {:#?}", outcome.warnings));
    }
    failures
}

fn files() -> Vec<(String, File)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let file = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap());
            (name.clone(), file.unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect();
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    files
}

#[test]
fn every_case_comes_out_as_expected() {
    let mut failures = Vec::new();
    for (name, file) in files() {
        assert!(!file.rule.is_empty() && !file.cases.is_empty(), "{name}");
        for case in &file.cases {
            let found = compare(&case.expect, &case.run());
            if !found.is_empty() {
                failures.push(format!("{name}, {}:\n  {}", case.name, found.join("\n  ")));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_row_of_the_matrix_has_its_cases() {
    let files = files();
    let missing: Vec<String> = rows()
        .into_iter()
        .filter(|row| !files.iter().any(|(_, file)| file.row.as_ref() == Some(row)))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn every_difference_is_explained() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences/collector-config.md");
    let page = fs::read_to_string(page).unwrap();
    for (name, file) in files() {
        for id in file.differs.iter().flat_map(|ids| ids.split(", ")) {
            assert!(page.contains(&format!("### {id} ")), "{name}: no entry {id}");
        }
    }
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    for path in page.split('`').filter(|word| word.starts_with("crates/")) {
        assert!(tests.join(path.split("::").next().unwrap()).exists(), "the page names {path}");
    }
}
