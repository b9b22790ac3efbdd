//! The objects that collectors are made of, as they are in the cluster.
//!
//! They are kept as text: a parsed object takes ten times as much memory, and each is looked at only when its collector is.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::api::DynamicObject;
use serde_json::Value;

use super::{apply::MANAGER, takeover};

/// Namespace (empty for objects of the cluster), kind and name.
pub type Key = (String, &'static str, String);

/// An object in the cluster.
#[derive(Clone, Debug)]
pub struct Stored {
    /// `metadata.resourceVersion`, as a number: newer is larger.
    pub version: u64,
    /// UID of its controller.
    pub controller: Option<String>,
    /// Fingerprint of what was wished when this version was written by us.
    pub written: Option<u64>,
    text: Box<str>,
}

impl Stored {
    /// The object.
    pub fn value(&self) -> Value {
        // The text was written from a value.
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// What other field managers own is the larger part of `managedFields`. All of it is needed only to take the object over from the Go
/// operator.
fn leave_out_what_others_own(metadata: &mut ObjectMeta) {
    let Some(entries) = &mut metadata.managed_fields else { return };
    let is = |name: &str, entry: &ManagedFieldsEntry| entry.manager.as_deref() == Some(name);
    if !entries.iter().any(|entry| is(takeover::REFERENCE, entry) && entry.subresource.is_none()) {
        entries.retain(|entry| is(MANAGER, entry));
    }
}

/// All objects that are labelled as ours.
#[derive(Debug, Default)]
pub struct Children {
    objects: Mutex<BTreeMap<Key, Stored>>,
}

impl Children {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, Stored>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an object, unless this or a newer version of it is kept: then it is no news. `written`: by us, with this fingerprint.
    pub fn put(&self, kind: &'static str, mut object: DynamicObject, written: Option<u64>) -> bool {
        let metadata = &mut object.metadata;
        let version = metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
        let key =
            (metadata.namespace.clone().unwrap_or_default(), kind, metadata.name.clone().unwrap_or_default());
        let is_known = |objects: &mut BTreeMap<Key, Stored>| match objects.get_mut(&key) {
            Some(known) if known.version >= version => {
                // The watch may be sooner with what we wrote ourselves than the answer to the request.
                if known.version == version && written.is_some() {
                    known.written = written;
                }
                true
            }
            _ => false,
        };
        if is_known(&mut self.objects()) {
            return false;
        }
        leave_out_what_others_own(metadata);
        let controller = metadata.owner_references.iter().flatten().find(|o| o.controller == Some(true));
        let controller = controller.map(|o| o.uid.clone());
        let Ok(text) = serde_json::to_string(&object) else { return false };
        let mut objects = self.objects();
        if is_known(&mut objects) {
            return false;
        }
        objects.insert(key, Stored { version, controller, written, text: text.into() });
        true
    }

    /// Forgets an object.
    pub fn remove(&self, key: &Key) {
        self.objects().remove(key);
    }

    /// Forgets the objects of a kind, in a namespace or everywhere, that are not among these.
    pub fn retain(&self, kind: &str, namespace: Option<&str>, listed: &[Key]) {
        self.objects()
            .retain(|key, _| key.1 != kind || namespace.is_some_and(|n| n != key.0) || listed.contains(key));
    }

    /// The object.
    pub fn get(&self, key: &Key) -> Option<Stored> {
        self.objects().get(key).cloned()
    }

    /// The objects of a namespace that this controller owns.
    pub fn owned(&self, namespace: &str, controller: &str) -> Vec<(Key, Stored)> {
        let from = (namespace.to_owned(), "", String::new());
        let objects = self.objects();
        let here = objects.range(from..).take_while(|(key, _)| key.0 == namespace);
        here.filter(|(_, stored)| stored.controller.as_deref() == Some(controller))
            .map(|(key, stored)| (key.clone(), stored.clone()))
            .collect()
    }

    /// The objects that live in no namespace.
    pub fn of_cluster(&self) -> Vec<(Key, Stored)> {
        let objects = self.objects();
        objects.iter().take_while(|(key, _)| key.0.is_empty()).map(|(k, s)| (k.clone(), s.clone())).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.objects().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects().is_empty()
    }
}
