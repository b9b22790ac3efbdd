//! `cargo xtask bench`: every bench target of the workspace, or the ones named.

use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::cargo::{cargo, target_directory};

/// What is shipped, so what is measured.
const PROFILE: &str = "dist";
/// Benches that run the operator as a process.
const OF_THE_PROCESS: [&str; 2] = ["webhook", "memory"];

/// What is measured, in the order of running.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Names of bench targets, for example `engine`, `webhook` or `memory`; none: all of them
    names: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let targets = targets()?;
    if targets.is_empty() {
        bail!("the workspace has no bench targets");
    }
    let unknown: Vec<&str> =
        options.names.iter().map(String::as_str).filter(|n| !targets.iter().any(|t| t.name == **n)).collect();
    if !unknown.is_empty() {
        let known: Vec<&str> = targets.iter().map(|t| t.name.as_str()).collect();
        bail!("no bench named {}; there are {}", unknown.join(", "), known.join(", "));
    }
    let wanted = |t: &&Target| options.names.is_empty() || options.names.contains(&t.name);
    let operator = target_directory()?.join(PROFILE).join("otel-operator");
    for target in targets.iter().filter(wanted) {
        eprintln!("bench: {} …", target.name);
        let build =
            ["build", "--profile", PROFILE, "--package", "otel-operator-cli", "--bin", "otel-operator"];
        let of_the_process = OF_THE_PROCESS.contains(&target.name.as_str());
        if of_the_process && !cargo(&build).status().context("cannot start cargo")?.success() {
            bail!("cargo {} failed", build.join(" "));
        }
        let arguments =
            ["bench", "--profile", PROFILE, "--package", &target.package, "--bench", &target.name];
        let mut bench = cargo(&arguments);
        bench.env(testkit::OPERATOR_BINARY_VARIABLE, &operator);
        if !bench.status().context("cannot start cargo")?.success() {
            eprintln!("bench: {} failed", target.name);
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Target {
    package: String,
    name: String,
}

/// The bench targets, from cargo's own list.
fn targets() -> anyhow::Result<Vec<Target>> {
    let output =
        cargo(&["metadata", "--format-version=1", "--no-deps"]).output().context("cannot start cargo")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            if target["kind"][0] == "bench" {
                let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
                found.push(Target { package: text(&package["name"]), name: text(&target["name"]) });
            }
        }
    }
    Ok(found)
}
