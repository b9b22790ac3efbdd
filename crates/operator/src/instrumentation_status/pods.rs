//! The metadata of all pods, folded into groups.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, future::join_all, pin_mut};
use inject::{
    Metadata, OwnerReference,
    summary::{PodGroup, Tally},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    runtime::watcher::{self, Event},
};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::store::{lean::Lean, reflect};

/// Pauses between attempts to list or watch.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Pods in groups, by watch.
#[derive(Debug)]
pub(super) struct Pods {
    /// One for each watch; none until it has listed once.
    tallies: Vec<Mutex<Option<Tally>>>,
    changes: watch::Sender<u64>,
}

impl Pods {
    /// None yet, from this many watches.
    pub(super) fn new(watches: usize) -> Pods {
        Pods {
            tallies: std::iter::repeat_with(|| Mutex::new(None)).take(watches).collect(),
            changes: watch::Sender::new(0),
        }
    }

    /// Tells of changes.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until every watch has listed once.
    pub(super) async fn filled(&self) {
        let is_filled = |_: &u64| self.tallies.iter().all(|tally| lock(tally).is_some());
        // An error means that the sender is gone, and the sender is part of self.
        let _ = self.changes.subscribe().wait_for(is_filled).await;
    }

    /// The groups that have pods.
    pub(super) fn groups(&self) -> Vec<Arc<PodGroup>> {
        let mut groups = Vec::new();
        for tally in &self.tallies {
            groups.extend(lock(tally).iter().flat_map(Tally::groups).map(|(group, _)| group.clone()));
        }
        groups
    }

    fn change(&self, watch: usize, change: impl FnOnce(&mut Tally) -> bool) {
        let changed = self.tallies.get(watch).is_some_and(|tally| lock(tally).as_mut().is_some_and(change));
        if changed {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }
}

// A panic while the lock is held cannot leave a tally half changed in a way that matters: the next list makes it anew.
fn lock(tally: &Mutex<Option<Tally>>) -> std::sync::MutexGuard<'_, Option<Tally>> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the pods up to date. Never returns.
pub(super) async fn watch(client: &Client, scope: &BTreeSet<String>, pods: &Arc<Pods>) {
    let apis: Vec<Api<Lean<Pod>>> = if scope.is_empty() {
        vec![Api::all(client.clone())]
    } else {
        scope.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect()
    };
    join_all(apis.into_iter().enumerate().map(|(number, api)| watch_one(api, number, pods))).await;
}

async fn watch_one(api: Api<Lean<Pod>>, number: usize, pods: &Pods) {
    let events = watcher::watcher(api, watcher::Config::default());
    pin_mut!(events);
    let mut listed = Tally::default();
    let mut complaint = String::new();
    let mut pause = Duration::from_millis(200);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = Tally::default(),
            Ok(Event::InitApply(pod)) => {
                let (uid, group) = of(pod);
                listed.put(&uid, group);
            }
            Ok(Event::InitDone) => {
                if let Some(tally) = pods.tallies.get(number) {
                    *lock(tally) = Some(std::mem::take(&mut listed));
                }
                pods.changes.send_modify(|changes| *changes += 1);
                reflect::give_memory_back();
                if !std::mem::take(&mut complaint).is_empty() {
                    info!(target: "instrumentation-status", "listing pods works again");
                }
                pause = Duration::from_millis(200);
            }
            Ok(Event::Apply(pod)) => {
                let (uid, group) = of(pod);
                pods.change(number, |tally| tally.put(&uid, group));
            }
            Ok(Event::Delete(pod)) => {
                let uid = pod.uid().unwrap_or_default();
                pods.change(number, |tally| tally.remove(&uid));
            }
            Err(error) => {
                // The same complaint is made once. A watch whose place in history is gone lists again, which is no news.
                let text = error.to_string();
                if text != complaint && !reflect::is_routine(&error) {
                    warn!(target: "instrumentation-status", "pods cannot be watched, so the status of Instrumentations stands still: {text}");
                    complaint = text;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// A pod's UID and group.
fn of(pod: Lean<Pod>) -> (String, PodGroup) {
    let metadata = pod.into_metadata();
    let owners = metadata.owner_references.unwrap_or_default();
    let slim = Metadata {
        name: metadata.name.unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default().into(),
        annotations: metadata.annotations.unwrap_or_default().into(),
        owner_references: owners
            .into_iter()
            .map(|o| OwnerReference {
                api_version: o.api_version,
                kind: o.kind,
                name: o.name,
                uid: o.uid,
                controller: o.controller.unwrap_or_default(),
            })
            .collect(),
        ..Metadata::default()
    };
    let namespace = metadata.namespace.unwrap_or_default();
    (metadata.uid.unwrap_or_default(), PodGroup::of(&namespace, &slim))
}
