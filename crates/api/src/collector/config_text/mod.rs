//! The collector's configuration as text: YAML in, YAML out.
//!
//! What is written is what the Go operator writes (it uses goccy/go-yaml), byte for byte, so that neither a ConfigMap
//! nor a v1alpha1 `config` changes when this operator takes over. There are two exceptions, both for the sake of what
//! the collector reads: integers are written as integers however large they are, and a string is quoted where the plain
//! form would be read as something else.

mod block;
mod number;
mod parse;
mod scalar;
mod stack;

use serde_json::{Map, Value};

pub use parse::{Unreadable, parse};
pub use stack::{DEEP, SHALLOW, on_a_larger_stack};

pub(super) use number::go_exponent;

/// The sections of a configuration, in the order in which they are written.
pub const SECTIONS: [&str; 6] =
    ["receivers", "exporters", "processors", "connectors", "extensions", "service"];

/// The members of `service`, in the order in which they are written.
const SERVICE: [&str; 3] = ["extensions", "telemetry", "pipelines"];

/// The members of a pipeline, in the order in which they are written.
const PIPELINE: [&str; 3] = ["exporters", "processors", "receivers"];

/// The text of a configuration for the collector: the sections that a collector knows, each in its place. Anything
/// that is no mapping counts as an empty configuration.
pub fn render(config: &Value) -> String {
    document(config, false)
}

/// The text of a configuration with everything that is in it: as [`render`], unknown members last.
pub fn render_all(config: &Value) -> String {
    document(config, true)
}

/// What stands where, before it is written.
enum Node<'a> {
    /// A mapping whose order is the collector's.
    Ordered(Vec<(&'a str, Node<'a>)>),
    /// Anything below; its mappings are sorted.
    Free(&'a Value),
    /// `{}`.
    EmptyMapping,
    /// `[]`.
    EmptyList,
}

fn document(config: &Value, unknown: bool) -> String {
    let config = config.as_object();
    let mut sections = Vec::new();
    for name in SECTIONS {
        let value = present(config, name);
        match (name, value) {
            ("service", value) => sections.push((name, service(value, unknown))),
            (_, Some(value)) => sections.push((name, Node::Free(value))),
            ("receivers" | "exporters", None) => sections.push((name, Node::EmptyMapping)),
            (_, None) => {}
        }
    }
    push_unknown(&mut sections, config, &SECTIONS, unknown);
    let mut text = String::new();
    block::write(&mut text, &Node::Ordered(sections));
    text
}

fn service(value: Option<&Value>, unknown: bool) -> Node<'_> {
    let service = match value {
        None => None,
        Some(Value::Object(service)) => Some(service),
        Some(other) => return Node::Free(other),
    };
    let mut members = Vec::new();
    for name in SERVICE {
        match (name, present(service, name)) {
            ("pipelines", Some(Value::Object(all))) if !all.is_empty() => {
                let mut all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value)).collect();
                all.sort_unstable_by_key(|(name, _)| *name);
                let all = all.into_iter().map(|(name, value)| (name, pipeline(value, unknown))).collect();
                members.push((name, Node::Ordered(all)));
            }
            ("pipelines", None) => members.push((name, Node::EmptyMapping)),
            ("extensions", Some(Value::Array(list))) if list.is_empty() => {}
            (_, Some(value)) => members.push((name, Node::Free(value))),
            (_, None) => {}
        }
    }
    push_unknown(&mut members, service, &SERVICE, unknown);
    Node::Ordered(members)
}

fn pipeline(value: &Value, unknown: bool) -> Node<'_> {
    let Value::Object(pipeline) = value else { return Node::Free(value) };
    let mut members = Vec::new();
    for name in PIPELINE {
        match (name, present(Some(pipeline), name)) {
            ("processors", Some(Value::Array(list))) if list.is_empty() => {}
            (_, Some(value)) => members.push((name, Node::Free(value))),
            ("processors", None) => {}
            (_, None) => members.push((name, Node::EmptyList)),
        }
    }
    push_unknown(&mut members, Some(pipeline), &PIPELINE, unknown);
    Node::Ordered(members)
}

fn push_unknown<'a>(
    members: &mut Vec<(&'a str, Node<'a>)>,
    of: Option<&'a Map<String, Value>>,
    known: &[&str],
    wanted: bool,
) {
    if !wanted {
        return;
    }
    let mut more: Vec<_> =
        of.into_iter().flatten().filter(|(name, _)| !known.contains(&name.as_str())).collect();
    more.sort_unstable_by_key(|(name, _)| name.as_str());
    members.extend(more.into_iter().map(|(name, value)| (name.as_str(), Node::Free(value))));
}

fn present<'a>(of: Option<&'a Map<String, Value>>, name: &str) -> Option<&'a Value> {
    of.and_then(|of| of.get(name)).filter(|value| !value.is_null())
}
