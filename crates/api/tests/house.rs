//! Rule 1 of ARCHITECTURE.md: `api`, `inject` and `collector` know no Kubernetes client, no async runtime and no clock.
//!
//! The clock is kept out by `disallowed-methods` in the crates' `clippy.toml`; the rest by this test.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::process::Command;

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
