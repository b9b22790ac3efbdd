//! `otel-operator diff`: what injection would change in files; with `--upgrade`, what this release would change in stored
//! objects.
//!
//! [`unified`] says how a difference is shown, [`upgrade`] is `--upgrade`.

mod unified;
mod upgrade;

use std::{process::ExitCode, rc::Rc};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser};
use serde_json::json;

use crate::{
    arguments,
    colour::Colour,
    exit::{Exit, Failure, OrExit, finish},
    manifests::print,
    session::{Session, patched},
    source::place,
};
use unified::unified;

/// The arguments of `diff`.
pub(crate) fn command() -> Command {
    arguments::command("diff", "Show what injection, or an upgrade, would change")
        .long_about(
            "Show what injection would change in files, as unified diff per document.\n\n\
             With --upgrade: what the operator of this release would change at its start in OpenTelemetryCollectors and \
             Instrumentations that an older one left, in files or in the cluster (without -f, or with --cluster).\n\n\
             Exit code 0 means no difference, 1 means differences, more than 1 an error, as with diff(1).",
        )
        .arg(
            Arg::new("upgrade")
                .long("upgrade")
                .action(ArgAction::SetTrue)
                .help("Show what this release would change in collectors and Instrumentations"),
        )
        .arg(
            Arg::new("from-version")
                .long("from-version")
                .value_name("VERSION")
                .requires("upgrade")
                .help("Version of the operator that made collectors of files which have no status.version"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_parser(PossibleValuesParser::new(["diff", "json"]))
                .default_value("diff")
                .help("Format"),
        )
}

/// Prints the differences.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(finish(run(matches)))
}

/// Whether `-o json` is given.
fn wants_json(matches: &ArgMatches) -> bool {
    matches.get_one::<String>("output").is_some_and(|format| format == "json")
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    if matches.get_flag("upgrade") {
        return upgrade::run(matches);
    }
    let mut changes = Vec::new();
    let mut session = Session::open(matches)?;
    let colour = Colour::of_stdout();
    let files = Rc::clone(&session.files);
    let mut exit = Exit::Ok;
    for file in files.iter() {
        let mut first_line = 0;
        for document in &file.documents {
            let mut titles = Vec::new();
            let new = session.rewrite(file, document, |session, object, namespace, workload| {
                let Some(decided) = session.decide(workload, namespace)? else { return Ok(None) };
                for warning in decided.decision.warnings() {
                    eprintln!(
                        "warning: {}: {} {namespace}/{}: {warning}",
                        place(file, document),
                        object.kind,
                        object.name
                    );
                }
                if !decided.decision.patch.is_empty() {
                    titles.push(format!("{} {namespace}/{}", object.kind, object.name));
                }
                patched(object, workload, &decided.decision).map(Some)
            })?;
            if new != document.text {
                exit = Exit::Found;
                let title = format!("{} injected", titles.join(", "));
                if wants_json(matches) {
                    let text = unified(&file.name, &title, first_line, &document.text, &new, Colour::NEVER);
                    changes.push(json!({"file": file.name, "objects": titles, "diff": text}));
                } else {
                    print(&unified(&file.name, &title, first_line, &document.text, &new, colour))
                        .or_exit(Exit::Input)?;
                }
            }
            first_line += document.text.lines().count();
        }
    }
    if wants_json(matches) {
        let text = serde_json::to_string_pretty(&json!({ "changes": changes })).or_exit(Exit::Input)?;
        print(&(text + "\n")).or_exit(Exit::Input)?;
    }
    Ok(session.close(exit))
}
