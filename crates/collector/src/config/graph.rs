//! Components, pipelines and what refers to what.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::path::Path;
use crate::component::Kind;

/// A configuration, read once, borrowed from its raw value. Reading never fails: what has another type than it should is
/// left out and listed in [`Config::wrong_types`].
#[derive(Clone, Debug)]
pub struct Config<'a> {
    /// The raw value.
    pub raw: &'a Value,
    /// `service.extensions`.
    pub extensions: Vec<Reference<'a>>,
    /// `service.pipelines`, by name.
    pub pipelines: Vec<Pipeline<'a>>,
    /// Values of another type than they should have, and that type.
    pub wrong_types: Vec<(Path, &'static str)>,
    sections: [Option<BTreeMap<&'a str, &'a Value>>; Kind::ALL.len()],
    enabled: [BTreeMap<&'a str, Option<&'a Value>>; Kind::ALL.len()],
}

/// One pipeline: `service.pipelines.<name>`.
#[derive(Clone, Debug)]
pub struct Pipeline<'a> {
    /// `traces`, `metrics/internal`, ….
    pub name: &'a str,
    /// What flows through it; none if no collector knows it.
    pub signal: Option<Signal>,
    /// Receivers, in the order of the list.
    pub receivers: Vec<Reference<'a>>,
    /// Processors, in the order of the list.
    pub processors: Vec<Reference<'a>>,
    /// Exporters, in the order of the list.
    pub exporters: Vec<Reference<'a>>,
}

/// A component's id in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The id as written.
    pub id: &'a str,
    /// Its index in the list, from 0.
    pub index: usize,
}

/// The list of a pipeline that a component is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `receivers`.
    Receivers,
    /// `processors`.
    Processors,
    /// `exporters`.
    Exporters,
}

/// What flows through a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
    /// Log records.
    Logs,
    /// Profiles, behind a feature gate in today's collectors.
    Profiles,
}

impl Signal {
    /// The signal of a pipeline's name.
    pub fn of(pipeline: &str) -> Option<Self> {
        Some(match split_id(pipeline).0 {
            "traces" => Signal::Traces,
            "metrics" => Signal::Metrics,
            "logs" => Signal::Logs,
            "profiles" => Signal::Profiles,
            _ => return None,
        })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
            Signal::Profiles => "profiles",
        })
    }
}

impl Role {
    /// The roles, in the order of a pipeline.
    pub const ALL: [Role; 3] = [Role::Receivers, Role::Processors, Role::Exporters];

    /// The key of the list.
    pub fn key(self) -> &'static str {
        self.kind().section()
    }

    /// The kind of component that belongs there (connectors are receivers and exporters).
    pub fn kind(self) -> Kind {
        match self {
            Role::Receivers => Kind::Receiver,
            Role::Processors => Kind::Processor,
            Role::Exporters => Kind::Exporter,
        }
    }
}

impl<'a> Pipeline<'a> {
    /// The list of a role.
    pub fn list(&self, role: Role) -> &[Reference<'a>] {
        match role {
            Role::Receivers => &self.receivers,
            Role::Processors => &self.processors,
            Role::Exporters => &self.exporters,
        }
    }

    /// Where the pipeline stands in the configuration.
    pub fn path(&self) -> Path {
        Path::of(&["service", "pipelines", self.name])
    }

    /// Where a reference of it stands.
    pub fn reference_path(&self, role: Role, reference: Reference<'_>) -> Path {
        self.path().join(role.key()).join(reference.index)
    }
}

/// Type and name of a component's id: `otlp/backend` is `otlp` and `backend`.
pub fn split_id(id: &str) -> (&str, Option<&str>) {
    match id.split_once('/') {
        Some((kind, name)) => (kind.trim(), Some(name.trim())),
        None => (id.trim(), None),
    }
}

impl<'a> Config<'a> {
    /// Reads the graph of a configuration.
    pub fn read(raw: &'a Value) -> Self {
        let mut wrong_types = Vec::new();
        let top = map(raw, Path::default, &mut wrong_types);
        let sections = Kind::ALL.map(|kind| {
            let section = top?.get(kind.section())?;
            let map = map(section, || Path::of(&[kind.section()]), &mut wrong_types)?;
            Some(map.iter().map(|(id, body)| (id.as_str(), body)).collect::<BTreeMap<_, _>>())
        });
        let service = top.and_then(|top| top.get("service"));
        let service = service.and_then(|s| map(s, || Path::of(&["service"]), &mut wrong_types));
        let extensions = service.and_then(|s| s.get("extensions"));
        let extensions = references(extensions, || Path::of(&["service", "extensions"]), &mut wrong_types);
        let pipelines = service.and_then(|s| s.get("pipelines"));
        let pipelines =
            pipelines.and_then(|p| map(p, || Path::of(&["service", "pipelines"]), &mut wrong_types));
        let pipelines = pipelines.into_iter().flatten();
        let pipelines = pipelines.map(|(name, raw)| pipeline(name, raw, &mut wrong_types)).collect();
        let mut config =
            Config { raw, extensions, pipelines, wrong_types, sections, enabled: Default::default() };
        config.enable();
        config
    }

