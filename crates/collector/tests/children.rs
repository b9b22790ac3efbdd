//! The contract of children: every file of `children/cases/` is one row of the test matrix or one mended weakness.

#![expect(clippy::expect_used, reason = "a test may panic; so may its functions")]

#[path = "children/case.rs"]
mod case;
#[path = "children/expected.rs"]
mod expected;

use std::{collections::BTreeSet, fmt::Write as _};

use case::{Case, Inputs};
use collector::{Built, ExistingWorkload, Given, Pods, build, sidecar};
use serde_json::json;

/// The rows about objects.
const ROWS: std::ops::RangeInclusive<u8> = 1..=46;

/// Rows that have no file in `cases/`, and why.
const ELSEWHERE: &[(u8, &str)] = &[
    (7, "old ConfigMaps are kept and pruned by the controller"),
    (41, "waits for the target allocator"),
    (42, "waits for the target allocator"),
    (43, "waits for the target allocator"),
];

#[test]
fn every_case_comes_out_as_written() {
    let cases = case::all();
    let mut failures = String::new();
    for (name, case) in &cases {
        let problems = check(case);
        if !problems.is_empty() {
            let _ = writeln!(failures, "\n── {name} · {}", case.what);
            problems.iter().for_each(|problem| _ = writeln!(failures, "  {problem}"));
        }
    }
    assert!(failures.is_empty(), "of {} cases fail:\n{failures}", cases.len());
}

#[test]
fn every_row_has_a_case_or_waits_for_something() {
    let rows: BTreeSet<String> = case::all().into_values().map(|case| case.row).collect();
    let missing: Vec<String> = ROWS
        .filter(|row| !ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == row))
        .map(|row| format!("O{row}"))
        .filter(|row| !rows.contains(row))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    for (row, why) in ELSEWHERE {
        println!("O{row} {why}");
        assert!(!rows.contains(&format!("O{row}")), "O{row} has a case, so it is not elsewhere");
    }
}

/// Every mended weakness has an entry in the list of differences, and every entry names files that prove it.
#[test]
fn every_difference_is_written_down_and_proven() {
    let text = include_str!("../../../docs/differences/collector-children.md");
    let entries: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### ")?.split_once(" · "))
        .map(|(key, _)| key)
        .collect();
    let cases = case::all();
    let is_row = |row: &str| row.strip_prefix('O').is_some_and(|number| number.parse::<u8>().is_ok());
    for (name, case) in &cases {
        assert!(
            is_row(&case.row) || entries.contains(case.row.as_str()),
            "{name}: no entry for {}",
            case.row
        );
    }
    let proofs: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("- Proof: ")).collect();
    assert_eq!(proofs.len(), entries.len());
    for file in proofs.iter().flat_map(|proof| proof.split('`').skip(1).step_by(2)) {
        assert!(cases.contains_key(file), "{file} proves something and is not there");
    }
}

fn check(case: &Case) -> Vec<String> {
    let inputs = case.inputs();
    let built = match (build(&given(&inputs)), &case.expect.error) {
        (Ok(built), None) => built,
        (Err(error), Some(expected)) if error.to_string() == *expected => return Vec::new(),
        (Ok(_), Some(expected)) => return vec![format!("expected the error {expected:?}")],
        (Err(error), expected) => return vec![format!("expected {expected:?}, found the error \"{error}\"")],
    };
    let mut problems = Vec::new();
    let children: Vec<String> =
        built.children.iter().map(|child| format!("{}/{}", child.kind, child.name)).collect();
    if let Some(expected) = &case.expect.children
        && *expected != children
    {
        problems.push(format!("expected the children {expected:?}\n              found {children:?}"));
    }
    for (name, expected) in &case.expect.objects {
        match children.iter().position(|child| child == name) {
            Some(at) => {
                let found = expected::problems(expected, &built.children[at].object);
                problems.extend(found.into_iter().map(|problem| format!("{name}{problem}")));
            }
            None if expected.is_null() => {}
            None => problems.push(format!("no {name} among {children:?}")),
        }
        if expected.is_null() && children.contains(name) {
            problems.push(format!("there is a {name}"));
        }
    }
    let warnings: Vec<String> = built.warnings.iter().map(ToString::to_string).collect();
    if warnings != case.expect.warnings {
        problems.push(format!(
            "expected the warnings {:?}\n              found {warnings:?}",
            case.expect.warnings
        ));
    }
    let pods = format!("{:?}", built.pods);
    if pods != case.expect.pods.as_deref().unwrap_or("Wished") {
        problems.push(format!("expected the pods {:?}, found {pods}", case.expect.pods));
    }
    problems
}

