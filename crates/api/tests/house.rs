//! Rule 1 of ARCHITECTURE.md: `api`, `inject` and `collector` know no Kubernetes client, no async runtime and no clock.
//!
//! The clock is kept out by `disallowed-methods` in the crates' `clippy.toml`; the rest by this test.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::{path::Path, process::Command};

const UNWANTED: [&str; 9] =
    ["kube", "kube-client", "kube-runtime", "tokio", "hyper", "rustls", "async-std", "reqwest", "mio"];

fn dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            package,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_engines_know_no_client_and_no_runtime() {
    for package in ["otel-operator-api", "otel-operator-inject", "otel-operator-collector"] {
        let found = dependencies(package);
        assert!(found.iter().any(|name| name == "serde_json"), "{package}: is this the tree? {found:?}");
        let unwanted: Vec<_> = found.iter().filter(|name| UNWANTED.contains(&name.as_str())).collect();
        assert!(unwanted.is_empty(), "{package} depends on {unwanted:?}");
    }
}

#[test]
fn the_clock_is_disallowed_in_each() {
    for file in [
        include_str!("../clippy.toml"),
        include_str!("../../inject/clippy.toml"),
        include_str!("../../collector/clippy.toml"),
    ] {
        for method in ["std::time::SystemTime::now", "std::time::Instant::now", "std::thread::sleep"] {
            assert!(file.contains(&format!("\"{method}\"")), "{method} is not in clippy.toml");
        }
    }
}

/// `testing/rows/operator-process.tsv`: each row of the test matrix and each weakness of the reference is tested, or says why not.
#[test]
fn each_row_about_the_process_is_tested_or_says_why_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = std::fs::read_to_string(root.join("testing/rows/operator-process.tsv")).unwrap();
    let mut rows = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').collect();
        let [row, case, state, place] = fields[..] else { panic!("four fields, please: {line}") };
        assert!(!case.is_empty() && !place.is_empty(), "{line}");
        match state {
            "tested" => {
                let (file, test) = place.split_once(' ').unwrap_or((place, ""));
                let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
                assert!(!text.is_empty(), "{row}: there is no {file}");
                assert!(text.contains(test), "{row}: there is no {test} in {file}");
            }
            "not applicable" | "waits" => {}
            _ => panic!("{row}: {state:?} is no state"),
        }
        rows.push(row.to_owned());
    }
    let wanted = (1..=51).map(|n| format!("T{n}")).chain((1..=37).map(|n| format!("W{n}")));
    assert_eq!(rows, wanted.collect::<Vec<_>>());
}
