//! `otel-operator completion`: what a shell reads to complete the command line.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::{Shell, generate};

use crate::manifests::print;

/// The arguments of `completion`.
pub(crate) fn command() -> Command {
    Command::new("completion")
        .about("Print a script that lets a shell complete this command line")
        .long_about(
            "Print a script that lets a shell complete this command line:\n\n\
             bash: source <(otel-operator completion bash)\n\
             zsh:  otel-operator completion zsh > \"${fpath[1]}/_otel-operator\"\n\
             fish: otel-operator completion fish > ~/.config/fish/completions/otel-operator.fish",
        )
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(value_parser!(Shell))
                .help("The shell"),
        )
}

/// Prints the script.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some(shell) = matches.get_one::<Shell>("shell") else { return Ok(ExitCode::from(2)) };
    let mut script = Vec::new();
    generate(*shell, &mut crate::program(), crate::PROGRAM, &mut script);
    print(&String::from_utf8(script)?)
}
