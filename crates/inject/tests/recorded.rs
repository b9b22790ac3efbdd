//! What the Go operator made of 240 real pods, recorded behind a real API server: ours is equal, or differs for a listed reason.
//!
//! `recorded/injection.jsonl`: one record a line, `input` (objects that were posted) and `reference` (what came out; the texts
//! of the web servers' scripts are left out). `recorded/differences.yaml`: the records that differ and the keys of
//! docs/differences that explain it. Each key is a rule in `recorded/reasons.rs`; without it the record would fail, and
//! with it nothing may be left.

#![expect(clippy::expect_used, reason = "a test may panic; so may its functions")]

#[path = "recorded/api_server.rs"]
mod api_server;
#[path = "recorded/container_reasons.rs"]
mod container_reasons;
mod engine;
#[path = "recorded/environment_reasons.rs"]
mod environment_reasons;
#[path = "recorded/parts.rs"]
mod parts;
#[path = "recorded/reasons.rs"]
mod reasons;
#[path = "recorded/record.rs"]
mod record;

use std::{collections::BTreeMap, fmt::Write as _};

use api::Settings;
use engine::{broken_laws, diff, run};
use reasons::{Comparison, RULES};
use record::Record;

#[test]
fn pods_come_out_as_recorded_or_differ_for_a_listed_reason() {
    let listed: BTreeMap<String, Vec<String>> =
        serde_saphyr::from_str(include_str!("recorded/differences.yaml")).expect("the list can be read");
    let (mut equal, mut explained, mut failures) = (0, 0, String::new());
    let records = record::all();
    for record in &records {
        let keys = listed.get(&record.id).map(Vec::as_slice).unwrap_or_default();
        match compare(record, keys) {
            Ok(()) if keys.is_empty() => equal += 1,
            Ok(()) => explained += 1,
            Err(problem) => {
                let _ = writeln!(
                    failures,
                    "── {} {keys:?}, would do: {:?}\n{problem}",
                    record.id,
                    would_do(record)
                );
            }
        }
    }
    let unknown: Vec<_> = listed.keys().filter(|id| !records.iter().any(|r| r.id == **id)).collect();
    assert!(unknown.is_empty(), "the list names records that do not exist: {unknown:?}");
    let summary =
        format!("{} recorded pods: {equal} equal, {explained} different for a listed reason", records.len());
    assert!(failures.is_empty(), "{summary}, the rest:\n{failures}");
    println!("{summary}");
}

/// The fewest keys that would explain the record, to be looked at before they are listed.
fn would_do(record: &Record) -> Option<Vec<String>> {
    let refusal = reasons::of_refusal(record);
    if !refusal.is_empty() {
        return Some(refusal.into_iter().map(str::to_owned).collect());
    }
    let explains =
        |keys: &[String]| !matches!(compare(record, keys), Err(problem) if !problem.starts_with(IDLE));
    let mut keys: Vec<String> = RULES.iter().map(|(key, _)| (*key).to_owned()).collect();
    if !explains(&keys) {
        return None;
    }
    for key in keys.clone() {
        let without: Vec<String> = keys.iter().filter(|k| **k != key).cloned().collect();
        if explains(&without) {
            keys = without;
        }
    }
    Some(keys)
}

/// How a complaint about a listed reason without effect begins.
const IDLE: &str = "listed, but does not occur";

fn compare(record: &Record, keys: &[String]) -> Result<(), String> {
    let settings = Settings::with_every_language();
    let facts = record.facts();
    let mut received = record.input.pod.clone();
    api_server::receive(&mut received, record.namespace());
    let outcome = run(&received, &facts, &settings)?;
    let broken = broken_laws(&received, &facts, &settings);
    if !broken.is_empty() {
        return Err(broken.join("\n"));
    }
    let stored = |mut pod| {
        api_server::admit(&mut pod);
        api_server::comparable(&mut pod);
        pod
    };
    let (ours, untouched) = (stored(outcome.without_verdict(&received)), stored(received.clone()));
    let Some(theirs) = record.reference.pod.get("object") else {
        return compare_refused(record, &ours, keys);
    };
    let mut theirs = theirs.clone();
    api_server::comparable(&mut theirs);
    let mut comparison = Comparison {
        facts: &facts,
        settings: &settings,
        verdicts: &outcome.decision.verdicts,
        received: &received,
        untouched: &untouched,
        ours,
        theirs,
    };
    let mut idle = Vec::new();
    for (key, rule) in RULES.iter().filter(|(key, _)| keys.iter().any(|k| k == key)) {
        let before = (comparison.ours.clone(), comparison.theirs.clone());
        rule(&mut comparison);
        if before == (comparison.ours.clone(), comparison.theirs.clone()) {
            idle.push(*key);
        }
    }
    if comparison.ours != comparison.theirs {
        return Err(diff(&comparison.theirs, &comparison.ours));
    }
    let unknown: Vec<_> = keys.iter().filter(|k| !RULES.iter().any(|(key, _)| key == k)).collect();
    match (idle.is_empty(), unknown.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("{IDLE}: {idle:?}")),
        (_, false) => Err(format!("no rule for {unknown:?}")),
    }
}

/// The reference made a pod that the API server refused: ours must not have what it was refused for.
fn compare_refused(record: &Record, ours: &serde_json::Value, keys: &[String]) -> Result<(), String> {
    let reasons = reasons::of_refusal(record);
    if reasons.is_empty() || keys != reasons {
        return Err(format!("refused for {reasons:?}: {}", record.reference.pod["status"]["message"]));
    }
    let problems = parts::refused(ours);
    if problems.is_empty() { Ok(()) } else { Err(format!("ours would be refused as well: {problems:?}")) }
}

#[test]
fn the_check_for_refusals_sees_what_was_refused() {
    let pod = |spec| serde_json::json!({ "spec": spec });
    let json: fn(&str) -> serde_json::Value = |text| serde_json::from_str(text).expect("JSON");
    for refused in [
        r#"{"volumes": [{"name": "a.b"}]}"#,
        r#"{"volumes": [{"name": "a"}, {"name": "a"}]}"#,
        r#"{"containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}"#,
        r#"{"containers": [{"name": "c", "env": [{"name": "A", "value": "1", "valueFrom": {}}]}]}"#,
        r#"{"initContainers": [{"name": "c", "resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "32Mi"}}}]}"#,
    ] {
        assert_ne!(parts::refused(&pod(json(refused))), Vec::<String>::new(), "{refused}");
    }
}
