//! `otel-operator manifests` and `otel-operator crds`: the objects of an installation as YAML.

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

use clap::{Arg, ArgMatches, Command};
use operator::manifest::{self, Options};

/// The arguments of `manifests`.
pub(crate) fn command() -> Command {
    Command::new("manifests")
        .about("Print every object of an installation, for kubectl apply")
        .arg(
            Arg::new("image")
                .long("image")
                .value_name("IMAGE")
                .default_value(manifest::IMAGE)
                .help("image of the operator"),
        )
        .arg(
            Arg::new("namespace")
                .long("namespace")
                .short('n')
                .value_name("NAME")
                .default_value(manifest::NAMESPACE)
                .help("namespace of the operator"),
        )
}

/// Prints them.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let text = |id: &str| matches.get_one::<String>(id).cloned().unwrap_or_default();
    let options = Options { image: text("image"), namespace: text("namespace"), ..Options::default() };
    print(&manifest::yaml(&manifest::all(&options))?)
}

/// The arguments of `crds`.
pub(crate) fn crds_command() -> Command {
    Command::new("crds").about("Print the custom resource definitions, for kubectl apply")
}

/// Prints them.
pub(crate) fn crds_execute(_: &ArgMatches) -> anyhow::Result<ExitCode> {
    print(&manifest::yaml(&manifest::crds())?)
}

/// Prints; a reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<ExitCode> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
