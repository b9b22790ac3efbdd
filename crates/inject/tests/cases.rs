//! The contract of injection: every file of `cases/` is one row of the test matrix, one fixed weakness or one golden example.

#![expect(clippy::expect_used, reason = "a test may panic; so may its functions")]

mod case;
mod engine;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use case::{Case, expected};
use engine::{broken_laws, diff, run};
use inject::Pod;
use serde_json::value::RawValue;

/// Rows of the test matrix that have no file in `cases/`, and why.
const ELSEWHERE: &[(u16, &str)] = &[(
    21,
    "the process reads the Namespace: a_paused_api_server_costs_no_more_than_the_deadline in crates/operator/tests/resilience.rs",
)];

#[test]
fn every_case_comes_out_as_written() {
    let cases = case::all();
    let mut failures = String::new();
    let mut failed = 0;
    for (name, case) in &cases {
        let problems = match case {
            Err(error) => vec![error.clone()],
            Ok(case) => check(case, &cases).unwrap_or_else(|error| vec![error]),
        };
        if !problems.is_empty() {
            failed += 1;
            let what = case.as_ref().map(|c| c.what.as_str()).unwrap_or_default();
            let _ = writeln!(failures, "\n── {name} · {what}");
            problems.iter().for_each(|problem| _ = writeln!(failures, "  {problem}"));
        }
    }
    assert!(failed == 0, "{failed} of {} cases fail\n{failures}", cases.len());
}

fn check(case: &Case, cases: &BTreeMap<String, Result<Case, String>>) -> Result<Vec<String>, String> {
    if let Some(text) = &case.raw_pod {
        return check_unreadable(text, case);
    }
    let (given, facts, settings) = (case.pod(), case.facts()?, case.settings()?);
    let outcome = run(&given, &facts, &settings)?;
    let mut problems = Vec::new();
    let verdicts = &outcome.decision.verdicts;
    if verdicts.len() == case.expect.verdicts.len() {
        problems.extend(case.expect.verdicts.iter().zip(verdicts).filter_map(|(form, got)| form.check(got)));
    } else {
        let got: Vec<String> =
            verdicts.iter().map(|v| format!("{} ({})", expected::shorten(v), v.text())).collect();
        problems.push(format!("verdicts: expected {:?}, got {got:#?}", case.expect.verdicts));
    }
    let error = outcome.decision.request_error();
    if error != case.expect.error {
        problems.push(format!("request error: expected {:?}, got {error:?}", case.expect.error));
    }
    let annotation = outcome.pod["metadata"]["annotations"][api::annotation::VERDICT].as_str();
    if case.expect.annotation.is_some() && annotation != case.expect.annotation.as_deref() {
        problems
            .push(format!("verdict annotation: expected {:?}, got {annotation:?}", case.expect.annotation));
    }
    if case.expect.untouched && (outcome.asked || !outcome.decision.patch.is_empty()) {
        problems.push("the pod asked for nothing and is not left alone".to_owned());
    }
    let wanted = expected::comparable(case.expect.pod(&given, cases)?);
    let got = expected::comparable(outcome.without_verdict(&given));
    if wanted != got {
        problems.push(format!("the pod differs:\n{}", diff(&wanted, &got)));
    }
    problems.extend(broken_laws(&given, &facts, &settings));
    Ok(problems)
}

fn check_unreadable(text: &str, case: &Case) -> Result<Vec<String>, String> {
    let wanted = case.expect.unreadable.as_ref().ok_or("a raw-pod is expected to be unreadable")?;
    let raw: Box<RawValue> = serde_json::from_str(text).map_err(|e| format!("raw-pod is no JSON: {e}"))?;
    Ok(match Pod::parse(&raw) {
        Ok(_) => vec!["the pod is readable".to_owned()],
        Err(error) if error.to_string().contains(wanted.as_str()) => vec![],
        Err(error) => vec![format!("expected {wanted:?}, got {error}")],
    })
}

#[test]
fn every_row_of_the_matrix_has_a_case() {
    let rows: Vec<u16> = readable().values().filter_map(|case| case.row).collect();
    let without: Vec<u16> =
        (1..=111).filter(|row| !rows.contains(row) && !ELSEWHERE.iter().any(|(r, _)| r == row)).collect();
    assert!(without.is_empty(), "rows without a case: {without:?}");
    let both: Vec<_> = ELSEWHERE.iter().filter(|(row, _)| rows.contains(row)).collect();
    assert!(both.is_empty(), "rows that have a case and still are on the list: {both:?}");
}

