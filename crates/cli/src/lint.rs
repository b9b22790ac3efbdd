//! `otel-operator lint`: mistakes in configurations of collectors, before anybody applies them.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser};
use collector::{
    check::{Finding, Severity, lint_text_for, render},
    component::catalogue::{Distribution, RELEASE},
    settings::DEFAULT_IMAGE,
};

use crate::{
    colour::Colour,
    exit::{Exit, Failure, OrExit, finish},
    manifests::print,
    source,
};

/// The arguments of `lint`.
pub(crate) fn command() -> Command {
    let severities = PossibleValuesParser::new(["advice", "warning", "error", "never"]);
    Command::new("lint")
        .about("Find mistakes in collector configurations")
        .long_about(
            "Find mistakes in collector configurations: in OpenTelemetryCollectors of either version, or in the \
             configuration file of a collector. Other objects are passed over.\n\n\
             Exit code 0 means nothing worse than advice, 1 warnings, 2 errors: the collector would not start.",
        )
        .arg(
            Arg::new("filename")
                .short('f')
                .long("filename")
                .value_name("FILE|DIR|-")
                .action(ArgAction::Append)
                .required(true)
                .help("Files with YAML or JSON documents, folders (all .yaml, .yml and .json files below them), or - for standard input"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_parser(PossibleValuesParser::new(["text", "json", "sarif"]))
                .default_value("text")
                .help("Format"),
        )
        .arg(
            Arg::new("fail-on")
                .long("fail-on")
                .value_parser(severities)
                .default_value("warning")
                .help("What is milder ends with exit code 0"),
        )
        .arg(
            Arg::new("image")
                .long("image")
                .value_name("IMAGE")
                .conflicts_with("distribution")
                .help(format!("Image of collectors that name none, and of configuration files [default of collectors: {DEFAULT_IMAGE}]")),
        )
        .arg(
            Arg::new("distribution")
                .long("distribution")
                .value_parser(PossibleValuesParser::new(Distribution::ALL.map(|(_, name)| name)))
                .help(format!("Instead of --image: an official distribution, of release {RELEASE}")),
        )
}

/// Prints what is found.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(match run(matches) {
        Ok((Exit::Ok, code)) => code,
        Ok((exit, _)) => exit.into(),
        Err(failure) => finish(Err(failure)),
    })
}

/// What was found in a file.
struct Checked {
    name: String,
    text: String,
    findings: Vec<Finding>,
}

fn run(matches: &ArgMatches) -> Result<(Exit, ExitCode), Failure> {
    let text = |id: &str| matches.get_one::<String>(id).map(String::as_str);
    let names: Vec<String> = matches.get_many::<String>("filename").into_iter().flatten().cloned().collect();
    let image = match text("distribution") {
        Some(distribution) => Some(official_image(distribution)),
        None => text("image").map(str::to_owned),
    };
    let (files, problems) = source::read(&names);
    let mut configurations = 0;
    let mut checked = Vec::new();
    for file in files {
        let text: String = file.documents.iter().map(|document| document.text.as_str()).collect();
        let lint = lint_text_for(&text, image.as_deref().unwrap_or(DEFAULT_IMAGE), image.as_deref());
        // Whoever names a file means it; below a folder many things may lie.
        if lint.configurations == 0 && lint.findings.is_empty() && file.folders.is_empty() {
            eprintln!(
                "warning: {}: neither an OpenTelemetryCollector nor a collector's configuration is in it",
                file.name
            );
        }
        configurations += lint.configurations;
        checked.push(Checked { name: file.name, text, findings: lint.findings });
    }
    let shown: Vec<render::File<'_>> = checked
        .iter()
        .map(|file| render::File { name: &file.name, text: &file.text, findings: &file.findings })
        .collect();
    let json = |value: &serde_json::Value| serde_json::to_string_pretty(value).map(|text| text + "\n");
    let output = match text("output") {
        Some("json") => json(&render::json(&shown)).or_exit(Exit::Input)?,
        Some("sarif") => json(&render::sarif(&shown, env!("CARGO_PKG_VERSION"))).or_exit(Exit::Input)?,
        _ => shown.iter().map(|file| painted(&render::text(*file), Colour::of_stdout())).collect(),
    };
    print(&output).or_exit(Exit::Input)?;
    for problem in &problems {
        eprintln!("error: {}", problem.0);
    }
    let of = |severity| checked.iter().flat_map(|f| &f.findings).filter(|f| f.severity == severity).count();
    let counts = [Severity::Error, Severity::Warning, Severity::Advice].map(of);
    if counts != [0; 3] || std::io::stderr().is_terminal() {
        eprintln!("{}", summary(counts, configurations));
    }
    let exit = if problems.is_empty() { Exit::Ok } else { Exit::Input };
    Ok((exit, ExitCode::from(code(counts, text("fail-on").unwrap_or_default()))))
}

/// The image of an official distribution.
fn official_image(distribution: &str) -> String {
    let name = match distribution {
        "core" => "opentelemetry-collector".to_owned(),
        other => format!("opentelemetry-collector-{other}"),
    };
    format!("ghcr.io/open-telemetry/opentelemetry-collector-releases/{name}:{RELEASE}")
}

/// The exit code of these numbers of errors, warnings and advice.
fn code([errors, warnings, advice]: [usize; 3], fail_on: &str) -> u8 {
    match fail_on {
        "never" => 0,
        "error" => u8::from(errors > 0) * 2,
        _ if errors > 0 => 2,
        _ if warnings > 0 => 1,
        "advice" if advice > 0 => 1,
        _ => 0,
    }
}

fn summary([errors, warnings, advice]: [usize; 3], configurations: usize) -> String {
    let plural = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let found = format!("{}, {}, {advice} advice", plural(errors, "error"), plural(warnings, "warning"));
    match configurations {
        // In a file that is no YAML there may be any number.
        0 => found,
        number => format!("{found} in {}", plural(number, "configuration")),
    }
}

/// The text with the severities in colour. A line of a source begins with its number, so nothing else begins like this.
fn painted(text: &str, colour: Colour) -> String {
    const STYLES: [(&str, &str); 3] = [("error[", "1;31"), ("warning[", "1;33"), ("advice[", "1;36")];
    let line = |line: &str| {
        let style = STYLES.iter().find(|(start, _)| line.starts_with(start));
        let head = style.and_then(|(_, style)| Some((style, line.split_once(": ")?)));
        match head {
            Some((style, (head, rest))) => format!("{}: {rest}\n", colour.paint(style, head)),
            None => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides() {
        let codes = |counts| ["advice", "warning", "error", "never"].map(|fail_on| code(counts, fail_on));
        assert_eq!(codes([0, 0, 0]), [0; 4]);
        assert_eq!(codes([0, 0, 1]), [1, 0, 0, 0]);
        assert_eq!(codes([0, 2, 1]), [1, 1, 0, 0]);
        assert_eq!(codes([1, 2, 0]), [2, 2, 2, 0]);
    }

    #[test]
    fn the_images_of_distributions_are_known_as_such() {
        for (distribution, name) in Distribution::ALL {
            let (found, version) = Distribution::of_image(&official_image(name)).unwrap();
            assert_eq!((found, version.unwrap().to_string().as_str()), (distribution, RELEASE));
        }
    }
}
