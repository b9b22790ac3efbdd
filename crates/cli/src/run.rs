//! `otel-operator run`: the process. Also what happens without a subcommand, so that a Deployment written for the
//! reference operator keeps working. `otel-operator webhook-server`: the same without controllers.

use std::{process::ExitCode, sync::OnceLock};

use anyhow::Context;
use clap::{ArgMatches, Command};
use operator::settings::{Process, Role, arguments};

/// Flags that were given and are not known.
static UNKNOWN: OnceLock<Vec<String>> = OnceLock::new();

/// The arguments of `run`.
pub(crate) fn command() -> Command {
    Command::new("run")
        .about("Run the operator: in a cluster, or outside with --kubeconfig and --webhook-url")
        .long_about(
            "Run the operator: in a cluster, or outside with --kubeconfig and --webhook-url.\n\n\
             Nearly every setting can be given as a flag; most also as an environment variable or in the file of --config-file. \
             A flag wins over the environment, which wins over the file.",
        )
        .args(arguments::arguments())
}

/// The arguments of `webhook-server`: the same.
pub(crate) fn webhook_server_command() -> Command {
    Command::new("webhook-server")
        .about("Serve the webhooks only: no controllers, no leader election")
        .args(arguments::arguments())
}

/// Puts `run` in front when there is no subcommand, and sets unknown flags of the process aside.
pub(crate) fn with_subcommand(mut arguments: Vec<String>) -> (Vec<String>, Vec<String>) {
    let first = arguments.first().map(String::as_str).unwrap_or("--");
    if first.starts_with('-') && !matches!(first, "-h" | "--help" | "-V" | "--version") {
        arguments.insert(0, "run".to_owned());
    }
    if !matches!(arguments.first().map(String::as_str), Some("run" | "webhook-server")) {
        return (arguments, Vec::new());
    }
    let role = arguments.remove(0);
    let (kept, unknown) = arguments::tolerant(arguments, &command());
    (std::iter::once(role).chain(kept).collect(), unknown)
}

/// Keeps the unknown flags until the process can warn of them.
pub(crate) fn remember_unknown(unknown: Vec<String>) {
    // Called once, by main.
    let _ = UNKNOWN.set(unknown);
}

/// Runs the process until it is told to stop.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    execute_as(Role::Operator, matches)
}

/// Serves webhooks until told to stop.
pub(crate) fn webhook_server_execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    execute_as(Role::WebhookServer, matches)
}

fn execute_as(role: Role, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let unknown = UNKNOWN.get().cloned().unwrap_or_default();
    let settings = Process::read_as(role, matches, unknown).context("configuration error")?;
    // Two threads: a long list being parsed must not delay a webhook.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(operator::run::run(settings))?;
    // Watches are still running; nobody waits for them.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(arguments: &[&str]) -> (Vec<String>, Vec<String>) {
        with_subcommand(arguments.iter().map(|a| (*a).to_owned()).collect())
    }

    #[test]
    fn without_a_subcommand_the_process_runs() {
        assert_eq!(split(&["--zap-log-level=info"]).0, ["run", "--zap-log-level=info"]);
        assert_eq!(split(&[]).0, ["run"]);
        assert_eq!(split(&["--help"]).0, ["--help"]);
        assert_eq!(split(&["webhook-server", "-zap-devel"]).0, ["webhook-server", "--zap-devel"]);
        assert_eq!(split(&["manifests", "--image=x"]).0, ["manifests", "--image=x"]);
    }

    #[test]
    fn unknown_flags_of_the_process_are_set_aside() {
        assert_eq!(
            split(&["run", "--no-such-flag=1", "--install"]),
            (vec!["run".into(), "--install".into()], vec!["--no-such-flag=1".into()])
        );
    }
}
