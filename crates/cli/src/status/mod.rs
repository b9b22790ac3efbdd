//! `otel-operator status`: every workload that asks for injection, and what became of its pods.
//!
//! * [`fleet`]: what is asked of the cluster.
//! * [`lines`]: pods → workloads → totals, with the engine that also keeps the status of Instrumentations.

mod fleet;
mod lines;

use std::{io::IsTerminal as _, process::ExitCode, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};

use crate::{
    arguments::{self, Given},
    cluster::Cluster,
    colour::Colour,
    exit::{Exit, Failure, OrExit, finish},
    manifests::print,
};
use fleet::Fleet;
use lines::Overview;

/// Moves the cursor of a terminal home and clears what is below.
const REDRAW: &str = "\x1b[H\x1b[J";

/// The arguments of `status`.
pub(crate) fn command() -> Command {
    arguments::command("status", "Show what became of the workloads that ask for injection")
        .long_about(
            "Show what became of the workloads that ask for injection: injected, outdated (from an older state of their \
             Instrumentation), missed (the operator was not asked), or the reason code of what is in the way.\n\n\
             Made of what the pods carry. Exit code 0 means that every pod that asks is injected, 1 that some are not.",
        )
        .mut_arg("filename", |arg| arg.hide(true))
        .mut_arg("cluster", |arg| arg.hide(true))
        .mut_arg("namespace", |arg| arg.help("Namespace [default: that of the kubeconfig's context]"))
        .arg(
            Arg::new("all-namespaces")
                .short('A')
                .long("all-namespaces")
                .action(ArgAction::SetTrue)
                .conflicts_with("namespace")
                .help("All namespaces"),
        )
        .arg(
            Arg::new("watch")
                .short('w')
                .long("watch")
                .action(ArgAction::SetTrue)
                .help("Go on until interrupted, and show what changes"),
        )
        .arg(
            Arg::new("interval")
                .long("interval")
                .value_name("SECONDS")
                .value_parser(value_parser!(u64).range(1..))
                .default_value("3")
                .help("How often --watch looks"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_parser(PossibleValuesParser::new(["table", "json"]))
                .default_value("table")
                .help("Format"),
        )
}

/// Prints it.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(finish(run(matches)))
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let given = Given::read(matches).or_exit(Exit::Usage)?;
    if !given.common.filename.is_empty() {
        let error = anyhow::anyhow!("status looks at clusters; for files use explain");
        return Err(Failure(Exit::Usage, error));
    }
    let cluster = given.connect().or_exit(Exit::Cluster)?;
    let (settings, _) = given.settings(Some(&cluster)).or_exit(Exit::Cluster)?;
    let of_context = || cluster.namespace.clone();
    let scope = (!matches.get_flag("all-namespaces"))
        .then(|| given.common.namespace.clone().unwrap_or_else(of_context));
    let json = matches.get_one::<String>("output").is_some_and(|format| format == "json");
    let watch = matches.get_flag("watch");
    let interval = Duration::from_secs(matches.get_one::<u64>("interval").copied().unwrap_or(1));
    let redraw = watch && !json && std::io::stdout().is_terminal();
    if !settings.verdict_annotation {
        eprintln!(
            "warning: pods carry no verdict (--verdict-annotation=false), so injected ones cannot be told from missed ones"
        );
    }
    let mut shown = None;
    loop {
        let fleet = Fleet::read(&cluster, scope.as_deref(), &settings).or_exit(Exit::Cluster)?;
        let overview = Overview::of(&fleet);
        let text = match (json, watch) {
            // One document on a line, so that a reader of a stream sees where it ends.
            (true, true) => serde_json::to_string(&overview).or_exit(Exit::Input)? + "\n",
            (true, false) => serde_json::to_string_pretty(&overview).or_exit(Exit::Input)? + "\n",
            (false, _) => overview.text(scope.as_deref(), Colour::of_stdout()),
        };
        if shown.as_ref() != Some(&text) {
            if redraw {
                print(REDRAW).or_exit(Exit::Input)?;
            } else if shown.is_some() && !json {
                print("\n").or_exit(Exit::Input)?;
            }
            print(&text).or_exit(Exit::Input)?;
        }
        if !watch {
            return Ok(if overview.needs_attention() { Exit::Found } else { Exit::Ok });
        }
        shown = Some(text);
        std::thread::sleep(interval);
    }
}

/// The status of a namespace, or of all, for people.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(crate) fn report(cluster: &Cluster, given: &Given, namespace: Option<&str>) -> anyhow::Result<String> {
    let (settings, _) = given.settings(Some(cluster))?;
    let fleet = Fleet::read(cluster, namespace, &settings)?;
    Ok(Overview::of(&fleet).text(namespace, Colour::NEVER))
}
