//! The watches behind the controller.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use collector::{Available, Settings, label};
use futures::{StreamExt, pin_mut};
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    runtime::{
        WatchStreamExt,
        events::{EventType, Recorder},
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
    defaulted::Defaulted,
    kind::{KINDS, Kind},
    report,
};
use crate::{controller::queue::Queue, leader::Leader, metrics::Metrics, store::reflect::give_memory_back};

/// What the watches fill and whom they tell.
pub(super) struct Watches {
    pub(super) client: Client,
    pub(super) scope: BTreeSet<String>,
    pub(super) queue: Arc<Queue<Name>>,
    pub(super) known: Arc<Collectors>,
    pub(super) children: Arc<Children>,
    pub(super) available: watch::Receiver<Option<Available>>,
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    /// None unless somebody wants to know what collectors are made of.
    pub(super) metrics: Option<Arc<Metrics>>,
    pub(super) defaulted: Arc<Defaulted>,
    pub(super) recorder: Recorder,
    pub(super) leader: Leader,
}

impl Watches {
    /// Starts all watches; the number of those that have not listed their objects yet.
    pub(super) fn start(self, tasks: &TaskTracker) -> watch::Receiver<usize> {
        let watches = Arc::new(self);
        let Watches { client, scope, queue, known, children, available, settings, .. } = &*watches;
        let scopes: Vec<Option<String>> =
            if scope.is_empty() { vec![None] } else { scope.iter().cloned().map(Some).collect() };
        // Collectors, what the cluster offers, and every kind: one that is not offered counts as listed when that is known. A pass that
        // began before ClusterRoles are listed would make those that are there.
        let of_kinds: usize = KINDS.iter().map(|k| if k.cluster { 1 } else { scopes.len() }).sum();
        let missing = Arc::new(watch::Sender::new(scopes.len() + of_kinds + 1));
        for scope in &scopes {
            let api = collectors(client, scope.as_deref());
            tasks.spawn(watch_collectors(watches.clone(), api, scope.clone(), missing.clone()));
        }
        for kind in &KINDS {
            let optional = !(kind.is_available)(&Available::default());
            let scopes = if kind.cluster { vec![None] } else { scopes.clone() };
            for scope in scopes {
                let api = api(client, kind.kind, scope.as_deref());
                let watch = Watch { kind, scope, queue: queue.clone(), children: children.clone() };
                let missing = missing.clone();
                let (mut available, leader) = (available.clone(), watches.leader.clone());
                tasks.spawn(async move {
                    // Who only stands by does not remember what it would write.
                    leader.elected().await;
                    let there = |a: &Option<Available>| a.as_ref().is_some_and(|a| (kind.is_available)(a));
                    let mut missing = Some(missing);
                    if optional {
                        let offered = available.wait_for(Option::is_some).await.is_ok_and(|a| there(&a));
                        if let Some(missing) = missing.take_if(|_| !offered) {
                            one_less(&missing);
                        }
                        if available.wait_for(there).await.is_err() {
                            return;
                        }
                    }
                    watch.run(api, missing).await;
                });
            }
        }
        tasks.spawn(look_at_all_when_it_changes(
            available.clone(),
            queue.clone(),
            known.clone(),
            missing.clone(),
        ));
        tasks.spawn(look_at_all_when_told_otherwise(settings.clone(), queue.clone(), known.clone()));
        missing.subscribe()
    }

    /// A collector is there.
    fn put(&self, mut object: DynamicObject) -> Name {
        object.managed_fields_mut().clear();
        let name = name_of(&object);
        if let Some(metrics) = &self.metrics {
            let value = serde_json::json!({"spec": object.data["spec"]});
            metrics.usage.put(&name.0, &name.1, &value);
        }
        if let Ok(text) = serde_json::to_string(&object) {
            self.known.change(|known| {
                known.insert(name.clone(), text.into());
            });
            self.queue.add(name.clone(), Duration::ZERO);
        }
        name
    }

    fn remove(&self, name: &Name) {
        self.known.change(|known| {
            known.remove(name);
        });
        if let Some(metrics) = &self.metrics {
            metrics.usage.remove(&name.0, &name.1);
        }
    }

