//! The objects that should exist for a collector, one file for each kind (collector.md 11).
//!
//! To add one: a file with `add`, and its line in [`IN_ORDER`].

use serde_json::Value;

use crate::{build::Built, context::Context, object::Fields};

mod cluster_role;
mod cluster_role_binding;
mod config_map;
mod daemon_set;
mod deployment;
mod horizontal_pod_autoscaler;
mod http_route;
mod ingress;
mod network_policy;
mod pod_disruption_budget;
mod pod_monitor;
mod route;
pub(crate) mod service;
mod service_account;
mod service_monitor;
mod stateful_set;

pub(crate) use config_map::KEY as CONFIG_KEY;

/// All kinds, in the order in which they are applied: pods find what they need when they start.
pub(crate) const IN_ORDER: [fn(&Context<'_>, &mut Built); 16] = [
    config_map::add,
    service_account::add,
    cluster_role::add,
    cluster_role_binding::add,
    service::add,
    network_policy::add,
    pod_disruption_budget::add,
    horizontal_pod_autoscaler::add,
    ingress::add,
    route::add,
    http_route::add,
    service_monitor::add,
    pod_monitor::add,
    deployment::add,
    stateful_set::add,
    daemon_set::add,
];

/// An object that should exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// `apiVersion`.
    pub api_version: &'static str,
    /// `kind`.
    pub kind: &'static str,
    /// Where it lives.
    pub scope: Scope,
    /// `metadata.name`.
    pub name: String,
    /// The object for server-side apply: every field that we own, and no other.
    pub object: Value,
}

/// Where an object lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In this namespace; it is owned by the collector and goes with it.
    Namespaced(String),
    /// In no namespace; the collector's finalizer takes it away.
    Cluster,
}

impl Child {
    pub(crate) fn new(
        api_version: &'static str,
        kind: &'static str,
        scope: Scope,
        name: String,
        metadata: Fields,
        mut body: Fields,
    ) -> Self {
        body.set("apiVersion", api_version);
        body.set("kind", kind);
        body.set("metadata", metadata);
        Child { api_version, kind, scope, name, object: body.into() }
    }

    /// Whether it is the Deployment, DaemonSet or StatefulSet.
    pub fn is_workload(&self) -> bool {
        self.api_version == "apps/v1"
    }

    /// `metadata.namespace`; none for objects of the cluster.
    pub fn namespace(&self) -> Option<&str> {
        match &self.scope {
            Scope::Namespaced(namespace) => Some(namespace),
            Scope::Cluster => None,
        }
    }
}
