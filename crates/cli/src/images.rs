//! `otel-operator images`: everything that a cluster without access to the registries needs mirrored.

use std::{collections::BTreeSet, process::ExitCode};

use api::Language;
use clap::{Arg, ArgMatches, Command, builder::PossibleValuesParser};
use operator::{
    manifest,
    settings::{Process, arguments, table},
};
use serde::Serialize;

use crate::{
    colour::Colour,
    columns,
    exit::{Exit, Failure, OrExit, finish},
    manifests::print,
};

/// The arguments of `images`.
pub(crate) fn command() -> Command {
    let about_images = |id: &str| {
        id.ends_with("-image")
            || id == "config-file"
            || Language::ALL.iter().any(|language| language.info().enable_flag == Some(id))
    };
    Command::new("images")
        .about("Print every image that the operator may use, to mirror them")
        .long_about(
            "Print every image that the operator may use, to mirror them.\n\n\
             Takes the flags, environment variables and file of `run`, so that the list is that of your operator. What users \
             name in their own objects is not in the list.",
        )
        .arg(
            Arg::new("operator-image")
                .long("operator-image")
                .value_name("IMAGE")
                .default_value(manifest::IMAGE)
                .help("image of the operator itself"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_parser(PossibleValuesParser::new(["table", "name", "json"]))
                .default_value("table")
                .help("Format; name prints each image once, one on a line"),
        )
        .args(arguments::arguments().map(move |arg| {
            let hidden = !about_images(arg.get_id().as_str());
            arg.hide(hidden)
        }))
}

/// An image and what it is for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    used_for: String,
    image: String,
    /// The flag that chooses another one.
    flag: &'static str,
    /// Why this operator does not use it now; empty when it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

/// Prints them.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(finish(run(matches)))
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let process = Process::read(matches, Vec::new()).or_exit(Exit::Usage)?;
    let own = matches.get_one::<String>("operator-image").cloned().unwrap_or_default();
    let images = list(own, &process);
    let text = match matches.get_one::<String>("output").map(String::as_str) {
        Some("json") => format!("{}\n", serde_json::to_string_pretty(&images).or_exit(Exit::Input)?),
        Some("name") => {
            let unique: BTreeSet<&str> = images.iter().map(|image| image.image.as_str()).collect();
            unique.into_iter().map(|image| format!("{image}\n")).collect()
        }
        _ => {
            let rows: Vec<Vec<String>> = images
                .iter()
                .map(|image| vec![image.used_for.clone(), image.image.clone(), image.note.clone()])
                .collect();
            columns::table(&["USED FOR", "IMAGE", "NOTE"], &rows, Colour::of_stdout(), |_, _| "")
        }
    };
    print(&text).or_exit(Exit::Input)?;
    Ok(Exit::Ok)
}

fn list(own: String, process: &Process) -> Vec<Image> {
    let operator =
        Image { used_for: "operator".to_owned(), image: own, flag: "operator-image", note: String::new() };
    let of_settings = process.images.iter().map(|(id, image)| {
        let language = Language::ALL.into_iter().find(|language| language.info().image_flag == Some(*id));
        let disabled = language.filter(|language| !process.injection.enabled[*language]);
        let note = match (disabled, table::by_flag(id).map(|setting| setting.effect)) {
            (Some(language), _) => {
                format!("not used: --{}=false", language.info().enable_flag.unwrap_or_default())
            }
            (None, Some(table::Effect::NotYet)) => "not used by this version".to_owned(),
            _ => String::new(),
        };
        let used_for = language
            .map_or_else(|| id.trim_end_matches("-image").to_owned(), |language| language.to_string());
        Image { used_for, image: image.clone(), flag: id, note }
    });
    std::iter::once(operator).chain(of_settings).collect()
}
