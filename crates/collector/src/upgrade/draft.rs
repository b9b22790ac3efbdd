//! The object while the steps change it.

use serde_json::{Map, Value};

use super::Note;
use crate::{
    component::Kind,
    config::{Role, split_id},
};

/// An object under way, and what is to be told about it.
pub(super) struct Draft<'a> {
    object: &'a mut Value,
    pub(super) notes: Vec<Note>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(object: &'a mut Value) -> Self {
        Draft { object, notes: Vec::new() }
    }

    /// `metadata.name`.
    pub(super) fn name(&self) -> String {
        self.object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(Note { warning: false, text: text.into() });
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.notes.push(Note { warning: true, text: text.into() });
    }

    /// The map at a JSON pointer, if it is there.
    pub(super) fn map(&mut self, pointer: &str) -> Option<&mut Map<String, Value>> {
        self.object.pointer_mut(pointer)?.as_object_mut()
    }

    /// The value at a JSON pointer.
    pub(super) fn get(&self, pointer: &str) -> Option<&Value> {
        self.object.pointer(pointer).filter(|value| !value.is_null())
    }

    /// The section of a kind.
    pub(super) fn section(&mut self, kind: Kind) -> Option<&mut Map<String, Value>> {
        self.map(&format!("/spec/config/{}", kind.section()))
    }

    /// The ids in the section of a kind that are of a type, or of one beginning like it.
    pub(super) fn ids(&mut self, kind: Kind, beginning: &str) -> Vec<String> {
        let ids = self.section(kind).into_iter().flat_map(|section| section.keys());
        ids.filter(|id| id.starts_with(beginning)).cloned().collect()
    }

    /// The body of a component, if it is a map.
    pub(super) fn body(&mut self, kind: Kind, id: &str) -> Option<&mut Map<String, Value>> {
        self.section(kind)?.get_mut(id)?.as_object_mut()
    }

    /// The settings of a protocol of the receivers of a type, with the receivers' ids.
    pub(super) fn protocols(
        &mut self,
        receiver: &str,
        protocol: &str,
    ) -> Vec<(String, &mut Map<String, Value>)> {
        let section = self.section(Kind::Receiver).into_iter().flatten();
        section
            .filter(|(id, _)| split_id(id).0 == receiver)
            .filter_map(|(id, body)| {
                Some((id.clone(), body.get_mut("protocols")?.get_mut(protocol)?.as_object_mut()?))
            })
            .collect()
    }

    /// Every list of a role in the pipelines.
    pub(super) fn pipeline_lists(&mut self, role: Role) -> impl Iterator<Item = &mut Vec<Value>> {
        let pipelines = self.map("/spec/config/service/pipelines").into_iter().flatten();
        pipelines.filter_map(move |(_, pipeline)| pipeline.get_mut(role.key())?.as_array_mut())
    }

    /// Takes a collector argument away, with or without the dashes that old objects have in the key.
    pub(super) fn take_argument(&mut self, name: &str) -> Option<String> {
        let args = self.map("/spec/args")?;
        let value = args.remove(&format!("--{name}")).or_else(|| args.remove(name))?;
        if args.is_empty() {
            self.map("/spec")?.remove("args");
        }
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// `service.telemetry.<key>` as a map, made when absent; none when it is something else, or when there is no configuration.
    pub(super) fn telemetry(&mut self, key: &str) -> Option<&mut Map<String, Value>> {
        let mut map = self.map("/spec/config/service")?;
        for key in ["telemetry", key] {
            let value = map.entry(key).or_insert(Value::Null);
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            map = value.as_object_mut()?;
        }
        Some(map)
    }

    /// Whether `service.telemetry.<key>` says anything.
    pub(super) fn has_telemetry(&self, key: &str) -> bool {
        self.get(&format!("/spec/config/service/telemetry/{key}"))
            .is_some_and(|value| value.as_object().is_none_or(|map| !map.is_empty()))
    }

    /// The feature gates of the collector's arguments.
    pub(super) fn feature_gates(&self) -> Vec<String> {
        let gates = self.get("/spec/args/feature-gates").and_then(Value::as_str).unwrap_or_default();
        gates.split(',').filter(|gate| !gate.is_empty()).map(str::to_owned).collect()
    }

    /// Writes the feature gates; none left: no argument.
    pub(super) fn set_feature_gates(&mut self, gates: &[String]) {
        let Some(spec) = self.map("/spec") else { return };
        let args = spec.entry("args").or_insert(Value::Null);
        if args.is_null() {
            *args = Value::Object(Map::new());
        }
        let Some(map) = args.as_object_mut() else { return };
        if gates.is_empty() {
            map.remove("feature-gates");
        } else {
            map.insert("feature-gates".to_owned(), gates.join(",").into());
        }
        if map.is_empty() {
            spec.remove("args");
        }
    }

    /// Switches a gate on or off, unless that was said already.
    pub(super) fn add_feature_gate(&mut self, gate: &str) {
        let mut gates = self.feature_gates();
        if !gates.iter().any(|present| present == gate) {
            gates.push(gate.to_owned());
            self.set_feature_gates(&gates);
        }
    }

    /// Takes exactly this gate away.
    pub(super) fn remove_feature_gate(&mut self, gate: &str) {
        let gates = self.feature_gates();
        let left: Vec<String> = gates.iter().filter(|present| *present != gate).cloned().collect();
        if left.len() != gates.len() {
            self.set_feature_gates(&left);
        }
    }

    /// Whether a Prometheus receiver is defined.
    pub(super) fn has_prometheus_receiver(&mut self) -> bool {
        self.section(Kind::Receiver).is_some_and(|section| section.keys().any(|id| id.contains("prometheus")))
    }
}
