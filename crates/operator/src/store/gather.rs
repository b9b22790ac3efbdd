//! Collecting the facts of one decision: from memory where possible, by name from the API server where not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::{Instrumentation, Settings};
use futures::future::{join_all, join3, join4};
use inject::{
    Candidates, Existence, Facts, Namespace, Needs, OwnerLookup, OwnerReference, Reason, Request,
    limit_range::LimitRange, request::choose,
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{apps::v1::ReplicaSet, batch::v1::Job, core::v1},
};
use kube::{
    Api, Resource,
    api::{GetParams, ListParams},
};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Content, Entry, Instrumentations, Lean, Lookup, Owners, Store, lookup::PATIENCE, namespace, owners,
};

/// Answers remembered for some seconds.
#[derive(Default)]
pub(super) struct Remembered {
    secrets: Lookup<Existence>,
    config_maps: Lookup<Existence>,
    env_from: Lookup<Option<Arc<BTreeSet<String>>>>,
    replica_sets: Lookup<Option<Owners>>,
    jobs: Lookup<Option<Owners>>,
}

/// The Namespace of a pod.
#[derive(Clone, Debug)]
pub enum NamespaceLookup {
    /// Known.
    Found(Arc<Namespace>),
    /// Not known, and why.
    Unreadable(String),
}

/// How long the question for Instrumentations may take. Longer than others: without the answer the pod stays without its agent.
const LAST_CHANCE: Duration = Duration::from_millis(300);

impl Store {
    /// The Namespace: from memory, or from the API server when it was created just now.
    pub async fn namespace(&self, name: &str) -> NamespaceLookup {
        self.namespaces.filled().await;
        if let Some(found) = self.namespaces.get("", name) {
            return NamespaceLookup::Found(found);
        }
        let api = Api::<Lean<v1::Namespace>>::all(self.client.clone());
        match tokio::time::timeout(PATIENCE, api.get(name)).await {
            Ok(Ok(found)) => NamespaceLookup::Found(Arc::new(namespace(found.into_metadata()))),
            Ok(Err(kube::Error::Api(status))) => NamespaceLookup::Unreadable(status.message.clone()),
            Ok(Err(error)) => NamespaceLookup::Unreadable(error.to_string()),
            Err(_) => NamespaceLookup::Unreadable(format!(
                "namespaces \"{name}\": no answer from the API server in time"
            )),
        }
    }

    /// The Instrumentations that the request may mean: those in memory, or those of the API server where memory has
    /// none that fits. An Instrumentation and a workload are often applied in one go, and the watch takes a moment.
    pub async fn candidates(&self, request: &Request, settings: &Settings) -> Candidates {
        self.instrumentations.filled().await;
        let mut namespaces = request.instrumentation_namespaces();
        namespaces.retain(|namespace| self.watches(namespace));
        let mut held = Candidates::default();
        for namespace in &namespaces {
            add(&mut held, namespace, self.instrumentations.in_namespace(namespace));
        }
        let missing = request.languages.iter().any(|language| {
            let chosen = choose(language, request, &held, settings);
            chosen.is_err_and(|no| {
                matches!(no.reason, Reason::NoInstrumentation | Reason::InstrumentationNotFound)
            })
        });
        if !missing || !settings.instrumentation_crds {
            return held;
        }
        // Not remembered: an answer from before the object was made is the very thing to be avoided. It costs one list for
        // each pod that would be declined otherwise.
        let asked = namespaces.iter().map(|namespace| self.list_instrumentations(namespace));
        let Some(answers) = join_all(asked).await.into_iter().collect::<Option<Vec<_>>>() else {
            return held;
        };
        let mut fresh = Candidates::default();
        for (namespace, entries) in namespaces.iter().zip(answers) {
            add(&mut fresh, namespace, entries);
        }
        fresh
    }

    async fn list_instrumentations(&self, namespace: &str) -> Option<Vec<Entry>> {
        let api =
            Api::<Content<Instrumentations, Instrumentation>>::namespaced(self.client.clone(), namespace);
        let list = tokio::time::timeout(LAST_CHANCE, api.list(&ListParams::default())).await.ok()?.ok()?;
        Some(list.items.into_iter().map(Entry::from).collect())
    }

