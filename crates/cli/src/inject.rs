//! `otel-operator inject`: what the webhook would make of workloads in files.

use std::{io::Write, process::ExitCode, rc::Rc};

use clap::{ArgMatches, Command};

use crate::{
    arguments,
    exit::{Exit, Failure, OrExit, finish},
    session::{Session, patched},
    source::place,
};

/// The arguments of `inject`.
pub(crate) fn command() -> Command {
    arguments::command("inject", "Print files with their workloads instrumented, as the operator would do it in a cluster")
        .long_about(
            "Print files with their workloads instrumented, as the operator would do it in a cluster.\n\n\
             Instrumentations, Namespaces, Secrets and ConfigMaps come from the files; with --cluster, --context or \
             --kubeconfig also from that cluster, where an object of the files wins. Everything that is not a workload, or \
             asks for nothing, is printed as it is.",
        )
}

/// Prints the files, injected.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(finish(run(matches)))
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let mut session = Session::open(matches)?;
    let files = Rc::clone(&session.files);
    let mut output = Output::new(files.len());
    for file in files.iter() {
        let mut texts = String::new();
        for document in &file.documents {
            let text = session.rewrite(file, document, |session, object, namespace, workload| {
                let Some(decided) = session.decide(workload, namespace)? else { return Ok(None) };
                for warning in decided.decision.warnings() {
                    eprintln!(
                        "warning: {}: {} {namespace}/{}: {warning}",
                        place(file, document),
                        object.kind,
                        object.name
                    );
                }
                patched(object, workload, &decided.decision).map(Some)
            })?;
            texts.push_str(&text);
        }
        output.print(&file.name, &texts).or_exit(Exit::Input)?;
    }
    Ok(session.close(Exit::Ok))
}

/// Standard output, on which several files become one stream of documents.
pub(crate) struct Output {
    several: bool,
    ended: bool,
}

impl Output {
    /// For this number of files.
    pub(crate) fn new(files: usize) -> Output {
        Output { several: files > 1, ended: true }
    }

    /// Prints a file. One of several is introduced by its name, as `helm template` does it.
    pub(crate) fn print(&mut self, name: &str, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.several {
            if !self.ended {
                writeln!(out)?;
            }
            writeln!(out, "---\n# Source: {name}")?;
        }
        self.ended = text.ends_with('\n');
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}
