//! `cargo xtask test`: everything that must hold before a change is merged.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Context;
use testkit::ControlPlane;

use crate::{
    cargo::{cargo, target_directory},
    e2e,
    outcome::Outcome,
    stage,
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out what needs the control plane: formatting, lints, and tests of libraries and binaries only
    #[arg(long)]
    quick: bool,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let target = target_directory()?;
    let run = Run { logs: target.join("xtask-test"), ..Run::default() };
    std::fs::create_dir_all(&run.logs).with_context(|| format!("cannot make {}", run.logs.display()))?;
    let outcome = run.all(options, &target).await?;
    println!("== all stages: {:.0} s", start.elapsed().as_secs_f32());
    println!("{outcome}");
    Ok(if outcome.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Run {
    logs: PathBuf,
    outcome: Outcome,
}

impl Run {
    async fn all(mut self, options: &Options, target: &Path) -> anyhow::Result<Outcome> {
        self.check("formatting", cargo(&["fmt", "--all", "--check"]))?;
        let lints = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
        self.check("lints", cargo(&lints))?;
        // Every stage below selects the whole workspace: another selection has other features, and builds all
        // dependencies once more.
        if !self.check("build", cargo(&["build", "--workspace", "--tests", "--bins"]))? {
            return Ok(self.outcome);
        }
        let unit = ["test", "--workspace", "--no-fail-fast", "--lib", "--bins"];
        self.tests("tests of libraries and binaries", cargo(&unit))?;
        if options.quick {
            return Ok(self.outcome);
        }

        println!("== control plane …");
        let begun = Instant::now();
        let control_plane = ControlPlane::start().await?;
        println!("== control plane: up after {:.0} s", begun.elapsed().as_secs_f32());
        let operator = target.join("debug").join("otel-operator");
        let with_control_plane = |mut command: Command| {
            command.env(testkit::KUBECONFIG_VARIABLE, control_plane.kubeconfig());
            command.env(testkit::OPERATOR_BINARY_VARIABLE, &operator);
            command
        };
        let integration = ["test", "--workspace", "--no-fail-fast", "--test", "*"];
        self.tests("tests on the control plane", with_control_plane(cargo(&integration)))?;
        let documentation = ["test", "--workspace", "--no-fail-fast", "--doc"];
        self.tests("tests in the documentation", with_control_plane(cargo(&documentation)))?;
        if self.outcome.failed > 0 {
            control_plane.keep_logs();
        }
        drop(control_plane);
        self.end_to_end(&operator)?;
        Ok(self.outcome)
    }

    /// On a real node, where this machine can have one.
    fn end_to_end(&mut self, operator: &Path) -> anyhow::Result<()> {
        const NAME: &str = "end-to-end tests on a real node";
        if let Some(reason) = e2e::unsupported() {
            println!("== {NAME}: skipped: {reason}");
            self.outcome += Outcome::SKIPPED;
            return Ok(());
        }
        // Not this program itself: the build of the workspace has put another file in its place.
        let mut command = Command::new(operator.with_file_name("xtask"));
        command.arg("e2e").env(testkit::OPERATOR_BINARY_VARIABLE, operator);
        self.tests(NAME, command)
    }

    /// Whether the command succeeded.
    fn check(&mut self, name: &str, command: Command) -> anyhow::Result<bool> {
        let outcome = stage::run(name, command, &self.logs, false)?;
        self.outcome += outcome;
        Ok(outcome.failed == 0)
    }

    fn tests(&mut self, name: &str, command: Command) -> anyhow::Result<()> {
        self.outcome += stage::run(name, command, &self.logs, true)?;
        Ok(())
    }
}
