//! Checks of a file: every OpenTelemetryCollector in it, or the bare configuration that it is.

use super::{
    Code, Finding, check,
    document::{Found, Inner, Subject, subjects},
};
use crate::config::{Config, Path, Position, Source, read_text};

/// What [`lint_text`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lint {
    /// Findings, in the order of the file.
    pub findings: Vec<Finding>,
    /// How many configurations there were. Documents of other kinds are passed over.
    pub configurations: usize,
}

/// Checks all configurations of a YAML or JSON text. `default_image` is the image of collectors that name none
/// ([`DEFAULT_IMAGE`](crate::settings::DEFAULT_IMAGE) as shipped). Nothing is said about the image of bare configurations.
pub fn lint_text(text: &str, default_image: &str) -> Lint {
    lint_text_for(text, default_image, None)
}

/// As [`lint_text`], with the image that bare configurations are for.
pub fn lint_text_for(text: &str, default_image: &str, bare_image: Option<&str>) -> Lint {
    let mut lint = Lint::default();
    match read_text(text) {
        Err(problem) => {
            lint.findings.push(not_yaml(Path::default(), &problem.message, problem.position));
        }
        Ok(sources) => {
            for source in &sources {
                let subjects = subjects(&source.value, default_image, bare_image);
                lint.configurations += subjects.len();
                if !subjects.is_empty() {
                    lint.findings.extend(duplicates(source, &Path::default(), Some));
                }
                for subject in subjects {
                    lint.findings.extend(of_subject(text, source, &subject));
                }
            }
        }
    }
    lint.findings.sort_by(|a, b| a.position.cmp(&b.position).then(a.code.cmp(&b.code)));
    lint
}

fn not_yaml(path: Path, message: &str, position: Option<Position>) -> Finding {
    let mut finding = Finding::new(
        Code::NotYaml,
        path,
        format!("this is no YAML: {message}"),
        "correct the syntax here or just before; most often it is the indentation or an unclosed bracket or quote",
    );
    finding.position = position;
    finding
}

fn duplicates(
    source: &Source,
    below: &Path,
    place: impl Fn(Position) -> Option<Position>,
) -> impl Iterator<Item = Finding> {
    source.duplicate_keys.iter().map(move |(path, position)| {
        let key = match path.0.last() {
            Some(crate::config::Step::Key(key)) => key.as_str(),
            _ => "",
        };
        let mut finding = Finding::new(
            Code::DuplicateKey,
            path.below(below),
            format!("the key {key} is here for the second time"),
            "join the two, or remove one of them",
        );
        finding.position = place(*position);
        finding
    })
}

fn of_subject(text: &str, source: &Source, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = match &subject.config {
        Found::Missing => {
            let mut finding = Finding::new(
                Code::WrongType,
                subject.path.clone(),
                "spec.config is missing",
                "add it, with receivers, exporters and service",
            );
            finding.position = source.position(&subject.path);
            vec![finding]
        }
        Found::Value(value) => {
            let mut findings = check(&Config::read(value), &subject.context);
            for finding in &mut findings {
                finding.path = finding.path.below(&subject.path);
                finding.position = source.position(&finding.path);
            }
            findings
        }
        Found::Text(config) => of_text(text, config, source.value_position(&subject.path), subject),
    };
    for finding in &mut findings {
        finding.object.clone_from(&subject.object);
    }
    findings
}

/// A configuration in a string, as in v1alpha1.
fn of_text(file: &str, config: &str, at: Option<Position>, subject: &Subject<'_>) -> Vec<Finding> {
    let inner = Inner::read(file, config, at);
    match &inner.source {
        Err(problem) => {
            vec![not_yaml(subject.path.clone(), &problem.message, inner.position(problem.position))]
        }
        Ok(source) => {
            let mut findings = check(&Config::read(&source.value), &subject.context);
            for finding in &mut findings {
                finding.position = inner.position(source.position(&finding.path));
                finding.path = finding.path.below(&subject.path);
            }
            findings.extend(duplicates(source, &subject.path, |p| inner.position(Some(p))));
            findings
        }
    }
}