#[test]
fn every_row_about_sidecars_has_a_case() {
    let cases = case::all();
    for row in 1..=15 {
        let prefix = format!("s{row:02}");
        assert!(cases.keys().any(|name| name.starts_with(&prefix)), "row S{row} has no case");
    }
}

#[test]
fn the_name_of_a_case_tells_its_row() {
    for (name, case) in readable() {
        if let Some(row) = case.row {
            assert!(name.starts_with(&format!("{row:03}")), "{name} is about row {row}");
        } else {
            assert!(!name.starts_with(|c: char| c.is_ascii_digit()), "{name} has no row");
        }
    }
}

/// Differences that a case of this folder shows.
#[rustfmt::skip]
const SHOWN_HERE: &[&str] = &[
    "W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10", "W11", "W12", "W13", "W14", "W15",
    "W16", "W17", "W20", "W21", "W22", "W24", "W26", "W28", "W30", "W31", "W32", "W33", "W42", "W44",
    "W46", "addendum-1", "addendum-2", "addendum-3", "addendum-4", "otlp-protocol-by-port",
    "pod-security", "verdict-annotation", "limit-range", "invalid-pod", "unsupported-pod",
];

/// Weaknesses of the reference around injection that are shown elsewhere: the file, and the test or case in it.
const SHOWN_ELSEWHERE: &[(&str, &str, &str)] = &[
    ("W18", "crates/inject/tests/engine/mod.rs", "fn keeps_unknown_fields"),
    (
        "W21",
        "crates/operator/tests/injection.rs",
        "fn a_pod_that_cannot_be_understood_is_allowed_with_a_warning",
    ),
    ("W23", "crates/operator/tests/permissions.rs", "fn secrets_are_only_asked_for_by_name"),
    (
        "W27",
        "crates/operator/tests/injection.rs",
        "fn without_an_instrumentation_the_pod_is_created_and_told_why",
    ),
    ("W36", "crates/api/tests/cases/w36-managed-images.yaml", "W36"),
    ("W37", "crates/operator/tests/upgrade.rs", "fn images_that_are_the_operators_own_move"),
    ("W38", "crates/api/tests/cases/w38-revisions.yaml", "W38"),
    ("W39", "crates/operator/tests/instrumentation.rs", "fn an_instrumentation_can_always_be_deleted"),
    ("W40", "crates/api/tests/cases/w40-parentbased-jaeger.yaml", "W40"),
    ("W41", "crates/api/tests/cases/w41-unknown-values.yaml", "W41"),
];

#[test]
fn every_fixed_weakness_has_a_case() {
    let cases = readable();
    for key in SHOWN_HERE {
        let named = format!("{}-", key.to_lowercase());
        let shown =
            cases.iter().any(|(name, case)| case.differs.contains_key(*key) || name.starts_with(&named));
        assert!(shown, "no case shows that {key} is fixed");
    }
    for (key, file, test) in SHOWN_ELSEWHERE {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
        let text = fs::read_to_string(path).unwrap_or_default();
        assert!(text.contains(test), "{key}: {file} has no {test}");
    }
}

#[test]
fn every_difference_is_documented() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences");
    let mut documents = String::new();
    for entry in fs::read_dir(folder).expect("docs/differences is there") {
        documents
            .push_str(&fs::read_to_string(entry.expect("it can be listed").path()).expect("it can be read"));
    }
    let documented = |key: &str| documents.lines().any(|line| line.starts_with(&format!("### {key} · ")));
    let cases = readable();
    let mut keys: Vec<&str> =
        cases.values().flat_map(|case| case.differs.keys().map(String::as_str)).collect();
    keys.sort_unstable();
    keys.dedup();
    let missing: Vec<&str> = keys.into_iter().filter(|key| !documented(key)).collect();
    assert!(missing.is_empty(), "no entry in docs/differences for {missing:?}");
}

#[test]
fn the_documents_name_cases_that_exist() {
    let document = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences/inject.md");
    let text = fs::read_to_string(document).expect("docs/differences/inject.md can be read");
    let cases = case::all();
    let named: Vec<&str> = text.split('`').filter_map(|word| word.strip_suffix(".yaml")).collect();
    assert!(!named.is_empty(), "the document names no case");
    for name in named {
        assert!(
            cases.contains_key(name),
            "docs/differences/inject.md names {name}.yaml, which does not exist"
        );
    }
}

fn readable() -> BTreeMap<String, Case> {
    case::all().into_iter().filter_map(|(name, case)| Some((name, case.ok()?))).collect()
}
