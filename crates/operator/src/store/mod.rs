//! What the process knows of the cluster, behind small look-ups.
//!
//! Namespaces, Instrumentations, collectors, LimitRanges and the owners of ReplicaSets and Jobs are watched and kept lean. Everything else is
//! asked for by name when a pod needs it, and remembered for some seconds ([`lookup`]).
//!
//! **Invariant:** no Secret is ever listed or watched, and none is read beyond its metadata.

pub mod collector;
pub mod content;
mod gather;
pub mod instrumentation;
pub mod lean;
pub mod lookup;
pub mod reflect;
pub mod shelf;

use std::{collections::BTreeSet, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use api::{Instrumentation, annotation, collector::sidecar::Collector};
use futures::FutureExt;
use inject::{Namespace, OwnerReference, limit_range::LimitRange};
use k8s_openapi::{
    api::{apps::v1::ReplicaSet, batch::v1::Job, core::v1},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Resource};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;
use tracing::error;

use collector::{Collectors, kept};
use content::{Content, Kind};
pub use gather::NamespaceLookup;
use instrumentation::{Entry, Instrumentations};
use lean::Lean;
use lookup::Lookup;
use reflect::{Absence, reflect};
use shelf::Shelf;

/// LimitRanges of Kubernetes.
#[derive(Debug)]
pub enum LimitRanges {}

impl Kind for LimitRanges {
    const GROUP: &'static str = "";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "LimitRange";
    const PLURAL: &'static str = "limitranges";
}

/// The owners of one object.
pub type Owners = Arc<[OwnerReference]>;

/// What the process knows of the cluster.
pub struct Store {
    client: Client,
    /// `--watch-namespace`; empty: all.
    scope: BTreeSet<String>,
    /// Namespaces, with the annotations and labels that injection reads.
    pub namespaces: Arc<Shelf<Arc<Namespace>>>,
    /// Instrumentations.
    pub instrumentations: Arc<Shelf<Entry>>,
    /// Owners of ReplicaSets.
    pub replica_sets: Arc<Shelf<Owners>>,
    /// Owners of Jobs.
    pub jobs: Arc<Shelf<Owners>>,
    /// LimitRanges; ones that cannot be understood are left out.
    pub limit_ranges: Arc<Shelf<Option<Arc<LimitRange>>>>,
    /// Collectors, and what they are as sidecars.
    pub collectors: Arc<Shelf<Arc<Collector>>>,
    collector_settings: Arc<::collector::Settings>,
    /// Whether the cluster knows init containers that stay.
    native: OnceCell<bool>,
    remembered: gather::Remembered,
}

impl Store {
    /// An empty store for these namespaces (all, when empty).
    pub fn new(client: Client, scope: BTreeSet<String>, collector: ::collector::Settings) -> Arc<Self> {
        let watches = scope.len().max(1);
        Arc::new(Store {
            client,
            namespaces: Arc::new(Shelf::new("namespaces", 1)),
            instrumentations: Arc::new(Shelf::new("instrumentations", watches)),
            replica_sets: Arc::new(Shelf::new("replicasets", watches)),
            jobs: Arc::new(Shelf::new("jobs", watches)),
            limit_ranges: Arc::new(Shelf::new("limitranges", watches)),
            collectors: Arc::new(Shelf::new("opentelemetrycollectors", watches)),
            collector_settings: Arc::new(collector),
            native: OnceCell::new(),
            remembered: gather::Remembered::default(),
            scope,
        })
    }

    /// Starts the watches. They run until the tracker's tasks are aborted with the process.
    ///
    /// `instrumentation_crds`: whether Instrumentations are watched at all.
    pub fn watch(&self, tasks: &TaskTracker, instrumentation_crds: bool) {
        let client = &self.client;
        let namespaces = Api::<Lean<v1::Namespace>>::all(client.clone());
        watch(
            tasks,
            reflect(namespaces, None, self.namespaces.clone(), Absence::Error, |n| {
                Arc::new(namespace(n.into_metadata()))
            }),
        );
        let scopes: Vec<Option<String>> =
            if self.scope.is_empty() { vec![None] } else { self.scope.iter().cloned().map(Some).collect() };
        for scope in scopes {
            if instrumentation_crds {
                let api = self.api::<Content<Instrumentations, Instrumentation>>(scope.as_deref());
                watch(
                    tasks,
                    reflect(
                        api,
                        scope.clone(),
                        self.instrumentations.clone(),
                        Absence::NoObjects,
                        Entry::from,
                    ),
                );
            } else {
                self.instrumentations.reported();
            }
            let api = self.api::<Content<Collectors, Value>>(scope.as_deref());
            let settings = self.collector_settings.clone();
            watch(
                tasks,
                reflect(api, scope.clone(), self.collectors.clone(), Absence::NoObjects, move |c| {
                    kept(c, &settings)
                }),
            );
            let api = self.api::<Lean<ReplicaSet>>(scope.as_deref());
            watch(
                tasks,
                reflect(api, scope.clone(), self.replica_sets.clone(), Absence::Error, |o| {
                    owners(o.into_metadata())
                }),
            );
            let api = self.api::<Content<LimitRanges, LimitRange>>(scope.as_deref());
            watch(
                tasks,
                reflect(api, scope.clone(), self.limit_ranges.clone(), Absence::Optional, |o| {
                    o.content.ok().map(Arc::new)
                }),
            );
            let api = self.api::<Lean<Job>>(scope.as_deref());
            watch(
                tasks,
                reflect(api, scope.clone(), self.jobs.clone(), Absence::Error, |o| owners(o.into_metadata())),
            );
        }
    }

    /// The kinds whose objects have not been listed yet.
    pub fn unfilled(&self) -> Vec<&'static str> {
        [
            (self.namespaces.name(), self.namespaces.is_filled()),
            (self.instrumentations.name(), self.instrumentations.is_filled()),
            (self.replica_sets.name(), self.replica_sets.is_filled()),
            (self.jobs.name(), self.jobs.is_filled()),
            (self.limit_ranges.name(), self.limit_ranges.is_filled()),
            (self.collectors.name(), self.collectors.is_filled()),
        ]
        .into_iter()
        .filter_map(|(name, filled)| (!filled).then_some(name))
        .collect()
    }

    /// How many objects of each kind are held.
    pub fn counts(&self) -> [(&'static str, usize); 6] {
        [
            (self.namespaces.name(), self.namespaces.len()),
            (self.instrumentations.name(), self.instrumentations.len()),
            (self.replica_sets.name(), self.replica_sets.len()),
            (self.jobs.name(), self.jobs.len()),
            (self.limit_ranges.name(), self.limit_ranges.len()),
            (self.collectors.name(), self.collectors.len()),
        ]
    }

    /// How long the watch of each kind has been failing; zero when it works.
    pub fn stale(&self) -> [(&'static str, Duration); 5] {
        [
            (self.namespaces.name(), self.namespaces.stale()),
            (self.instrumentations.name(), self.instrumentations.stale()),
            (self.replica_sets.name(), self.replica_sets.stale()),
            (self.jobs.name(), self.jobs.stale()),
            (self.limit_ranges.name(), self.limit_ranges.stale()),
        ]
        .map(|(name, time)| (name, time.unwrap_or_default()))
    }

    /// Whether objects of this namespace are watched.
    pub fn watches(&self, namespace: &str) -> bool {
        self.scope.is_empty() || self.scope.contains(namespace)
    }

    fn api<K>(&self, scope: Option<&str>) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        match scope {
            None => Api::all(self.client.clone()),
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
        }
    }
}

/// Runs a watch. A process whose memory of the cluster stands still would decide wrongly for ever, so a watch that
/// ends by a mistake of ours ends the process, and Kubernetes starts it again.
fn watch(tasks: &TaskTracker, reflect: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(async {
        if AssertUnwindSafe(reflect).catch_unwind().await.is_err() {
            error!(target: "store", "a watch failed by a mistake of the operator; ending, to be started again");
            std::process::exit(1);
        }
    });
}

/// Keeps the annotations and labels of a Namespace that a decision can look at.
fn namespace(metadata: ObjectMeta) -> Namespace {
    let mut annotations = metadata.annotations.unwrap_or_default();
    annotations.retain(|key, _| {
        key.starts_with(annotation::PREFIX)
            || key.starts_with(annotation::RESOURCE_PREFIX)
            || key == annotation::SIDECAR_INJECT
    });
    let mut labels = metadata.labels.unwrap_or_default();
    labels.retain(|key, _| key.starts_with("pod-security.kubernetes.io/"));
    Namespace { name: metadata.name.unwrap_or_default(), annotations, labels }
}

fn owners(metadata: ObjectMeta) -> Owners {
    let references = metadata.owner_references.unwrap_or_default().into_iter();
    references
        .map(|o| OwnerReference {
            api_version: o.api_version,
            kind: o.kind,
            name: o.name,
            uid: o.uid,
            controller: o.controller.unwrap_or_default(),
        })
        .collect()
}
