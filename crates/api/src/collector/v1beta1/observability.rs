//! How a collector itself is watched: probes and metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::null_is_default;

/// `spec.livenessProbe`, `readinessProbe` and `startupProbe`: the times of a probe; what is asked comes from the
/// health check extension of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Probe {
    /// Seconds before the first try.
    pub initial_delay_seconds: Option<i32>,
    /// Seconds until a try counts as failed.
    pub timeout_seconds: Option<i32>,
    /// Seconds between tries.
    pub period_seconds: Option<i32>,
    /// Tries in a row that make it succeed.
    pub success_threshold: Option<i32>,
    /// Tries in a row that make it fail.
    pub failure_threshold: Option<i32>,
    /// Seconds that the container has for its end after a failure.
    pub termination_grace_period_seconds: Option<i64>,
}

/// `spec.observability`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Observability {
    /// Metrics.
    #[serde(deserialize_with = "null_is_default")]
    pub metrics: Metrics,
}

/// `spec.observability.metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metrics {
    /// Whether there are ServiceMonitors or PodMonitors.
    #[serde(deserialize_with = "null_is_default")]
    pub enable_metrics: bool,
    /// More labels for the ServiceMonitors.
    #[serde(deserialize_with = "null_is_default")]
    pub extra_labels: BTreeMap<String, String>,
    /// Whether pods are left without the `prometheus.io/` annotations.
    #[serde(deserialize_with = "null_is_default")]
    pub disable_prometheus_annotations: bool,
}