    /// Tells what the defaulting webhook did to what is stored now.
    fn tell(self: &Arc<Self>, object: &DynamicObject) {
        let events = self.defaulted.take(&name_of(object), object.metadata.generation.unwrap_or_default());
        if events.is_empty() {
            return;
        }
        let uid = object.uid().unwrap_or_default();
        let of = report::reference(&object.namespace().unwrap_or_default(), &object.name_any(), &uid);
        let watches = self.clone();
        tokio::spawn(async move {
            for event in events {
                let kind = if event.kind == "Warning" { EventType::Warning } else { EventType::Normal };
                report::record(&watches.recorder, of.clone(), kind, event.reason, &event.note).await;
            }
        });
    }
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

/// So do the settings that follow the cluster.
async fn look_at_all_when_told_otherwise(
    mut settings: watch::Receiver<Arc<Settings>>,
    queue: Arc<Queue<Name>>,
    known: Arc<Collectors>,
) {
    while settings.changed().await.is_ok() {
        for name in known.names() {
            queue.add(name, SETTLE);
        }
    }
}

async fn watch_collectors(
    watches: Arc<Watches>,
    api: Api<DynamicObject>,
    scope: Option<String>,
    missing: Arc<watch::Sender<usize>>,
) {
    let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
    pin_mut!(events);
    let mut listed: Option<BTreeSet<Name>> = None;
    let mut reported = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = Some(BTreeSet::new()),
            Ok(Event::InitApply(object)) => {
                let name = watches.put(object);
                listed.get_or_insert_default().insert(name);
            }
            Ok(Event::Apply(object)) => {
                watches.tell(&object);
                watches.put(object);
            }
            Ok(Event::Delete(object)) => watches.remove(&name_of(&object)),
            Ok(Event::InitDone) => {
                let listed = listed.take().unwrap_or_default();
                let here = |name: &Name| scope.as_ref().is_none_or(|scope| *scope == name.0);
                for name in watches.known.names() {
                    if here(&name) && !listed.contains(&name) {
                        watches.remove(&name);
                    }
                }
                if !std::mem::replace(&mut reported, true) {
                    one_less(&missing);
                }
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
    /// `missing` counts one less when the objects are listed, or cannot be.
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
                    self.children.put(kind, object, None);
                }
                Ok(Event::Apply(object)) => {
                    let collector = self.collector_of(&object);
                    // What we wrote ourselves comes back as well.
                    if self.children.put(kind, object, None) {
                        self.look_at(collector);
                    }
                }
                Ok(Event::Delete(object)) => {
                    self.children.remove(&self.key(&object));
                    self.look_at(self.collector_of(&object));
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
                    warn!(target: "controllers.OpenTelemetryCollector", kind, "cannot watch: {error}");
                    // Without the right to see what few clusters have, collectors get what every cluster has.
                    let optional = !(self.kind.is_available)(&Available::default());
                    if let Some(missing) = missing.take_if(|_| optional && is_refused(&error)) {
                        one_less(&missing);
                    }
                }
            }
        }
    }

    fn key(&self, object: &DynamicObject) -> Key {
        (object.namespace().unwrap_or_default(), self.kind.kind, object.name_any())
    }

    fn collector_of(&self, object: &DynamicObject) -> Option<Name> {
        let owners = object.owner_references().iter();
        let mut owners = owners.filter(|o| o.controller == Some(true) && o.kind == "OpenTelemetryCollector");
        if let Some(owner) = owners.next() {
            return Some((object.namespace().unwrap_or_default(), owner.name.clone()));
        }
        let instance = object.labels().get(label::INSTANCE).filter(|_| self.kind.cluster)?;
        let (namespace, name) = instance.split_once('.')?;
        Some((namespace.to_owned(), name.to_owned()))
    }

    fn look_at(&self, collector: Option<Name>) {
        if let Some(collector) = collector {
            self.queue.add(collector, SETTLE);
        }
    }
}

/// Whether the API server has answered, and does not let us see.
fn is_refused(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404))
}
