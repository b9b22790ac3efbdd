//! The watches behind the controller.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use collector::{Available, label};
use futures::{StreamExt, pin_mut};
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::{
    Collectors, Name, SETTLE,
    apply::api,
    children::{Children, Key},
    collectors,
    kind::{KINDS, Kind},
};
use crate::{controller::queue::Queue, store::reflect::give_memory_back};

/// Starts all watches; the number of those that have not listed their objects yet.
pub(super) fn start(
    client: &Client,
    scope: &BTreeSet<String>,
    queue: &Arc<Queue<Name>>,
    known: &Arc<Collectors>,
    children: &Arc<Children>,
    available: &watch::Receiver<Option<Available>>,
    tasks: &TaskTracker,
) -> watch::Receiver<usize> {
    let scopes: Vec<Option<String>> =
        if scope.is_empty() { vec![None] } else { scope.iter().cloned().map(Some).collect() };
    // Collectors, and what the cluster offers, and the kinds that every cluster has; optional kinds count once they are there.
    let required: Vec<&Kind> = KINDS.iter().filter(|k| (k.is_available)(&Available::default())).collect();
    let missing = Arc::new(watch::Sender::new(scopes.len() * (1 + required.len()) + 1));
    for scope in &scopes {
        let api = collectors(client, scope.as_deref());
        tasks.spawn(watch_collectors(api, queue.clone(), known.clone(), missing.clone()));
    }
    for kind in KINDS.iter() {
        let optional = !(kind.is_available)(&Available::default());
        let scopes = if kind.cluster { vec![None] } else { scopes.clone() };
        for scope in scopes {
            let api = api(client, kind.kind, scope.as_deref());
            let watch = Watch { kind, scope, queue: queue.clone(), children: children.clone() };
            let missing = (!optional).then(|| missing.clone());
            let mut available = available.clone();
            tasks.spawn(async move {
                let there = |a: &Option<Available>| a.as_ref().is_some_and(|a| (kind.is_available)(a));
                if !optional || available.wait_for(there).await.is_ok() {
                    watch.run(api, missing).await;
                }
            });
        }
    }
    tasks.spawn(look_at_all_when_it_changes(
        available.clone(),
        queue.clone(),
        known.clone(),
        missing.clone(),
    ));
    missing.subscribe()
}

fn one_less(missing: &watch::Sender<usize>) {
    missing.send_modify(|missing| *missing = missing.saturating_sub(1));
}

/// What the cluster offers decides what collectors are made of.
async fn look_at_all_when_it_changes(
    mut available: watch::Receiver<Option<Available>>,
    queue: Arc<Queue<Name>>,
    known: Arc<Collectors>,
    missing: Arc<watch::Sender<usize>>,
) {
    if available.wait_for(Option::is_some).await.is_ok() {
        one_less(&missing);
    }
    while available.changed().await.is_ok() {
        for name in known.names() {
            queue.add(name, SETTLE);
        }
    }
}

async fn watch_collectors(
    api: Api<DynamicObject>,
    queue: Arc<Queue<Name>>,
    known: Arc<Collectors>,
    missing: Arc<watch::Sender<usize>>,
) {
    let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
    pin_mut!(events);
    let mut listed: Option<BTreeSet<Name>> = None;
    let mut reported = false;
    let mut report = || {
        if !std::mem::replace(&mut reported, true) {
            one_less(&missing);
        }
    };
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = Some(BTreeSet::new()),
            Ok(Event::InitApply(mut object) | Event::Apply(mut object)) => {
                object.managed_fields_mut().clear();
                let name = name_of(&object);
                if let Some(listed) = &mut listed {
                    listed.insert(name.clone());
                }
                let Ok(text) = serde_json::to_string(&object) else { continue };
                known.change(|known| {
                    known.insert(name.clone(), text.into());
                });
                queue.add(name, Duration::ZERO);
            }
            Ok(Event::Delete(object)) => known.change(|known| {
                known.remove(&name_of(&object));
            }),
            Ok(Event::InitDone) => {
                if let Some(listed) = listed.take() {
                    known.change(|known| known.retain(|name, _| listed.contains(name)));
                }
                report();
            }
            // Without the definition there are no collectors, until it appears.
            Err(error) => {
                warn!(target: "controllers.OpenTelemetryCollector", "cannot watch collectors: {error}");
            }
        }
    }
}

fn name_of(object: &DynamicObject) -> Name {
    (object.namespace().unwrap_or_default(), object.name_any())
}

struct Watch {
    kind: &'static Kind,
    scope: Option<String>,
    queue: Arc<Queue<Name>>,
    children: Arc<Children>,
}

impl Watch {
    async fn run(self, api: Api<DynamicObject>, missing: Option<Arc<watch::Sender<usize>>>) {
        let ours = format!("{}={}", label::MANAGED_BY, label::OPERATOR);
        let events = watcher::watcher(api, watcher::Config::default().labels(&ours)).default_backoff();
        pin_mut!(events);
        let mut listed: Option<Vec<Key>> = None;
        let mut missing = missing;
        let kind = self.kind.kind;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed = Some(Vec::new()),
                Ok(Event::InitApply(object)) => {
                    listed.get_or_insert_default().push(self.key(&object));
                    self.children.put(kind, &object, None);
                }
                Ok(Event::Apply(object)) => {
                    self.children.put(kind, &object, None);
                    self.look_at_collector_of(&object);
                }
                Ok(Event::Delete(object)) => {
                    self.children.remove(&self.key(&object));
                    self.look_at_collector_of(&object);
                }
                Ok(Event::InitDone) => {
                    if let Some(listed) = listed.take() {
                        self.children.retain(kind, self.scope.as_deref(), &listed);
                    }
                    give_memory_back();
                    if let Some(missing) = missing.take() {
                        one_less(&missing);
                    }
                }
                Err(error) => {
                    warn!(target: "controllers.OpenTelemetryCollector", kind, "cannot watch: {error}")
                }
            }
        }
    }

    fn key(&self, object: &DynamicObject) -> Key {
        (object.namespace().unwrap_or_default(), self.kind.kind, object.name_any())
    }

    fn look_at_collector_of(&self, object: &DynamicObject) {
        let namespace = object.namespace().unwrap_or_default();
        let owners = object.owner_references().iter();
        let mut owners = owners.filter(|o| o.controller == Some(true) && o.kind == "OpenTelemetryCollector");
        if let Some(owner) = owners.next() {
            self.queue.add((namespace, owner.name.clone()), SETTLE);
        } else if self.kind.cluster
            && let Some((namespace, name)) =
                object.labels().get(label::INSTANCE).and_then(|i| i.split_once('.'))
        {
            self.queue.add((namespace.to_owned(), name.to_owned()), SETTLE);
        }
    }
}
