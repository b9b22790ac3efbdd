//! One line of the recordings.

use std::{collections::BTreeMap, sync::Arc};

use api::Instrumentation;
use inject::{Candidates, Existence, Facts, Namespace, OwnerLookup};
use serde::Deserialize;
use serde_json::{Value, json};

/// What was given to a real API server with the reference behind it, and what came out.
#[derive(Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) input: Input,
    pub(crate) reference: Reference,
}

#[derive(Deserialize)]
pub(crate) struct Input {
    pub(crate) namespace: Value,
    #[serde(default)]
    objects: Vec<Value>,
    pub(crate) pod: Value,
}

#[derive(Deserialize)]
pub(crate) struct Reference {
    /// Instrumentations as stored, or refused; updates behind their first version.
    applied: Vec<Value>,
    pub(crate) pod: Value,
}

/// The recordings, in order.
pub(crate) fn all() -> Vec<Record> {
    let text = include_str!("injection.jsonl");
    text.lines()
        .map(|line| {
            // In what was given a uid reads `@Kind/name`, in what came out `<uid:Kind/name>`.
            let mut record: Value = serde_json::from_str(line).expect("a line is JSON");
            rename_uids(&mut record["input"]);
            serde_json::from_value(record).expect("a line is a record")
        })
        .collect()
}

fn rename_uids(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(uid)) = map.get_mut("uid")
                && let Some(object) = uid.strip_prefix('@')
            {
                *uid = format!("<uid:{object}>");
            }
            map.values_mut().for_each(rename_uids);
        }
        Value::Array(list) => list.iter_mut().for_each(rename_uids),
        _ => {}
    }
}

impl Record {
    pub(crate) fn namespace(&self) -> &str {
        self.input.namespace["name"].as_str().expect("a Namespace has a name")
    }

    /// The facts of the cluster at the time.
    pub(crate) fn facts(&self) -> Facts {
        let map = |field: &str| {
            let entries: Option<BTreeMap<String, String>> =
                serde_json::from_value(self.input.namespace[field].clone()).expect("a map of strings");
            entries.unwrap_or_default()
        };
        let mut facts = Facts {
            namespace: Arc::new(Namespace {
                name: self.namespace().to_owned(),
                annotations: map("annotations"),
                labels: map("labels"),
            }),
            instrumentations: Candidates { objects: self.instrumentations(), unreadable: Vec::new() },
            ..Facts::default()
        };
        for object in &self.input.objects {
            let (kind, name) = (object["kind"].as_str(), object["metadata"]["name"].as_str());
            let (kind, name) =
                (kind.expect("an object has a kind"), name.expect("an object has a name").to_owned());
            match kind {
                "Secret" => drop(facts.secrets.insert(name, Existence::Exists)),
                "ConfigMap" => {
                    let keys = object["data"].as_object().into_iter().flat_map(|data| data.keys().cloned());
                    facts.env_from.insert(name.clone(), keys.collect());
                    facts.config_maps.insert(name, Existence::Exists);
                }
                _ => {
                    let owners =
                        object["metadata"].get("ownerReferences").cloned().unwrap_or_else(|| json!([]));
                    let owners = serde_json::from_value(owners).expect("owner references");
                    facts.owners.insert((kind.to_owned(), name), OwnerLookup::Found(owners));
                }
            }
        }
        facts
    }

    /// The Instrumentations as stored last.
    fn instrumentations(&self) -> Vec<Arc<Instrumentation>> {
        let mut stored: BTreeMap<(String, String), &Value> = BTreeMap::new();
        for applied in &self.reference.applied {
            if let Some(object) = applied.get("object") {
                let field = |name: &str| applied[name].as_str().unwrap_or_default().to_owned();
                stored.insert((field("namespace"), field("name")), object);
            }
        }
        stored
            .into_values()
            .map(|object| {
                Arc::new(
                    serde_json::from_value(object.clone()).expect("a stored Instrumentation is readable"),
                )
            })
            .collect()
    }
}
