//! `Instrumentation.status`: what the operator found out about the workloads that ask for it.
//!
//! `upgradeBlockedVersions` belongs to the image upgrade and is not part of these types; the two are written by different field
//! managers.

use serde::{Deserialize, Serialize};

/// What the operator found out about the workloads that ask for an Instrumentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct InstrumentationStatus {
    /// Generation of the Instrumentation that the counts were made with.
    pub observed_generation: i64,
    /// [`WORKLOADS_INJECTED`] and [`WORKLOADS_UP_TO_DATE`].
    pub conditions: Vec<Condition>,
    /// Workloads by what became of their pods.
    pub workloads: WorkloadCounts,
    /// The worst reasons, most workloads first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ReasonCount>,
}

/// Condition: whether every workload that asks is injected. Its reason is the worst reason code.
pub const WORKLOADS_INJECTED: &str = "WorkloadsInjected";
/// Condition: whether injected pods have what the Instrumentation says now.
pub const WORKLOADS_UP_TO_DATE: &str = "WorkloadsUpToDate";

/// A condition, as in every Kubernetes object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Generation of the Instrumentation that it is about.
    pub observed_generation: i64,
    /// When `status` changed last, RFC 3339.
    pub last_transition_time: String,
    /// One word for machines.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// Workloads that ask for an Instrumentation, by what became of their pods. Each counts once, with the worst of its pods: failed,
/// missed, outdated, injected. `matched` is the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WorkloadCounts {
    /// Workloads with pods that ask for the Instrumentation.
    pub matched: u32,
    /// All pods are injected and up to date.
    pub injected: u32,
    /// Some pods were injected from an older state of the Instrumentation, or with another version of the agent.
    pub outdated: u32,
    /// Some pods ask and carry no verdict: the operator was not asked when they were created.
    pub missed: u32,
    /// Some pods were declined.
    pub failed: u32,
}

/// One reason, with an example.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReasonCount {
    /// The reason code.
    pub reason: String,
    /// The language; empty when the pod as a whole is concerned.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// How many workloads.
    pub workloads: u32,
    /// What the code means.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// One of the workloads.
    pub example: Example,
}

/// A workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Example {
    /// Namespace.
    pub namespace: String,
    /// Kind, for example `Deployment`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Container, where one is concerned.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container: String,
}
