//! The fields of `OpenTelemetryCollector` v1beta1, as the engine reads them.
//!
//! `null` and absence mean the same. Embedded Kubernetes types that are only passed on to children stay raw JSON.

mod choice;
mod exposure;
mod metadata;
mod observability;
mod scaling;
mod spec;
mod status;

use serde::{Deserialize, Serialize};

pub use choice::{IngressRuleType, IngressType, ManagementState, Mode, RouteTermination, UpgradeStrategy};
pub use exposure::{HttpRoute, Ingress, IngressTls, NetworkPolicy, Port, Route};
pub use metadata::{Metadata, OwnerReference};
pub use observability::{Metrics, Observability, Probe};
pub use scaling::{Autoscaler, AutoscalerMetric, PodDisruptionBudget};
pub use spec::{ConfigMapMount, OpenTelemetryCollectorSpec, TargetAllocator};
pub use status::{Condition, OpenTelemetryCollectorStatus, Scale};

/// An OpenTelemetryCollector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OpenTelemetryCollector {
    /// Who it is and to whom it belongs.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Metadata,
    /// What is wished.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: OpenTelemetryCollectorSpec,
    /// What there is.
    #[serde(deserialize_with = "null_is_default")]
    pub status: OpenTelemetryCollectorStatus,
}

/// `null` and absence mean the same in the Kubernetes API.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
