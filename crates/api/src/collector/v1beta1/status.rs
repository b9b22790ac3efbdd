//! What the operator says about a collector. It is written as it stands here, so absent values are left out.

use serde::{Deserialize, Serialize};

use super::null_is_default;

/// `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OpenTelemetryCollectorStatus {
    /// Replicas, for the scale subresource.
    #[serde(deserialize_with = "null_is_default")]
    pub scale: Scale,
    /// Version of the operator that the object was brought up to.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub version: String,
    /// Image of the running workload.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub image: String,
    /// Generation that the rest of the status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, one of each type.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub conditions: Vec<Condition>,
}

/// `status.scale`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Scale {
    /// Selector of the pods in its text form.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub selector: String,
    /// Pods of the workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// `<ready>/<all>`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub status_replicas: String,
}

/// An entry of `status.conditions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, for example `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word for the cause.
    pub reason: String,
    /// A sentence.
    #[serde(deserialize_with = "null_is_default")]
    pub message: String,
    /// When `status` last changed, RFC 3339.
    pub last_transition_time: String,
    /// Generation that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
