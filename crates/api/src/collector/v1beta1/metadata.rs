//! The part of an object's metadata that the engine and the controllers read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::null_is_default;

/// `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Object name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Namespace.
    #[serde(deserialize_with = "null_is_default")]
    pub namespace: String,
    /// Identity that no other object ever has.
    #[serde(deserialize_with = "null_is_default")]
    pub uid: String,
    /// Version of the object in the store, opaque.
    #[serde(deserialize_with = "null_is_default")]
    pub resource_version: String,
    /// Generation of the spec, counted by the API server.
    #[serde(deserialize_with = "null_is_default")]
    pub generation: i64,
    /// Labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// Those who want to act before the object goes.
    #[serde(deserialize_with = "null_is_default")]
    pub finalizers: Vec<String>,
    /// Owners of this object.
    #[serde(deserialize_with = "null_is_default")]
    pub owner_references: Vec<OwnerReference>,
    /// When it was made, RFC 3339.
    pub creation_timestamp: Option<String>,
    /// Since when it is to be deleted, RFC 3339.
    pub deletion_timestamp: Option<String>,
}

/// An entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Identity of the owner.
    pub uid: String,
    /// Whether this owner manages the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Whether the owner stays until this object is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}
