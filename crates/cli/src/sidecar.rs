//! Collectors that pods may ask for as sidecars: those of the files as the webhooks would have them stored, and those of the
//! cluster.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use api::collector::{
    OLD_API_VERSION,
    conversion::to_v1beta1,
    sidecar::{Collector, MODE},
};
use collector::{admission, sidecar::offered};
use inject::Request;
use serde_json::Value;

use crate::cluster::{self, Cluster};

/// The collectors that are known.
pub(crate) struct Sidecars {
    settings: admission::Settings,
    of_files: BTreeMap<(String, String), Arc<Collector>>,
}

impl Sidecars {
    /// None yet.
    pub(crate) fn new(settings: admission::Settings) -> Sidecars {
        Sidecars { settings, of_files: BTreeMap::new() }
    }

    /// Adds a collector of a file, of either version.
    ///
    /// # Errors
    ///
    /// What the webhook would refuse it for.
    pub(crate) fn add(&mut self, value: &Value, namespace: &str) -> Result<(), String> {
        let mut object =
            if value["apiVersion"] == OLD_API_VERSION { to_v1beta1(value) } else { value.clone() };
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        let defaulted = admission::default(&object, None, &self.settings);
        json_patch::patch(&mut object, &defaulted.patch).map_err(|error| error.to_string())?;
        let collector = offered(&object, &self.settings.collector);
        self.of_files.insert((namespace.to_owned(), collector.name.clone()), Arc::new(collector));
        defaulted.error.map_or(Ok(()), Err)
    }

    /// Those that the request may mean. One of the files wins over one of the cluster.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be asked.
    pub(crate) fn find(&self, request: &Request, cluster: Option<&Cluster>) -> Result<Vec<Arc<Collector>>> {
        let Some(namespace) = request.collector_namespace() else { return Ok(Vec::new()) };
        let mut found = BTreeMap::new();
        for object in in_cluster(cluster, namespace)? {
            let collector = offered(&object, &self.settings.collector);
            found.insert(collector.name.clone(), Arc::new(collector));
        }
        let of_files = self.of_files.iter().filter(|((of, _), _)| of == namespace);
        found.extend(of_files.map(|((_, name), collector)| (name.clone(), collector.clone())));
        Ok(found.into_values().collect())
    }

    /// Namespace and name of every collector in sidecar mode that can be seen, in any namespace.
    pub(crate) fn all(&self, cluster: Option<&Cluster>) -> Vec<(String, String)> {
        let of_files = self.of_files.values().map(|c| (c.namespace.clone(), c.name.clone(), c.mode.clone()));
        let mut all: Vec<_> = of_files.collect();
        if let Some(cluster) = cluster {
            // Somebody who may not see other namespaces gets no hint about them.
            let list =
                cluster.list("/apis/opentelemetry.io/v1beta1/opentelemetrycollectors").unwrap_or_default();
            all.extend(list.iter().map(|object| {
                let collector = offered(object, &self.settings.collector);
                (collector.namespace, collector.name, collector.mode)
            }));
        }
        all.sort();
        all.dedup();
        all.into_iter()
            .filter(|(.., mode)| mode == MODE)
            .map(|(namespace, name, _)| (namespace, name))
            .collect()
    }
}

/// The collectors of a namespace in the cluster, as they are stored.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(crate) fn in_cluster(cluster: Option<&Cluster>, namespace: &str) -> Result<Vec<Value>> {
    let Some(cluster) = cluster else { return Ok(Vec::new()) };
    let namespace = cluster::segment(namespace)?;
    cluster.list(&format!("/apis/opentelemetry.io/v1beta1/namespaces/{namespace}/opentelemetrycollectors"))
}

/// Whether the cluster knows init containers that stay. Without a cluster it does: every Kubernetes that is still maintained
/// knows them.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(crate) fn native(cluster: Option<&Cluster>) -> Result<bool> {
    let Some(version) = cluster.map(|cluster| cluster.get("/version")).transpose()?.flatten() else {
        return Ok(true);
    };
    Ok(operator::store::collector::is_native(
        version["major"].as_str().unwrap_or_default(),
        version["minor"].as_str().unwrap_or_default(),
    ))
}
