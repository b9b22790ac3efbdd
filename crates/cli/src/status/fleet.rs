//! What is asked of the cluster: the metadata of pods and of what owns them, Instrumentations and Namespaces.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use api::{Instrumentation, Settings};
use inject::{
    Metadata, Namespace, OwnerReference,
    startup::{self, Stuck},
    summary,
};
use serde_json::Value;

use crate::cluster::{Cluster, segment};

/// Pods that have ended ask for nothing any more.
const ALIVE: &str = "fieldSelector=status.phase!%3DSucceeded%2Cstatus.phase!%3DFailed";
/// Those whose init containers have not all come up yet.
const PENDING: &str = "fieldSelector=status.phase%3DPending";

/// Pods and what decides about them.
pub(super) struct Fleet {
    /// Namespace and metadata of every living pod.
    pub pods: Vec<(String, Metadata)>,
    /// Namespace and metadata of the pods that a container of ours keeps from starting, and which.
    pub stuck: Vec<(String, Metadata, Stuck)>,
    instrumentations: BTreeMap<(String, String), Arc<Instrumentation>>,
    namespaces: BTreeMap<String, Arc<Namespace>>,
    owners: BTreeMap<(String, String, String), Vec<OwnerReference>>,
    settings: Settings,
}

impl Fleet {
    /// Asks for a namespace, or for all.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be reached or refuses.
    pub(super) fn read(cluster: &Cluster, namespace: Option<&str>, settings: &Settings) -> Result<Fleet> {
        let scope = match namespace {
            Some(name) => format!("namespaces/{}/", segment(name)?),
            None => String::new(),
        };
        let pods = cluster.metadata(&format!("/api/v1/{scope}pods?{ALIVE}"))?;
        let pods = pods.iter().map(|pod| (text(pod, "namespace"), read(pod))).collect();
        // Few are pending at a time, so these are read whole.
        let stuck = cluster.pages(&format!("/api/v1/{scope}pods?{PENDING}"))?;
        let stuck = stuck
            .iter()
            .filter_map(|pod| startup::stuck(pod).map(|stuck| (text(pod, "namespace"), read(pod), stuck)));
        let stuck = stuck.collect();
        let mut owners = BTreeMap::new();
        for (group, resource, kind) in [("apps/v1", "replicasets", "ReplicaSet"), ("batch/v1", "jobs", "Job")]
        {
            for object in cluster.metadata(&format!("/apis/{group}/{scope}{resource}"))? {
                let key = (text(&object, "namespace"), kind.to_owned(), text(&object, "name"));
                owners.insert(key, read(&object).owner_references);
            }
        }
        let namespaces = match namespace {
            // Somebody may be allowed to see this one and not the list.
            Some(name) => {
                cluster.get(&format!("/api/v1/namespaces/{name}"))?.as_deref().cloned().into_iter().collect()
            }
            None => cluster.pages("/api/v1/namespaces")?,
        };
        let namespaces = namespaces.iter().map(|object| {
            let Metadata { name, annotations, labels, .. } = read(object);
            let texts =
                |texts: inject::pod::Texts| texts.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            let (annotations, labels) = (texts(annotations), texts(labels));
            (name.clone(), Arc::new(Namespace { name, annotations, labels }))
        });
        let namespaces = namespaces.collect();
        let all = "/apis/opentelemetry.io/v1alpha1/instrumentations";
        let instrumentations = cluster.pages(all).or_else(|_| {
            cluster.pages(&format!("/apis/opentelemetry.io/v1alpha1/{scope}instrumentations"))
        })?;
        // One that cannot be understood cannot have been injected.
        let instrumentations = instrumentations
            .into_iter()
            .filter_map(|object| serde_json::from_value::<Instrumentation>(object).ok())
            .map(|object| {
                ((object.metadata.namespace.clone(), object.metadata.name.clone()), Arc::new(object))
            })
            .collect();
        Ok(Fleet { pods, stuck, instrumentations, namespaces, owners, settings: settings.clone() })
    }

    /// Lets a function see it as the engine does.
    pub(super) fn with<T>(&self, look: impl FnOnce(&summary::Cluster<'_>) -> T) -> T {
        let namespace = |name: &str| self.namespaces.get(name).cloned();
        let owners = |namespace: &str, owner: &OwnerReference| {
            self.owners.get(&(namespace.to_owned(), owner.kind.clone(), owner.name.clone())).cloned()
        };
        look(&summary::Cluster {
            instrumentations: &self.instrumentations,
            namespace: &namespace,
            owners: &owners,
            settings: &self.settings,
        })
    }
}

fn text(object: &Value, field: &str) -> String {
    object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn read(object: &Value) -> Metadata {
    serde_json::from_value(object.get("metadata").cloned().unwrap_or_default()).unwrap_or_default()
}
