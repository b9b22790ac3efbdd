//! `spec`, field by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Autoscaler, HttpRoute, Ingress, ManagementState, Mode, NetworkPolicy, Observability, PodDisruptionBudget,
    Port, Probe, UpgradeStrategy, null_is_default,
};

/// `OpenTelemetryCollector.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OpenTelemetryCollectorSpec {
    /// Kind of workload.
    #[serde(deserialize_with = "null_is_default")]
    pub mode: Mode,
    /// Whether the operator acts on the object.
    #[serde(deserialize_with = "null_is_default")]
    pub management_state: ManagementState,
    /// Whether a new version of the operator changes the object.
    #[serde(deserialize_with = "null_is_default")]
    pub upgrade_strategy: UpgradeStrategy,
    /// The collector's configuration, as it was written.
    pub config: Value,
    /// How many old ConfigMaps are kept; none is 3.
    pub config_versions: Option<i32>,

    /// Image; empty is the operator's default.
    #[serde(deserialize_with = "null_is_default")]
    pub image: String,
    /// Pull policy.
    #[serde(deserialize_with = "null_is_default")]
    pub image_pull_policy: String,
    /// Entry point instead of the image's.
    #[serde(deserialize_with = "null_is_default")]
    pub command: Vec<String>,
    /// Flags of the collector, `--key=value`.
    #[serde(deserialize_with = "null_is_default")]
    pub args: BTreeMap<String, String>,
    /// Environment variables, as in a container.
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<Value>,
    /// Sources of environment variables, as in a container.
    #[serde(deserialize_with = "null_is_default")]
    pub env_from: Vec<Value>,
    /// Resource requirements of the container.
    pub resources: Option<Value>,
    /// Security context of the container.
    pub security_context: Option<Value>,
    /// Lifecycle hooks of the container.
    pub lifecycle: Option<Value>,
    /// Times of the liveness probe.
    pub liveness_probe: Option<Probe>,
    /// Times of the readiness probe.
    pub readiness_probe: Option<Probe>,
    /// Times of the startup probe.
    pub startup_probe: Option<Probe>,
    /// Volumes of the pod.
    #[serde(deserialize_with = "null_is_default")]
    pub volumes: Vec<Value>,
    /// Mounts of the container.
    #[serde(deserialize_with = "null_is_default")]
    pub volume_mounts: Vec<Value>,
    /// ConfigMaps that are mounted below `/var/conf`.
    #[serde(deserialize_with = "null_is_default")]
    pub configmaps: Vec<ConfigMapMount>,
    /// Containers that run before the collector.
    #[serde(deserialize_with = "null_is_default")]
    pub init_containers: Vec<Value>,
    /// Containers that run beside the collector.
    #[serde(deserialize_with = "null_is_default")]
    pub additional_containers: Vec<Value>,

    /// Annotations of the pods.
    #[serde(deserialize_with = "null_is_default")]
    pub pod_annotations: BTreeMap<String, String>,
    /// Security context of the pods.
    pub pod_security_context: Option<Value>,
    /// ServiceAccount of the pods; empty is one that the operator makes.
    #[serde(deserialize_with = "null_is_default")]
    pub service_account: String,
    /// Labels of nodes that pods may run on.
    #[serde(deserialize_with = "null_is_default")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that pods tolerate.
    #[serde(deserialize_with = "null_is_default")]
    pub tolerations: Vec<Value>,
    /// Affinity of the pods.
    pub affinity: Option<Value>,
    /// How pods are spread.
    #[serde(deserialize_with = "null_is_default")]
    pub topology_spread_constraints: Vec<Value>,
    /// Priority class of the pods.
    #[serde(deserialize_with = "null_is_default")]
    pub priority_class_name: String,
    /// Seconds that pods have for their end.
    pub termination_grace_period_seconds: Option<i64>,
    /// Whether pods share the node's network.
    #[serde(deserialize_with = "null_is_default")]
    pub host_network: bool,
    /// Whether pods see the node's processes.
    #[serde(rename = "hostPID", deserialize_with = "null_is_default")]
    pub host_pid: bool,
    /// Whether the containers of a pod see each other's processes.
    #[serde(deserialize_with = "null_is_default")]
    pub share_process_namespace: bool,
    /// Whether pods have the node's users; undecided when absent.
    pub host_users: Option<bool>,
    /// Entries of the pods' `/etc/hosts`.
    #[serde(deserialize_with = "null_is_default")]
    pub host_aliases: Vec<Value>,
    /// DNS policy of the pods; empty is derived from `host_network`.
    #[serde(deserialize_with = "null_is_default")]
    pub dns_policy: String,
    /// DNS settings of the pods.
    pub pod_dns_config: Option<Value>,

    /// Pods wished.
    pub replicas: Option<i32>,
    /// Autoscaler.
    pub autoscaler: Option<Autoscaler>,
    /// PodDisruptionBudget.
    pub pod_disruption_budget: Option<PodDisruptionBudget>,
    /// Update strategy of a Deployment.
    pub deployment_update_strategy: Option<Value>,
    /// Update strategy of a DaemonSet.
    pub daemon_set_update_strategy: Option<Value>,
    /// Volume claims of a StatefulSet.
    #[serde(deserialize_with = "null_is_default")]
    pub volume_claim_templates: Vec<Value>,
    /// What becomes of the volume claims of a StatefulSet.
    pub persistent_volume_claim_retention_policy: Option<Value>,
    /// Service name of a StatefulSet.
    #[serde(deserialize_with = "null_is_default")]
    pub service_name: String,
    /// `OrderedReady` or `Parallel`, for a StatefulSet; empty is `Parallel`.
    #[serde(deserialize_with = "null_is_default")]
    pub pod_management_policy: String,

    /// More ports than the configuration tells.
    #[serde(deserialize_with = "null_is_default")]
    pub ports: Vec<Port>,
    /// IP families of the Services.
    #[serde(deserialize_with = "null_is_default")]
    pub ip_families: Vec<String>,
    /// IP family policy of the Services.
    #[serde(deserialize_with = "null_is_default")]
    pub ip_family_policy: String,
    /// Traffic distribution of the Services.
    pub traffic_distribution: Option<String>,
    /// Session affinity of the Services.
    #[serde(deserialize_with = "null_is_default")]
    pub session_affinity: String,
    /// Settings of the session affinity.
    pub session_affinity_config: Option<Value>,
    /// Ingress or Routes.
    #[serde(deserialize_with = "null_is_default")]
    pub ingress: Ingress,
    /// HTTPRoute.
    pub http_route: Option<HttpRoute>,
    /// NetworkPolicy.
    #[serde(deserialize_with = "null_is_default")]
    pub network_policy: NetworkPolicy,

    /// How the collector itself is watched.
    #[serde(deserialize_with = "null_is_default")]
    pub observability: Observability,
    /// Target allocator.
    pub target_allocator: Option<TargetAllocator>,
}

/// An entry of `spec.configmaps`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigMapMount {
    /// Name of the ConfigMap.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Path of the mount, below `/var/conf`.
    #[serde(deserialize_with = "null_is_default")]
    pub mountpath: String,
}

/// `spec.targetAllocator`: whether there is one; the rest is kept as it was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetAllocator {
    /// Whether there is one.
    #[serde(deserialize_with = "null_is_default")]
    pub enabled: bool,
    /// All other fields.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}
