//! Keeps `Instrumentation.status`: what became of the workloads that ask.
//!
//! The leader watches the metadata of pods and folds them into groups as they come and go; nothing of a single pod is kept but its
//! UID. A moment after a change everything is counted anew, and what differs is written, so that at rest nothing happens.
//! What the counts mean is [`inject::summary`]'s business.

mod pods;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::{
    Instrumentation, Settings,
    instrumentation::{API_VERSION, GROUP, KIND, PLURAL, VERSION, status::InstrumentationStatus},
};
use inject::{
    OwnerReference,
    summary::{self, Cluster, PodGroup, Summary},
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::json;
use tracing::{debug, warn};

use self::pods::Pods;
use crate::store::{Store, instrumentation::Entry};

/// Field manager of the status.
const MANAGER: &str = "opentelemetry-operator-status";
/// Changes come in bunches. One count follows a bunch, and there are at least this many seconds between two.
const SETTLE: Duration = Duration::from_secs(2);
/// Pause after a write that failed.
const PAUSE: Duration = Duration::from_secs(10);

/// Namespace and name of an Instrumentation.
type Key = (String, String);

/// Keeps the status of all Instrumentations, for as long as it is polled. `scope` holds the watched namespaces; empty: all.
pub async fn keep(client: Client, store: Arc<Store>, settings: Arc<Settings>, scope: BTreeSet<String>) {
    let pods = Arc::new(Pods::new(scope.len().max(1)));
    let watcher = client.clone();
    let watches = pods::watch(&watcher, &scope, &pods);
    let keeper = Keeper { client, store, settings, pods: pods.clone() };
    tokio::select! {
        () = watches => {}
        () = keeper.work() => {}
    }
}

struct Keeper {
    client: Client,
    store: Arc<Store>,
    settings: Arc<Settings>,
    pods: Arc<Pods>,
}

/// What is known of a written status.
struct Written {
    uid: String,
    status: InstrumentationStatus,
}

impl Keeper {
    async fn work(&self) {
        let mut pods = self.pods.changed();
        let mut instrumentations = self.store.instrumentations.changes();
        let mut namespaces = self.store.namespaces.changes();
        self.store.instrumentations.filled().await;
        self.store.namespaces.filled().await;
        self.store.replica_sets.filled().await;
        self.store.jobs.filled().await;
        self.pods.filled().await;
        let mut written = BTreeMap::<Key, Written>::new();
        loop {
            pods.borrow_and_update();
            instrumentations.borrow_and_update();
            namespaces.borrow_and_update();
            let succeeded = self.pass(&mut written).await;
            tokio::time::sleep(if succeeded { SETTLE } else { PAUSE }).await;
            if !succeeded {
                continue;
            }
            // The senders live as long as the keeper.
            let change = tokio::select! {
                change = pods.changed() => change,
                change = instrumentations.changed() => change,
                change = namespaces.changed() => change,
            };
            if change.is_err() {
                return;
            }
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// Counts, and writes what differs. Returns whether everything that differs was written.
    async fn pass(&self, written: &mut BTreeMap<Key, Written>) -> bool {
        let instrumentations = self.instrumentations();
        written.retain(|key, _| instrumentations.contains_key(key));
        let summaries = self.settings.verdict_annotation.then(|| self.count(&instrumentations));
        let mut succeeded = true;
        for (key, instrumentation) in &instrumentations {
            let summary = summaries.as_ref().and_then(|all| all.get(key));
            if let Err(error) = self.bring_up_to_date(key, instrumentation, summary, written).await {
                warn!(target: "instrumentation-status", namespace = key.0, name = key.1, "the status could not be written, trying again: {error}");
                succeeded = false;
            }
        }
        succeeded
    }

    /// The Instrumentations of the store. One that cannot be understood has no status: the API server would not take it.
    fn instrumentations(&self) -> BTreeMap<Key, Arc<Instrumentation>> {
        let mut found = BTreeMap::new();
        self.store.instrumentations.for_each(|namespace, name, entry| {
            if let Entry::Usable(instrumentation) = entry {
                found.insert((namespace.to_owned(), name.to_owned()), instrumentation.clone());
            }
        });
        found
    }

    fn count(&self, instrumentations: &BTreeMap<Key, Arc<Instrumentation>>) -> BTreeMap<Key, Summary> {
        let groups: Vec<Arc<PodGroup>> = self.pods.groups();
        let namespace = |name: &str| self.store.namespaces.get("", name);
        let owners = |namespace: &str, owner: &OwnerReference| {
            let shelf = if owner.is_job() { &self.store.jobs } else { &self.store.replica_sets };
            shelf.get(namespace, &owner.name).map(|owners| owners.to_vec())
        };
        let cluster =
            Cluster { instrumentations, namespace: &namespace, owners: &owners, settings: &self.settings };
        summary::summarise(groups.iter().map(AsRef::as_ref), &cluster)
    }

    async fn bring_up_to_date(
        &self,
        key: &Key,
        instrumentation: &Instrumentation,
        summary: Option<&Summary>,
        written: &mut BTreeMap<Key, Written>,
    ) -> Result<(), kube::Error> {
        let (namespace, name) = key;
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, KIND), PLURAL);
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &resource);
        let uid = &instrumentation.metadata.uid;
        if written.get(key).is_none_or(|written| written.uid != *uid) {
            let Some(present) = api.get_opt(name).await? else { return Ok(()) };
            let status = present.data.get("status").cloned().unwrap_or_default();
            let status = serde_json::from_value(status).unwrap_or_default();
            written.insert(key.clone(), Written { uid: uid.clone(), status });
        }
        let Some(written) = written.get_mut(key) else { return Ok(()) };
        let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let status = summary::status(summary, instrumentation.metadata.generation, &written.status, &now);
        if status == written.status {
            return Ok(());
        }
        let mut metadata = json!({"name": name, "namespace": namespace});
        if !uid.is_empty() {
            metadata["uid"] = json!(uid);
        }
        let object = json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": status});
        match api.patch_status(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&object)).await {
            Ok(_) => {
                debug!(target: "instrumentation-status", namespace, name, "status written");
                written.status = status;
                Ok(())
            }
            // It is gone, or another of the same name stands in its place: the watch will tell.
            Err(kube::Error::Api(error)) if matches!(error.code, 404 | 409) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
