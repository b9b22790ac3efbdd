//! What refers to what.

use std::collections::BTreeSet;

use super::{Code, Finding, Severity};
use crate::{
    component::Kind,
    config::{Config, Path, Role},
};

pub(super) fn check(config: &Config<'_>, findings: &mut Vec<Finding>) {
    for pipeline in &config.pipelines {
        for role in Role::ALL {
            let mut seen = BTreeSet::new();
            for reference in pipeline.list(role) {
                let path = || pipeline.reference_path(role, *reference);
                if !seen.insert(reference.id) {
                    let finding = Finding::new(
                        Code::DuplicateReference,
                        path(),
                        format!(
                            "{} {} is in {} of pipeline {} twice",
                            role.kind().name(),
                            reference.id,
                            role.key(),
                            pipeline.name
                        ),
                        "remove one of them",
                    );
                    let certain = role == Role::Processors;
                    findings.push(if certain { finding } else { finding.milder(Severity::Warning) });
                }
                let connector =
                    role != Role::Processors && config.component(Kind::Connector, reference.id).is_some();
                if !connector && config.component(role.kind(), reference.id).is_none() {
                    findings.push(undefined(config, role.kind(), reference.id, path()));
                }
            }
        }
    }
    for reference in &config.extensions {
        if config.component(Kind::Extension, reference.id).is_none() {
            let path = Path::of(&["service", "extensions"]).join(reference.index);
            findings.push(undefined(config, Kind::Extension, reference.id, path));
        }
    }
    for kind in Kind::ALL {
        for id in config.section(kind).into_iter().flat_map(|section| section.keys()) {
            if !config.enabled(kind).contains_key(id) {
                let list = match kind {
                    Kind::Extension => "service.extensions".to_owned(),
                    Kind::Connector => {
                        "the exporters of one pipeline and the receivers of another".to_owned()
                    }
                    _ => format!("the {} of a pipeline", kind.section()),
                };
                findings.push(Finding::new(
                    Code::UnusedComponent,
                    Path::of(&[kind.section(), id]),
                    format!("{} {id} is defined but not used", kind.name()),
                    format!("add it to {list}, or remove it"),
                ));
            }
        }
    }
}

/// The component is not where it should be; perhaps it is of another kind.
fn undefined(config: &Config<'_>, kind: Kind, id: &str, path: Path) -> Finding {
    let other = Kind::ALL.into_iter().find(|other| *other != kind && config.component(*other, id).is_some());
    match other {
        Some(other) => Finding::new(
            Code::WrongKind,
            path,
            format!("{id} is listed as {} but defined as {}", kind.name(), other.name()),
            format!("define it under {}, or move it to the list of {}", kind.section(), other.section()),
        ),
        None => {
            let mut finding = Finding::new(
                Code::UndefinedComponent,
                path,
                format!("{} {id} is not defined", kind.name()),
                format!("define it under {}, or remove it from the list", kind.section()),
            );
            finding.component = Some((kind, id.to_owned()));
            finding
        }
    }
}

/// The undefined components alone, for the moment before defaults are added.
pub(crate) fn undefined_components(config: &Config<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    check(config, &mut findings);
    findings.retain(|finding| finding.code == Code::UndefinedComponent);
    findings
}
