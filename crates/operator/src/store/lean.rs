//! Kubernetes objects reduced to the metadata that decisions look at, while they are parsed.
//!
//! A Kubernetes object in memory is many times its JSON, and `managedFields` is the biggest part. These types skip
//! it while parsing, and ask the API server for metadata only.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use serde::{Deserialize, Deserializer};

/// The metadata of an object of kind `K`, without managed fields.
pub struct Lean<K> {
    metadata: ObjectMeta,
    kind: PhantomData<fn() -> K>,
}

impl<K> Lean<K> {
    /// The metadata, to be taken apart.
    pub fn into_metadata(self) -> ObjectMeta {
        self.metadata
    }
}

impl<K> Clone for Lean<K> {
    fn clone(&self) -> Self {
        Lean { metadata: self.metadata.clone(), kind: PhantomData }
    }
}

impl<K> fmt::Debug for Lean<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lean").field("metadata", &self.metadata).finish()
    }
}

/// What is kept of `metadata`. A bookmark carries only the resource version, so everything is optional.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LeanMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

impl From<LeanMetadata> for ObjectMeta {
    fn from(lean: LeanMetadata) -> ObjectMeta {
        ObjectMeta {
            name: lean.name,
            namespace: lean.namespace,
            uid: lean.uid,
            resource_version: lean.resource_version,
            generation: lean.generation,
            labels: lean.labels,
            annotations: lean.annotations,
            owner_references: lean.owner_references,
            ..ObjectMeta::default()
        }
    }
}

impl<'de, K> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object {
            #[serde(default)]
            metadata: LeanMetadata,
        }
        let object = Object::deserialize(deserializer)?;
        Ok(Lean { metadata: object.metadata.into(), kind: PhantomData })
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Lean<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind(_: &()) -> Cow<'_, str> {
        K::kind(&())
    }
    fn group(_: &()) -> Cow<'_, str> {
        K::group(&())
    }
    fn version(_: &()) -> Cow<'_, str> {
        K::version(&())
    }
    fn plural(_: &()) -> Cow<'_, str> {
        K::plural(&())
    }
    fn metadata_api() -> bool {
        true
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
    use k8s_openapi::api::apps::v1::ReplicaSet;

    #[test]
    fn managed_fields_are_left_out_and_owners_kept() {
        let text = r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"rs","namespace":"shop",
            "resourceVersion":"7","managedFields":[{"manager":"kubectl"}],
            "ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"u","controller":true}]}}"#;
        let lean: Lean<ReplicaSet> = serde_json::from_str(text).unwrap();
        assert_eq!(lean.metadata.managed_fields, None);
        assert_eq!(lean.metadata.owner_references.as_ref().map(|o| o[0].name.as_str()), Some("web"));
        assert_eq!(
            Lean::<ReplicaSet>::url_path(&(), Some("shop")),
            "/apis/apps/v1/namespaces/shop/replicasets"
        );
    }
}
