//! One line of the recordings.

use std::collections::BTreeMap;

use collector::build::TARGET_ALLOCATOR_LABEL;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api_server;

/// Children by `Kind/name`.
pub(crate) type Children = BTreeMap<String, Value>;

/// What was given to a real API server with the Go operator behind it, and what came out.
#[derive(Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    input: Input,
    reference: Reference,
}

#[derive(Deserialize)]
struct Input {
    objects: Vec<Value>,
}

#[derive(Deserialize)]
struct Reference {
    kind: String,
    #[serde(flatten)]
    created: State,
    update: Option<State>,
}

/// What was there when everything had come to rest.
#[derive(Clone, Deserialize)]
pub(crate) struct State {
    #[serde(default)]
    stored: BTreeMap<String, Value>,
    #[serde(default)]
    children: Children,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

/// The recordings, in order.
pub(crate) fn all() -> Vec<Record> {
    include_str!("collector.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is a record"))
        .collect()
}

impl Record {
    /// Whether the recording is, from the start, about what this operator does not make yet.
    pub(crate) fn wants_allocator_or_bridge(&self) -> bool {
        self.reference.kind != api::collector::KIND
            || self.input.objects.iter().any(|object| {
                object["spec"]["targetAllocator"]["enabled"] == json!(true)
                    || !object["metadata"]["labels"][TARGET_ALLOCATOR_LABEL].is_null()
            })
    }

    /// The states of the object, each with its name; those that were refused have none.
    pub(crate) fn states(&self) -> Vec<(&'static str, State)> {
        let mut states = Vec::new();
        if !self.reference.created.stored.is_empty() {
            states.push(("create", self.reference.created.clone()));
        }
        if let Some(update) = &self.reference.update
            && !update.stored.is_empty()
        {
            let mut update = update.clone();
            // ConfigMaps of earlier configurations are kept for a while; they are not built again.
            update.children.retain(|name, _| {
                !name.starts_with("ConfigMap/")
                    || !self.reference.created.children.contains_key(name)
                    || update.stored["v1beta1"]["spec"]["config"]
                        == self.reference.created.stored["v1beta1"]["spec"]["config"]
            });
            states.push(("update", update));
        }
        states
    }
}

impl State {
    /// The collector as it is stored, with the metadata that the recorder left out.
    pub(crate) fn stored(&self, namespace: &str) -> Value {
        let mut stored = self.stored["v1beta1"].clone();
        stored["metadata"]["namespace"] = json!(namespace);
        stored["metadata"]["uid"] = json!("<subject>");
        // Differs by run.
        stored["status"] = json!({});
        stored
    }

    /// The status as the Go operator wrote it; `<current>` stands for the generation.
    #[allow(dead_code, reason = "used where collectors are written into a cluster")]
    pub(crate) fn status(&self) -> Value {
        self.stored["v1beta1"]["status"].clone()
    }

    /// The children in the form in which they are compared, with their real hashes.
    pub(crate) fn children(&self) -> Children {
        let mut children = self.objects();
        for (name, object) in &mut children {
            api_server::comparable(name.split('/').next().unwrap_or_default(), object);
        }
        children
    }

    /// The children as they were, with their real hashes.
    pub(crate) fn objects(&self) -> Children {
        let mut children = Children::new();
        for (name, object) in &self.children {
            let mut object = object.clone();
            let annotation = format!("{name} opentelemetry-operator-config/sha256");
            if let Some(hash) = self.hashes.get(&annotation) {
                object["spec"]["template"]["metadata"]["annotations"]["opentelemetry-operator-config/sha256"] =
                    json!(hash);
            }
            let mut text = object.to_string();
            let mut name = name.clone();
            for (placeholder, hash) in &self.hashes {
                if let Some((prefix, _)) = placeholder.split_once("<hash") {
                    let real = format!("{prefix}{hash}");
                    text = text.replace(placeholder, &real);
                    name = name.replace(placeholder, &real);
                }
            }
            children.insert(name, serde_json::from_str(&text).expect("it was JSON"));
        }
        children
    }
}
