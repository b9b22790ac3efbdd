//! Keys, ids and types.

use serde_json::Value;

use super::{Code, Finding};
use crate::{
    component::{Kind, port::component_ports},
    config::{Config, Path, Step, environment, split_id},
};

pub(super) fn check(config: &Config<'_>, findings: &mut Vec<Finding>) {
    for (path, expected) in &config.wrong_types {
        let place = if path.0.is_empty() { "the configuration".to_owned() } else { path.to_string() };
        findings.push(Finding::new(
            Code::WrongType,
            path.clone(),
            format!("{place} is not {expected}"),
            format!("make it {expected}"),
        ));
    }
    unknown_sections(config, findings);
    ids(config, findings);
    bodies(config, findings);
    telemetry(config, findings);
    bare_references(config.raw, findings);
}

fn unknown_sections(config: &Config<'_>, findings: &mut Vec<Finding>) {
    let top: Vec<&str> = Kind::ALL.iter().map(|kind| kind.section()).chain(["service"]).collect();
    keys(config.raw, Path::default(), &top, findings);
    let service = config.raw.get("service").unwrap_or(&Value::Null);
    keys(service, Path::of(&["service"]), &["extensions", "pipelines", "telemetry"], findings);
    for pipeline in &config.pipelines {
        let raw = service.get("pipelines").and_then(|p| p.get(pipeline.name)).unwrap_or(&Value::Null);
        keys(raw, pipeline.path(), &["receivers", "processors", "exporters"], findings);
    }
}

fn keys(value: &Value, path: Path, known: &[&str], findings: &mut Vec<Finding>) {
    let Some(map) = value.as_object() else { return };
    for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
        let path = path.join(key.as_str());
        findings.push(Finding::new(
            Code::UnknownSection,
            path.clone(),
            format!("{path} is no key of a collector configuration and has no effect"),
            format!("use one of {}, or remove it", known.join(", ")),
        ));
    }
}

fn ids(config: &Config<'_>, findings: &mut Vec<Finding>) {
    for kind in Kind::ALL {
        for id in config.section(kind).into_iter().flat_map(|section| section.keys()) {
            if !is_id(id) {
                let path = Path::of(&[kind.section(), id]);
                findings.push(invalid_id(&format!("the {} id {id:?}", kind.name()), path));
            }
        }
    }
    for pipeline in config.pipelines.iter().filter(|p| !is_id(p.name)) {
        findings.push(invalid_id(&format!("the pipeline id {:?}", pipeline.name), pipeline.path()));
    }
}

fn invalid_id(what: &str, path: Path) -> Finding {
    Finding::new(
        Code::InvalidId,
        path,
        format!("{what} is not type or type/name"),
        "begin it with a letter, then letters, digits and _; after a / put a name without blanks",
    )
}

fn is_id(id: &str) -> bool {
    let (component_type, name) = split_id(id);
    let mut chars = component_type.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && component_type.len() <= 63
        && name.is_none_or(|name| {
            !name.is_empty()
                && name.len() <= 1024
                && !name.chars().any(|c| c.is_whitespace() || c.is_control())
        })
}

/// Bodies that even the operator's narrow view cannot read.
fn bodies(config: &Config<'_>, findings: &mut Vec<Finding>) {
    for kind in Kind::ALL {
        for (id, body) in config.enabled(kind) {
            match component_ports(kind, id, *body) {
                Err(problem) => {
                    findings.push(Finding::new(
                        Code::WrongType,
                        problem.path,
                        format!("the {} {id} cannot be understood: {}", kind.name(), problem.message),
                        problem.fix,
                    ));
                }
                Ok(_)
                    if body
                        .is_some_and(|b| !matches!(b, Value::Null | Value::Object(_) | Value::String(_))) =>
                {
                    findings.push(Finding::new(
                        Code::WrongType,
                        Path::of(&[kind.section(), id]),
                        format!("the {} {id} is not a map of settings", kind.name()),
                        "make it a map, {} where there is nothing to set",
                    ));
                }
                Ok(_) => {}
            }
        }
    }
}

/// Readers whose form the operator does not know.
fn telemetry(config: &Config<'_>, findings: &mut Vec<Finding>) {
    let path = Path::of(&["service", "telemetry", "metrics"]);
    let metrics = config.telemetry().and_then(|t| t.get("metrics")).unwrap_or(&Value::Null);
    let mut report = |path: Path, what: &str, fix: &str| {
        findings.push(Finding::new(Code::TelemetryNotUnderstood, path, what, fix));
    };
    if !matches!(metrics, Value::Null | Value::Object(_)) {
        return report(
            path,
            "metrics is no map, it is left as it is",
            "make it a map with level, readers and views",
        );
    }
    let list = match metrics.get("readers") {
        None | Some(Value::Null) => return,
        Some(Value::Array(list)) => list,
        Some(_) => {
            return report(
                path.join("readers"),
                "readers is no list, it is left as it is",
                "make it a list of readers",
            );
        }
    };
    for (index, reader) in list.iter().enumerate() {
        let path = path.join("readers").join(index);
        let (kind, exporter) = match (reader.get("pull"), reader.get("periodic")) {
            (Some(pull), _) => ("pull", pull.get("exporter")),
            (None, Some(periodic)) => ("periodic", periodic.get("exporter")),
            (None, None) => {
                report(
                    path,
                    "the reader is neither pull nor periodic",
                    "give it pull or periodic, with an exporter",
                );
                continue;
            }
        };
        let Some(exporter) = exporter.and_then(Value::as_object) else {
            report(
                path.join(kind),
                "the reader has no exporter",
                "add exporter with prometheus, otlp or console",
            );
            continue;
        };
        let path = path.join(kind).join("exporter");
        if let Some(port) = exporter.get("prometheus").and_then(|p| p.get("port")).filter(|p| !p.is_number())
        {
            report(
                path.join("prometheus").join("port"),
                &format!("the port {port} is no number, so 8888 is assumed for the monitoring Service"),
                "write the port as a number",
            );
        }
        if let Some(otlp) = exporter.get("otlp") {
            for key in ["endpoint", "protocol"] {
                if otlp.get(key).is_none_or(Value::is_null) {
                    report(
                        path.join("otlp"),
                        &format!("the OTLP reader has no {key}"),
                        &format!("add {key}"),
                    );
                }
            }
        }
    }
}

/// `$NAME` in capitals anywhere; other dollars are groups of regular expressions.
fn bare_references(value: &Value, findings: &mut Vec<Finding>) {
    fn walk(value: &Value, path: &mut Vec<Step>, findings: &mut Vec<Finding>) {
        match value {
            Value::String(text) if text.contains('$') => {
                let found = environment::bare_reference(text).filter(|reference| {
                    let name = &reference[1..];
                    name.len() > 1 && name.chars().all(|c| !c.is_ascii_lowercase())
                });
                if let Some(reference) = found {
                    findings.push(Finding::new(
                        Code::BareEnvironmentReference,
                        Path(path.clone()),
                        format!("{reference} is not expanded by collectors since 0.104"),
                        format!("write ${{env:{}}}", &reference[1..]),
                    ));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    walk(item, path, findings);
                    path.pop();
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    // Keys are cloned only on the way down to text that has a dollar.
                    if matches!(item, Value::String(text) if !text.contains('$')) {
                        continue;
                    }
                    path.push(Step::Key(key.clone()));
                    walk(item, path, findings);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    walk(value, &mut Vec::new(), findings);
}