    fn enable(&mut self) {
        let mut enabled: [BTreeMap<&'a str, Option<&'a Value>>; Kind::ALL.len()] = Default::default();
        for pipeline in &self.pipelines {
            for role in Role::ALL {
                for reference in pipeline.list(role) {
                    self.add_enabled(&mut enabled, role.kind(), reference.id);
                }
            }
        }
        for reference in &self.extensions {
            self.add_enabled(&mut enabled, Kind::Extension, reference.id);
        }
        self.enabled = enabled;
    }

    /// A connector in the list of receivers or exporters is a connector, unless a receiver or exporter has its id.
    fn add_enabled(
        &self,
        enabled: &mut [BTreeMap<&'a str, Option<&'a Value>>; Kind::ALL.len()],
        kind: Kind,
        id: &'a str,
    ) {
        let body = self.component(kind, id);
        let connector = self.component(Kind::Connector, id);
        match (kind, body, connector) {
            (Kind::Receiver | Kind::Exporter, None, Some(body)) => {
                enabled[Kind::Connector as usize].insert(id, Some(body))
            }
            _ => enabled[kind as usize].insert(id, body),
        };
    }

    /// The component of this kind and id, as defined in its section.
    pub fn component(&self, kind: Kind, id: &str) -> Option<&'a Value> {
        self.section(kind)?.get(id).copied()
    }

    /// The components that are defined, by id; none if there is no such section.
    pub fn section(&self, kind: Kind) -> Option<&BTreeMap<&'a str, &'a Value>> {
        self.sections[kind as usize].as_ref()
    }

    /// The components that pipelines or `service.extensions` refer to, by id; each once. None: it is not defined.
    pub fn enabled(&self, kind: Kind) -> &BTreeMap<&'a str, Option<&'a Value>> {
        &self.enabled[kind as usize]
    }

    /// `service.telemetry`; none if absent or null.
    pub fn telemetry(&self) -> Option<&'a Value> {
        self.raw.get("service")?.get("telemetry").filter(|t| !t.is_null())
    }
}

fn map<'a>(
    value: &'a Value,
    path: impl FnOnce() -> Path,
    wrong_types: &mut Vec<(Path, &'static str)>,
) -> Option<&'a serde_json::Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        Value::Null => None,
        Value::String(text) if super::environment::is_reference(text) => None,
        _ => {
            wrong_types.push((path(), "a map"));
            None
        }
    }
}

fn pipeline<'a>(name: &'a str, raw: &'a Value, wrong_types: &mut Vec<(Path, &'static str)>) -> Pipeline<'a> {
    let path = Path::of(&["service", "pipelines", name]);
    let lists = map(raw, || path.clone(), wrong_types);
    let mut list =
        |role: Role| references(lists.and_then(|l| l.get(role.key())), || path.join(role.key()), wrong_types);
    Pipeline {
        name,
        signal: Signal::of(name),
        receivers: list(Role::Receivers),
        processors: list(Role::Processors),
        exporters: list(Role::Exporters),
    }
}

fn references<'a>(
    list: Option<&'a Value>,
    path: impl Fn() -> Path,
    wrong_types: &mut Vec<(Path, &'static str)>,
) -> Vec<Reference<'a>> {
    let items = match list {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(Value::String(text)) if super::environment::is_reference(text) => return Vec::new(),
        Some(_) => {
            wrong_types.push((path(), "a list of component ids"));
            return Vec::new();
        }
    };
    let mut references = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item {
            Value::String(id) => references.push(Reference { id, index }),
            _ => wrong_types.push((path().join(index), "a component id")),
        }
    }
    references
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connector_is_no_receiver() {
        let raw = json!({
            "receivers": {"otlp": null},
            "connectors": {"forward": {}},
            "exporters": {"debug": {}},
            "service": {"extensions": ["pprof"], "pipelines": {
                "traces/in": {"receivers": ["otlp"], "exporters": ["forward"]},
                "traces/out": {"receivers": ["forward", "zipkin"], "processors": ["batch"], "exporters": ["debug"]},
            }},
        });
        let config = Config::read(&raw);
        assert_eq!(config.wrong_types, []);
        let ids = |kind| config.enabled(kind).keys().copied().collect::<Vec<_>>();
        assert_eq!(ids(Kind::Receiver), ["otlp", "zipkin"]);
        assert_eq!(ids(Kind::Exporter), ["debug"]);
        assert_eq!(ids(Kind::Connector), ["forward"]);
        assert_eq!(ids(Kind::Processor), ["batch"]);
        assert_eq!(ids(Kind::Extension), ["pprof"]);
        assert_eq!(config.enabled(Kind::Receiver)["otlp"], Some(&Value::Null));
        assert_eq!(config.enabled(Kind::Receiver)["zipkin"], None);
        assert!(config.section(Kind::Extension).is_none());
    }

    #[test]
    fn wrong_types_are_listed_and_left_out() {
        let raw = json!({
            "receivers": ["otlp"],
            "exporters": "${file:exporters.yaml}",
            "service": {"pipelines": {"traces": {"receivers": "otlp", "exporters": [1]}, "logs": 3}},
        });
        let wrong: Vec<String> = Config::read(&raw)
            .wrong_types
            .iter()
            .map(|(path, expected)| format!("{path}: {expected}"))
            .collect();
        assert_eq!(
            wrong,
            [
                "receivers: a map",
                "service.pipelines.logs: a map",
                "service.pipelines.traces.receivers: a list of component ids",
                "service.pipelines.traces.exporters[0]: a component id"
            ]
        );
    }
}
