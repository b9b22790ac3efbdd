//! Everything a decision may look at, gathered beforehand by a shell.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::{Instrumentation, Settings, collector::sidecar::Collector, instrumentation::Tls};

use crate::{
    limit_range::LimitRange,
    pod::{OwnerReference, Pod},
    request::{Asked, Request},
};

/// The part of a Namespace that a decision looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub name: String,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Labels (Pod Security levels).
    pub labels: BTreeMap<String, String>,
}

/// Facts about the cluster at the moment of the decision.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The pod's Namespace.
    pub namespace: Arc<Namespace>,
    /// The Instrumentations of [`Needs::instrumentation_namespaces`].
    pub instrumentations: Candidates,
    /// Owners of the pod's owners, by kind and name. A key that is absent was not looked up.
    pub owners: BTreeMap<(String, String), OwnerLookup>,
    /// Whether the Secrets of [`Needs::secrets`] exist in the pod's namespace.
    pub secrets: BTreeMap<String, Existence>,
    /// Whether the ConfigMaps of [`Needs::config_maps`] exist in the pod's namespace.
    pub config_maps: BTreeMap<String, Existence>,
    /// The keys of the ConfigMaps of [`Needs::env_from`].
    pub env_from: BTreeMap<String, BTreeSet<String>>,
    /// The LimitRanges of the pod's namespace.
    pub limit_ranges: Vec<LimitRange>,
    /// The collectors of [`Needs::collector_namespace`].
    pub collectors: Vec<Arc<Collector>>,
    /// Whether the cluster knows init containers that stay, which Kubernetes 1.29 brought.
    pub native_sidecars: bool,
}

/// The Instrumentations that may be chosen.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// All of them, in any order.
    pub objects: Vec<Arc<Instrumentation>>,
    /// Objects that exist but could not be understood: namespace, name, why.
    pub unreadable: Vec<(String, String, String)>,
}

/// What is known of an owner's own owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerLookup {
    /// The object exists; these are its owner references.
    Found(Vec<OwnerReference>),
    /// The object does not exist, or could not be read in time.
    Missing,
}

/// Whether an object exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It does.
    Exists,
    /// The API server said that it does not; its message.
    Missing(String),
    /// It could not be found out in time. Injection goes on (spec 3.5).
    Unknown,
}

/// What must be looked up before [`crate::plan`] can decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Namespaces whose Instrumentations are candidates.
    pub instrumentation_namespaces: BTreeSet<String>,
    /// Owners of the pod whose own owners matter: (`ReplicaSet` or `Job`, name), in the pod's namespace.
    pub owners: BTreeSet<(String, String)>,
    /// Secrets with certificates, in the pod's namespace.
    pub secrets: BTreeSet<String>,
    /// ConfigMaps with a CA certificate, in the pod's namespace.
    pub config_maps: BTreeSet<String>,
    /// ConfigMaps named in `envFrom` of the pod's containers, whose keys matter.
    pub env_from: BTreeSet<String>,
    /// The namespace whose collectors may become the sidecar.
    pub collector_namespace: Option<String>,
}

/// Finds out what must be looked up. Instrumentations come from memory, so they are given already.
pub fn needs(pod: &Pod<'_>, request: &Request, candidates: &Candidates, settings: &Settings) -> Needs {
    let mut needs =
        Needs { instrumentation_namespaces: request.instrumentation_namespaces(), ..Needs::default() };
    for language in &request.languages {
        let Ok(instrumentation) = crate::request::choose(language, request, candidates, settings) else {
            continue;
        };
        if let Some(tls) = &instrumentation.spec.exporter.tls {
            let Tls { secret_name, config_map_name, .. } = tls;
            needs.secrets.extend((!secret_name.is_empty()).then(|| secret_name.clone()));
            needs.config_maps.extend((!config_map_name.is_empty()).then(|| config_map_name.clone()));
        }
    }
    needs.collector_namespace = request.collector_namespace().map(str::to_owned);
    if needs.collector_namespace.is_none()
        && request.languages.iter().all(|l| matches!(l.asked, Asked::Nothing))
    {
        return needs;
    }
    for owner in &pod.metadata.owner_references {
        if owner.is_replica_set() || owner.is_job() {
            needs.owners.insert((owner.kind.clone(), owner.name.clone()));
        }
    }
    for container in pod.all_containers() {
        needs.env_from.extend(container.env_from_config_maps());
    }
    needs
}
