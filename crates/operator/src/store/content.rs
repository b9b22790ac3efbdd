//! Objects of which more than the metadata is read: one that cannot be understood does not hide the others.

use std::{borrow::Cow, fmt, marker::PhantomData};

use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::lean::LeanMetadata;

/// The names of a namespaced kind.
pub trait Kind: 'static {
    /// API group.
    const GROUP: &'static str;
    /// Version.
    const VERSION: &'static str;
    /// Kind.
    const KIND: &'static str;
    /// Plural, as in URLs.
    const PLURAL: &'static str;
}

/// An object of kind `K`, read as a `T`, or not.
pub struct Content<K, T> {
    metadata: ObjectMeta,
    /// The object, or why it cannot be understood.
    pub content: Result<T, String>,
    kind: PhantomData<fn() -> K>,
}

impl<K, T> Content<K, T> {
    /// The object's name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }
}

impl<K, T: Clone> Clone for Content<K, T> {
    fn clone(&self) -> Self {
        Content { metadata: self.metadata.clone(), content: self.content.clone(), kind: PhantomData }
    }
}

impl<K, T: fmt::Debug> fmt::Debug for Content<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("metadata", &self.metadata).field("content", &self.content).finish()
    }
}

impl<'de, K, T: DeserializeOwned> Deserialize<'de> for Content<K, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        let metadata: LeanMetadata = serde_json::from_value(metadata).map_err(serde::de::Error::custom)?;
        let content = serde_json::from_value(object).map_err(|e| e.to_string());
        Ok(Content { metadata: metadata.into(), content, kind: PhantomData })
    }
}

impl<K: Kind, T> Resource for Content<K, T> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        K::KIND.into()
    }
    fn group((): &()) -> Cow<'_, str> {
        K::GROUP.into()
    }
    fn version((): &()) -> Cow<'_, str> {
        K::VERSION.into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        K::PLURAL.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