fn given(inputs: &Inputs) -> Given<'_> {
    Given {
        collector: &inputs.collector,
        settings: &inputs.settings,
        available: &inputs.available,
        namespace: &inputs.namespace,
        existing: inputs.existing.as_ref(),
    }
}

/// Pods that a takeover left alone stay as long as nothing about them changes, an autoscaler's wish included.
#[test]
fn pods_of_a_takeover_stay_until_something_about_them_changes() {
    let mut inputs = case::all()["takeover-of-what-the-reference-made.yaml"].inputs();
    let workload = |built: &Built| built.children.last().expect("there are children").clone();

    let first = build(&given(&inputs)).unwrap();
    assert_eq!(first.pods, Pods::KeptIfDifferent);
    let kept = workload(&first).with_pods_kept();
    assert!(kept.object["spec"]["template"].is_null());
    assert!(!kept.object["spec"]["selector"].is_null());

    inputs.existing = Some(ExistingWorkload::read(&kept.object, "otel-operator"));
    let again = build(&given(&inputs)).unwrap();
    assert_eq!(again.pods, Pods::Kept);
    assert_eq!(workload(&again), kept);

    inputs.collector.spec.replicas = Some(7);
    let scaled = build(&given(&inputs)).unwrap();
    assert_eq!(scaled.pods, Pods::Kept);
    assert_eq!(workload(&scaled).object["spec"]["replicas"], 7);

    inputs.collector.spec.args.insert("feature-gates".to_owned(), "+a".to_owned());
    let changed = build(&given(&inputs)).unwrap();
    assert_eq!(changed.pods, Pods::Wished);
    assert!(!workload(&changed).object["spec"]["template"].is_null());
    assert!(workload(&changed).object["metadata"]["annotations"].is_null());
}

/// Whatever a field holds, as far as it can be read at all: there are children or an error, never a panic.
#[test]
fn nothing_that_can_be_read_stops_the_engine() {
    const FIELDS: &[&str] = &[
        "affinity",
        "additionalContainers",
        "args",
        "autoscaler",
        "config",
        "configmaps",
        "daemonSetUpdateStrategy",
        "env",
        "envFrom",
        "hostAliases",
        "image",
        "ingress",
        "initContainers",
        "lifecycle",
        "mode",
        "nodeSelector",
        "podDisruptionBudget",
        "podDnsConfig",
        "podSecurityContext",
        "ports",
        "resources",
        "securityContext",
        "sessionAffinityConfig",
        "tolerations",
        "volumeClaimTemplates",
        "volumeMounts",
        "volumes",
    ];
    let values = [
        json!("x"),
        json!("ä:ö@ü"),
        json!(7),
        json!(true),
        json!([]),
        json!({}),
        json!(["x", "x", 1, 1, null, [], {}]),
        json!([{}, {"ip": "a"}, {"ip": "a", "hostnames": ["b"]}, {"name": 1, "port": -1}, {"name": "", "port": 70000}]),
        json!({"receivers": [], "exporters": "x", "service": {"pipelines": {"traces": {"receivers": "x"}}}}),
        json!({"metrics": [{}], "maxReplicas": -1, "nameservers": "x", "env": "x", "ports": [1]}),
    ];
    let case = &case::all()["045-groups-of-openshift.yaml"];
    let mut read = 0;
    for field in FIELDS {
        for value in &values {
            for mode in ["deployment", "daemonset", "statefulset", "sidecar"] {
                let Some(inputs) = case.inputs_with(&[(field, value), ("mode", &json!(mode))]) else {
                    continue;
                };
                read += 1;
                let _ = build(&given(&inputs));
                let _ = sidecar(&given(&inputs));
            }
        }
    }
    assert!(read > 500, "{read}");
}
