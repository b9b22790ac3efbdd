//! Instrumentations as they come from the API server: one that cannot be understood does not hide the others.

use std::{borrow::Cow, sync::Arc};

use api::Instrumentation;
use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::lean::LeanMetadata;

/// An Instrumentation, read or not.
#[derive(Clone, Debug)]
pub struct Read {
    metadata: ObjectMeta,
    /// The object, or why it cannot be understood.
    pub content: Result<Arc<Instrumentation>, String>,
}

/// What the store keeps of an Instrumentation.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It can be used.
    Usable(Arc<Instrumentation>),
    /// It cannot: name, and why.
    Unreadable(Arc<(String, String)>),
}

impl From<Read> for Entry {
    fn from(read: Read) -> Entry {
        match read.content {
            Ok(object) => Entry::Usable(object),
            Err(why) => Entry::Unreadable(Arc::new((read.metadata.name.unwrap_or_default(), why))),
        }
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        let metadata: LeanMetadata = serde_json::from_value(metadata).map_err(serde::de::Error::custom)?;
        let content = serde_json::from_value(object).map(Arc::new).map_err(|e| e.to_string());
        Ok(Read { metadata: metadata.into(), content })
    }
}

impl Resource for Read {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        api::instrumentation::KIND.into()
    }
    fn group(_: &()) -> Cow<'_, str> {
        api::instrumentation::GROUP.into()
    }
    fn version(_: &()) -> Cow<'_, str> {
        api::instrumentation::VERSION.into()
    }
    fn plural(_: &()) -> Cow<'_, str> {
        api::instrumentation::PLURAL.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_object_is_kept_with_the_reason() {
        let read: Read = serde_json::from_str(
            r#"{"metadata":{"name":"bad","namespace":"shop"},"spec":{"propagators":"b3"}}"#,
        )
        .unwrap();
        assert!(
            matches!(Entry::from(read), Entry::Unreadable(e) if e.0 == "bad" && e.1.contains("sequence"))
        );
    }
}
