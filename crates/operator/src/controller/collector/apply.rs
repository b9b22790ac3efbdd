//! One child → the cluster.

use std::hash::{DefaultHasher, Hash, Hasher};

use collector::{Child, label};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use thiserror::Error;

use super::{
    children::{Children, Key, Stored},
    kind::Kind,
    takeover,
};
use crate::controller::compare;

/// Field manager of what we apply.
pub const MANAGER: &str = "opentelemetry-operator-collector";

/// Why a child is not as it should be.
#[derive(Debug, Error)]
pub enum Error {
    /// The API server said no, or nothing.
    #[error("{kind} {name}: {source}")]
    Api {
        /// Kind of the child.
        kind: &'static str,
        /// Name of the child.
        name: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// An object of that name belongs to somebody else (WS5, WS6).
    #[error("{kind} {name} exists and belongs to {owner}; rename the collector or remove that object")]
    Foreign {
        /// Kind of the child.
        kind: &'static str,
        /// Name of the child.
        name: String,
        /// Whose it is.
        owner: String,
    },
}

/// Applies children of one collector.
pub struct Applier<'a> {
    /// The client.
    pub client: &'a Client,
    /// What is there.
    pub children: &'a Children,
    /// UID of the collector.
    pub uid: &'a str,
}

/// Under which key a child is kept.
pub fn key(child: &Child) -> Key {
    (child.namespace().unwrap_or_default().to_owned(), child.kind, child.name.clone())
}

/// A fingerprint of what is wished, for the life of this process.
fn fingerprint(wished: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    wished.to_string().hash(&mut hasher);
    hasher.finish()
}

impl Applier<'_> {
    /// Makes the child as it should be. Whether anything was written.
    ///
    /// # Errors
    /// When it belongs to somebody else, or the API server refuses.
    pub async fn apply(&self, child: &Child) -> Result<bool, Error> {
        let print = fingerprint(&child.object);
        match self.children.get(&key(child)) {
            None => self.create(child, print).await,
            Some(stored) if stored.written == Some(print) => Ok(false),
            Some(stored) => self.update(child, &stored, print).await,
        }
    }

    /// Whether pods of a workload that the Go operator left would restart if it got the wished template. Asked by a dry run, because
    /// only the API server knows which of the fields that the Go operator owns are its own defaults.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn would_restart(&self, wished: &Child, live: &Value) -> Result<bool, Error> {
        let parameters =
            PatchParams { dry_run: true, field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Json::<()>(takeover::template(live, &wished.object));
        let result = self.api(wished).patch(&wished.name, &parameters, &patch).await;
        let result = result.map_err(|source| self.error(wished, source))?;
        Ok(result.data["spec"]["template"] != live["spec"]["template"])
    }

    async fn update(&self, child: &Child, stored: &Stored, print: u64) -> Result<bool, Error> {
        let live = stored.value();
        if let Some(owner) = self.foreign_owner(child, &live) {
            return Err(Error::Foreign { kind: child.kind, name: child.name.clone(), owner });
        }
        let ours = live["metadata"]["managedFields"].as_array().into_iter().flatten();
        let ours = ours.clone().find(|m| m["manager"] == MANAGER && m["operation"] == "Apply");
        let taken = takeover::ownership(&live, MANAGER, child.object["spec"].get("template").is_some());
        if let (Some(ours), None) = (ours, &taken)
            && compare::holds(&live, &child.object)
            && !compare::owns_more(&ours["fieldsV1"], &live, &child.object)
        {
            return Ok(false);
        }
        let api = self.api(child);
        if let Some(patch) = taken {
            let patch = Patch::Json::<()>(patch);
            api.patch(
                &child.name,
                &PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() },
                &patch,
            )
            .await
            .map_err(|source| self.error(child, source))?;
        }
        match api.patch(&child.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&child.object)).await
        {
            Ok(object) => {
                self.children.put(child.kind, object, Some(print));
            }
            Err(error) if child.is_workload() && is_immutable(&error) => {
                // The API server does not change such a field: a new workload takes the old one's place.
                match api.delete(&child.name, &DeleteParams::background()).await {
                    Ok(_) => {}
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    Err(source) => return Err(self.error(child, source)),
                }
                self.children.remove(&key(child));
                return self.create(child, print).await;
            }
            Err(source) => return Err(self.error(child, source)),
        }
        Ok(true)
    }

    /// Makes an object that we do not know of. Without force, so that one of somebody else's is noticed and not written over.
    async fn create(&self, child: &Child, print: u64) -> Result<bool, Error> {
        let api = self.api(child);
        let made = api.patch(&child.name, &PatchParams::apply(MANAGER), &Patch::Apply(&child.object)).await;
        let object = match made {
            Ok(object) => object,
            Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => {
                let live = api.get_opt(&child.name).await.map_err(|source| self.error(child, source))?;
                let Some(live) = live else { return Err(self.error(child, kube::Error::Api(status))) };
                let value = serde_json::to_value(&live).unwrap_or_default();
                if let Some(owner) = self.foreign_owner(child, &value) {
                    return Err(Error::Foreign { kind: child.kind, name: child.name.clone(), owner });
                }
                let force = PatchParams::apply(MANAGER).force();
                api.patch(&child.name, &force, &Patch::Apply(&child.object))
                    .await
                    .map_err(|source| self.error(child, source))?
            }
            Err(source) => return Err(self.error(child, source)),
        };
        self.children.put(child.kind, object, Some(print));
        Ok(true)
    }

    /// Whose object this is, when it is controlled by or labelled for somebody else.
    fn foreign_owner(&self, child: &Child, live: &Value) -> Option<String> {
        let metadata = &live["metadata"];
        let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
        if let Some(owner) = owners.clone().find(|o| o["controller"] == json!(true)) {
            let other = owner["uid"] != self.uid;
            return other.then(|| {
                format!("{} {}", owner["kind"].as_str().unwrap_or("?"), owner["name"].as_str().unwrap_or("?"))
            });
        }
        let labels = &metadata["labels"];
        let managed = labels[label::MANAGED_BY].as_str();
        let instance = labels[label::INSTANCE].as_str();
        match (managed, instance) {
            (Some(label::OPERATOR), Some(instance))
                if child.object["metadata"]["labels"][label::INSTANCE] != instance =>
            {
                Some(format!("collector {instance}"))
            }
            (Some(manager), _) if manager != label::OPERATOR => Some(manager.to_owned()),
            _ => None,
        }
    }

    fn error(&self, child: &Child, source: kube::Error) -> Error {
        Error::Api { kind: child.kind, name: child.name.clone(), source: Box::new(source) }
    }

    fn api(&self, child: &Child) -> Api<DynamicObject> {
        api(self.client, child.kind, child.namespace())
    }
}

/// The client for a kind, in a namespace or in none.
pub fn api(client: &Client, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    #[expect(
        clippy::expect_used,
        reason = "every kind of child is in the table; a test holds the two together"
    )]
    let resource = Kind::of(kind).expect("a kind of the table").resource();
    match namespace.filter(|n| !n.is_empty()) {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Whether the API server refused because a field cannot be changed.
fn is_immutable(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) if status.code == 422 => {
            status.message.contains("immutable") || status.message.contains("updates to statefulset spec")
        }
        _ => false,
    }
}
