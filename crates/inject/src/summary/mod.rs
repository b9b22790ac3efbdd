//! What became of all pods: from their annotations and owners to counts for each Instrumentation.
//!
//! Nothing here looks at a pod's containers: annotations and owners are what metadata-only watches bring, and the verdict annotation
//! holds the rest. The status of Instrumentations and `otel-operator status` are made of it.

mod count;
mod group;
mod status;
mod tally;
#[cfg(test)]
mod tests;

pub use count::{Reasoned, Summary, summarise};
pub use group::{Finding, PodGroup, PodOwner, State, Target, Workload};
pub use status::status;
pub use tally::Tally;

use std::{collections::BTreeMap, sync::Arc};

use api::{Instrumentation, Settings};

use crate::{Namespace, OwnerReference};

/// What the summary is made with, besides the pods.
pub struct Cluster<'a> {
    /// Instrumentations by namespace and name.
    pub instrumentations: &'a BTreeMap<(String, String), Arc<Instrumentation>>,
    /// The Namespace of this name.
    pub namespace: &'a dyn Fn(&str) -> Option<Arc<Namespace>>,
    /// The owners of this ReplicaSet or Job of a namespace; none when it is not known.
    pub owners: &'a dyn Fn(&str, &OwnerReference) -> Option<Vec<OwnerReference>>,
    /// Settings of the operator.
    pub settings: &'a Settings,
}

impl std::fmt::Debug for Cluster<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("instrumentations", &self.instrumentations.len())
            .finish_non_exhaustive()
    }
}