    /// Everything else that is needed, asked for all at once.
    pub async fn facts(
        &self,
        namespace: Arc<Namespace>,
        request: &Request,
        instrumentations: Candidates,
        needs: &Needs,
    ) -> Facts {
        let name = namespace.name.as_str();
        let looked_up = join4(
            join_all(needs.owners.iter().map(|(kind, owner)| self.owner(name, kind, owner))),
            join_all(needs.secrets.iter().map(|secret| self.secret(name, secret))),
            join_all(needs.config_maps.iter().map(|map| self.config_map(name, map))),
            join_all(needs.env_from.iter().map(|map| self.env_from(name, map))),
        );
        let ((owners, secrets, config_maps, env_from), collectors, native_sidecars) =
            join3(looked_up, self.sidecars(request), self.native_sidecars(request)).await;
        self.limit_ranges.filled().await;
        let limit_ranges = self.limit_ranges.in_namespace(name).into_iter().flatten();
        Facts {
            limit_ranges: limit_ranges.map(|range| LimitRange::clone(&range)).collect(),
            instrumentations,
            owners: needs.owners.iter().cloned().zip(owners).collect(),
            secrets: needs.secrets.iter().cloned().zip(secrets).collect(),
            config_maps: needs.config_maps.iter().cloned().zip(config_maps).collect(),
            env_from: env_from.into_iter().flatten().collect(),
            collectors,
            native_sidecars,
            namespace,
        }
    }

    /// The owners of a ReplicaSet or Job: from memory, or from the API server when it was created just now.
    pub async fn owner(&self, namespace: &str, kind: &str, name: &str) -> OwnerLookup {
        let (shelf, remembered) = match kind {
            "ReplicaSet" => (&self.replica_sets, &self.remembered.replica_sets),
            _ => (&self.jobs, &self.remembered.jobs),
        };
        if let Some(owners) = shelf.get(namespace, name) {
            return found(&owners);
        }
        let answer = match kind {
            "ReplicaSet" => {
                remembered.get(namespace, name, || self.ask_owners::<ReplicaSet>(namespace, name)).await
            }
            _ => remembered.get(namespace, name, || self.ask_owners::<Job>(namespace, name)).await,
        };
        answer.flatten().map_or(OwnerLookup::Missing, |owners| found(&owners))
    }

    async fn ask_owners<K>(&self, namespace: &str, name: &str) -> Option<Option<Owners>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let api = Api::<Lean<K>>::namespaced(self.client.clone(), namespace);
        match api.get_opt(name).await {
            Ok(answer) => Some(answer.map(|object| owners(object.into_metadata()))),
            Err(_) => None,
        }
    }

    async fn secret(&self, namespace: &str, name: &str) -> Existence {
        let ask = || self.exists::<v1::Secret>(namespace, name);
        self.remembered.secrets.get(namespace, name, ask).await.unwrap_or(Existence::Unknown)
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Existence {
        let ask = || self.exists::<v1::ConfigMap>(namespace, name);
        self.remembered.config_maps.get(namespace, name, ask).await.unwrap_or(Existence::Unknown)
    }

    /// Only a definite "not found" counts as missing.
    async fn exists<K>(&self, namespace: &str, name: &str) -> Option<Existence>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let api = Api::<Lean<K>>::namespaced(self.client.clone(), namespace);
        match api.get(name).await {
            Ok(_) => Some(Existence::Exists),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                Some(Existence::Missing(status.message.clone()))
            }
            Err(_) => None,
        }
    }

    async fn env_from(&self, namespace: &str, name: &str) -> Option<(String, BTreeSet<String>)> {
        let ask = || async {
            let path = v1::ConfigMap::url_path(&(), Some(namespace));
            let request = kube::core::Request::new(path).get(name, &GetParams::default()).ok()?;
            match self.client.request::<Keys>(request).await {
                Ok(keys) => Some(Some(Arc::new(keys.data.into_keys().collect()))),
                Err(kube::Error::Api(status)) if status.code == 404 => Some(None),
                Err(_) => None,
            }
        };
        let keys = self.remembered.env_from.get(namespace, name, ask).await.flatten()?;
        Some((name.to_owned(), BTreeSet::clone(&keys)))
    }
}

fn add(candidates: &mut Candidates, namespace: &str, entries: impl IntoIterator<Item = Entry>) {
    for entry in entries {
        match entry {
            Entry::Usable(object) => candidates.objects.push(object),
            Entry::Unreadable(bad) => {
                candidates.unreadable.push((namespace.to_owned(), bad.0.clone(), bad.1.clone()));
            }
        }
    }
}

/// A ConfigMap of which only the keys are read.
#[derive(Deserialize)]
struct Keys {
    #[serde(default)]
    data: BTreeMap<String, IgnoredAny>,
}

fn found(owners: &Owners) -> OwnerLookup {
    OwnerLookup::Found(owners.iter().cloned().collect::<Vec<OwnerReference>>())
}
