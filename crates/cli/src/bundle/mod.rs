//! `otel-operator support-bundle`: everything that somebody who helps needs to see, in one archive, without secrets.
//!
//! * [`collect`]: what is taken, and where it lies in the archive.
//! * [`redact`]: what is taken out of it.
//! * [`archive`]: the file.

mod archive;
mod collect;
mod redact;

use std::{path::PathBuf, process::ExitCode};

use clap::{Arg, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    arguments::{self, Given},
    exit::{Exit, Failure, OrExit, finish},
    manifests::print,
};
use archive::Archive;
use collect::Collection;

/// The arguments of `support-bundle`.
pub(crate) fn command() -> Command {
    arguments::command("support-bundle", "Collect what somebody who helps needs to see, without secrets")
        .long_about(
            "Collect what somebody who helps needs to see into one archive: the operator's objects, logs and metrics, webhook \
             configurations, Instrumentations and collectors with what belongs to them, workloads that ask for injection, events, \
             and the results of check and status.\n\n\
             Secrets are never read. Values of variables, of keys that look like passwords or tokens, and of headers are taken \
             out. Look into the archive before you pass it on nevertheless.",
        )
        .mut_arg("filename", |arg| arg.hide(true))
        .mut_arg("cluster", |arg| arg.hide(true))
        .mut_arg("namespace", |arg| arg.help("Take workloads and custom resources of this namespace only [default: all]"))
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The archive [default: otel-operator-support-<time>.tar.gz]"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_parser(PossibleValuesParser::new(["text", "json"]))
                .default_value("text")
                .help("Format of what is said about it"),
        )
}

/// Writes the archive.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(finish(run(matches)))
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let given = Given::read(matches).or_exit(Exit::Usage)?;
    if !given.common.filename.is_empty() {
        let error = anyhow::anyhow!("support-bundle looks at clusters; files you can send as they are");
        return Err(Failure(Exit::Usage, error));
    }
    let cluster = given.connect().or_exit(Exit::Cluster)?;
    // Without an answer there is nothing to collect.
    cluster.get("/version").or_exit(Exit::Cluster)?;
    let now = OffsetDateTime::now_utc();
    let (hour, minute, second) = now.to_hms();
    let name = format!("otel-operator-support-{}-{hour:02}{minute:02}{second:02}", now.date());
    let file = matches.get_one::<PathBuf>("file").cloned().unwrap_or_else(|| format!("{name}.tar.gz").into());
    let archive = Archive::create(&file, &name).or_exit(Exit::Input)?;
    let own = given.common.operator_namespace.as_str();
    let mut collection = Collection::new(&cluster, archive, own, given.common.namespace.as_deref());
    collection.everything().or_exit(Exit::Input)?;
    collection.reports(&given).or_exit(Exit::Input)?;
    let (files, failures) = collection.finish().or_exit(Exit::Input)?;
    let text = if matches.get_one::<String>("output").is_some_and(|format| format == "json") {
        let report = json!({"file": file, "files": files, "failures": failures});
        serde_json::to_string_pretty(&report).or_exit(Exit::Input)? + "\n"
    } else {
        format!(
            "{}: {files} files; {} questions were not answered (errors.txt in it)\nSecrets and values that look secret are taken out; look into it before you pass it on.\n",
            file.display(),
            failures.len()
        )
    };
    print(&text).or_exit(Exit::Input)?;
    Ok(Exit::Ok)
}
