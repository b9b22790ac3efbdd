//! `otel-operator`, also usable as `kubectl otel`.
//!
//! Each subcommand is one file with `command()` (its arguments) and `execute()` (what it does), and one line in
//! [`SUBCOMMANDS`].

mod arguments;
mod bundle;
mod check;
mod cluster;
mod colour;
mod columns;
mod completion;
mod diff;
mod exit;
mod explain;
mod images;
mod inject;
mod lint;
mod manifests;
mod object;
mod run;
mod session;
mod sidecar;
mod source;
mod status;
mod uninject;
mod workload;
mod world;
mod yaml;

use std::process::ExitCode;

use clap::{ArgMatches, Command};

/// musl's own allocator is made to be safe, not fast. With this one, which glibc's grew out of, the static program needs about the
/// time and memory of one on glibc (`docs/performance.md`).
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A subcommand.
struct Subcommand {
    command: fn() -> Command,
    execute: fn(&ArgMatches) -> anyhow::Result<ExitCode>,
}

/// Every subcommand, in the order of `--help`.
const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand { command: run::command, execute: run::execute },
    Subcommand { command: run::webhook_server_command, execute: run::webhook_server_execute },
    Subcommand { command: crate::inject::command, execute: crate::inject::execute },
    Subcommand { command: uninject::command, execute: uninject::execute },
    Subcommand { command: diff::command, execute: diff::execute },
    Subcommand { command: explain::command, execute: explain::execute },
    Subcommand { command: status::command, execute: status::execute },
    Subcommand { command: check::command, execute: check::execute },
    Subcommand { command: lint::command, execute: lint::execute },
    Subcommand { command: manifests::command, execute: manifests::execute },
    Subcommand { command: manifests::crds_command, execute: manifests::crds_execute },
    Subcommand { command: images::command, execute: images::execute },
    Subcommand { command: bundle::command, execute: bundle::execute },
    Subcommand { command: completion::command, execute: completion::execute },
];

/// The name of the program.
const PROGRAM: &str = "otel-operator";

/// The whole command line.
fn program() -> Command {
    Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "OpenTelemetry operator for Kubernetes: instruments applications that ask for it by annotation",
        )
        .subcommand_required(true)
        .subcommands(SUBCOMMANDS.iter().map(|subcommand| (subcommand.command)()))
}

/// Whether this is `kubectl otel`: kubectl runs `kubectl-otel` then.
fn called_by_kubectl() -> bool {
    let program = std::env::args_os().next().map(std::path::PathBuf::from);
    program.is_some_and(|path| path.file_stem().is_some_and(|stem| stem == "kubectl-otel"))
}

fn main() -> ExitCode {
    // Both the client and the server need to know; an error would mean that it is known already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = program();
    let arguments: Result<Vec<String>, _> =
        std::env::args_os().skip(1).map(std::ffi::OsString::into_string).collect();
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(argument) => {
            eprintln!("error: the argument {argument:?} is no UTF-8; rename the file, or correct the value");
            return ExitCode::from(2);
        }
    };
    let (name, arguments) = if called_by_kubectl() {
        // A person asked, so nothing runs without being named.
        ("kubectl otel", if arguments.is_empty() { vec!["--help".to_owned()] } else { arguments })
    } else {
        let (arguments, unknown) = run::with_subcommand(arguments);
        run::remember_unknown(unknown);
        (PROGRAM, arguments)
    };
    let matches = command.bin_name(name).get_matches_from(std::iter::once(name.to_owned()).chain(arguments));
    let Some((name, matches)) = matches.subcommand() else { return ExitCode::from(2) };
    let subcommand = SUBCOMMANDS.iter().find(|subcommand| (subcommand.command)().get_name() == name);
    match subcommand.map(|subcommand| (subcommand.execute)(matches)) {
        Some(Ok(code)) => code,
        Some(Err(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
        None => ExitCode::from(2),
    }
}
