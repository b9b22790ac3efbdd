//! `cargo xtask bench`: builds the operator and the benches with the profile that is shipped, and measures.

use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::ValueEnum;

use crate::cargo::{cargo, target_directory};

/// What is measured, in the order of running.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which benches; none: all of them
    names: Vec<Name>,
}

/// A bench.
#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// CPU time of the engine and of the handler around it
    Engine,
    /// The whole process on a real control plane: start, latency, throughput, CPU time, size of the binary
    Webhook,
    /// Resident memory, idle and in a large cluster
    Memory,
    /// 2,000 pods as fast as the API server takes them, by the API server's own measure
    Load,
    /// From a collector to its children
    Children,
    /// What collectors cost on a real control plane: requests, time, CPU, memory
    Controller,
}

/// The bench of the collectors' engine, which needs no more than that engine.
const CHILDREN: [&str; 7] =
    ["bench", "--profile", "dist", "--package", "otel-operator-collector", "--bench", "children"];

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let wanted = if options.names.is_empty() { Name::value_variants() } else { &options.names };
    if wanted.iter().any(|name| !matches!(name, Name::Children)) {
        // Each by itself: together they would share features, and the operator would not be the one that is shipped.
        build(&["--package", "otel-operator-cli", "--bin", "otel-operator"])?;
        build(&["--package", "otel-operator-bench"])?;
    }
    let folder = target_directory()?.join("dist");
    for name in wanted {
        let value = name.to_possible_value().context("a bench without a name")?;
        let mut command = match name {
            Name::Children => cargo(&CHILDREN),
            Name::Engine | Name::Webhook | Name::Memory | Name::Load | Name::Controller => {
                let mut command = Command::new(folder.join("otel-operator-bench"));
                command.arg(value.get_name()).env("OTEL_OPERATOR_BIN", folder.join("otel-operator"));
                command
            }
        };
        let status = command.status().context("cannot start the bench")?;
        if !status.success() {
            eprintln!("bench: {} ended with {status}", value.get_name());
            return Ok(ExitCode::FAILURE);
        }
        println!();
    }
    Ok(ExitCode::SUCCESS)
}

fn build(package: &[&str]) -> anyhow::Result<()> {
    eprintln!("bench: building with the profile dist: {} …", package.join(" "));
    let status =
        cargo(&["build", "--profile", "dist"]).args(package).status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(())
}
