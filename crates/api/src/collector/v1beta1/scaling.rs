//! How many collectors there are, and how few there may be.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::null_is_default;

/// `spec.autoscaler`: a HorizontalPodAutoscaler on the custom resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Autoscaler {
    /// Fewest replicas.
    pub min_replicas: Option<i32>,
    /// Most replicas; without it there is no autoscaler.
    pub max_replicas: Option<i32>,
    /// `behavior` of the HorizontalPodAutoscaler, passed on.
    pub behavior: Option<Value>,
    /// Metrics of the pods to scale by.
    #[serde(deserialize_with = "null_is_default")]
    pub metrics: Vec<AutoscalerMetric>,
    /// Wished use of the requested CPU, in per cent.
    #[serde(rename = "targetCPUUtilization")]
    pub target_cpu_utilization: Option<i32>,
    /// Wished use of the requested memory, in per cent.
    pub target_memory_utilization: Option<i32>,
}

/// An entry of `spec.autoscaler.metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AutoscalerMetric {
    /// Kind of the metric; only `Pods` is supported.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
    /// The metric and its target, passed on.
    pub pods: Option<Value>,
}

/// `spec.podDisruptionBudget`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodDisruptionBudget {
    /// Fewest pods that stay, a number or a percentage.
    pub min_available: Option<Value>,
    /// Most pods that go, a number or a percentage.
    pub max_unavailable: Option<Value>,
}
