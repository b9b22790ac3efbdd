//! Files that are generated from the code and checked in: written by `cargo xtask generate`, compared by
//! `cargo xtask test`.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};

use crate::{cargo::root, outcome::Outcome};

/// Each with the arguments of `otel-operator` that print it.
const GENERATED: &[(&str, &[&str])] =
    &[("deploy/install.yaml", &["manifests"]), ("deploy/crds/opentelemetry.io.yaml", &["crds"])];

/// Writes all of them.
pub(crate) fn generate() -> anyhow::Result<()> {
    let binary = testkit::operator_binary()?;
    for (file, arguments) in GENERATED {
        let path = root().join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, print(&binary, arguments)?).with_context(|| format!("cannot write {file}"))?;
        println!("{file}");
    }
    Ok(())
}

/// Compares all of them; each one that differs is a failed check.
pub(crate) fn check(binary: &Path) -> anyhow::Result<Outcome> {
    println!("== generated files …");
    let mut outcome = Outcome::default();
    for (file, arguments) in GENERATED {
        let found = fs::read_to_string(root().join(file)).unwrap_or_default();
        if print(binary, arguments).is_ok_and(|expected| expected == found) {
            continue;
        }
        println!(
            "   {file} is not what `otel-operator {}` prints: run `cargo xtask generate`",
            arguments.join(" ")
        );
        outcome += Outcome::FAILED_CHECK;
    }
    println!("== generated files: {}", if outcome.failed == 0 { "ok" } else { "FAILED" });
    Ok(outcome)
}

fn print(binary: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(binary)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("otel-operator {} ended with {}: {}", arguments.join(" "), output.status, stderr.trim());
    }
    String::from_utf8(output.stdout).context("the output is not UTF-8")
}
