//! Brings OpenTelemetryCollectors about.
//!
//! Collectors and everything that is labelled as ours are watched and kept as text. A pass over a collector compares what should be
//! there with what is there, in memory, and writes only what differs: at rest the operator sends nothing.

pub mod apply;
pub mod availability;
pub mod children;
mod finalizer;
pub mod kind;
pub mod reconcile;
mod report;
mod takeover;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use collector::Settings;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::events::{Recorder, Reporter},
};
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::{
    children::Children,
    reconcile::{Context, LONGEST_PASS},
};
use super::queue::Queue;
use crate::leader::Leader;

/// Namespace and name of a collector.
pub type Name = (String, String);

/// Passes that run at the same time.
const WORKERS: usize = 4;
/// Changes of children come in bunches; one look at the end of a bunch is enough.
const SETTLE: Duration = Duration::from_millis(200);

/// The collectors, as text.
#[derive(Debug, Default)]
pub struct Collectors {
    objects: Mutex<BTreeMap<Name, Box<str>>>,
}

impl Collectors {
    fn change(&self, change: impl FnOnce(&mut BTreeMap<Name, Box<str>>)) {
        change(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn get(&self, name: &Name) -> Option<serde_json::Value> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::from_str(objects.get(name)?).ok()
    }

    fn names(&self) -> Vec<Name> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

/// The API of collectors in their stored version.
pub fn collectors(client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("opentelemetry.io", "v1beta1", "OpenTelemetryCollector"),
        "opentelemetrycollectors",
    );
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Starts the controller. Its tasks run until the tracker's are aborted with the process. `available` is what the cluster offers,
/// none until it is known.
pub fn start(
    client: &Client,
    settings: Settings,
    scope: &BTreeSet<String>,
    available: tokio::sync::watch::Receiver<Option<collector::Available>>,
    leader: &Leader,
    tasks: &TaskTracker,
) {
    let queue = Arc::new(Queue::<Name>::default());
    let collectors = Arc::new(Collectors::default());
    let children = Arc::new(Children::default());
    let listed = watch::start(client, scope, &queue, &collectors, &children, &available, tasks);

    let reporter =
        Reporter { controller: "opentelemetry-operator".into(), instance: std::env::var("HOSTNAME").ok() };
    let recorder = Recorder::new(client.clone(), reporter);
    let context = Arc::new(Context { client: client.clone(), children, settings, recorder });
    for _ in 0..WORKERS {
        let (queue, collectors, context) = (queue.clone(), collectors.clone(), context.clone());
        let (available, mut listed, leader) = (available.clone(), listed.clone(), leader.clone());
        tasks.spawn(async move {
            leader.elected().await;
            // A pass that has begun is finished before another process may lead.
            let _busy = leader.busy();
            // Before everything is known, what is missing would look like something to make.
            tokio::select! {
                () = leader.resigning() => return,
                listed = listed.wait_for(|missing| *missing == 0) => if listed.is_err() { return },
            }
            loop {
                let name = tokio::select! {
                    biased;
                    () = leader.resigning() => return,
                    name = queue.next() => name,
                };
                let succeeded = pass(&context, &collectors, &name, &available).await;
                queue.done(name, succeeded);
            }
        });
    }
}

async fn pass(
    context: &Context,
    collectors: &Collectors,
    name: &Name,
    available: &tokio::sync::watch::Receiver<Option<collector::Available>>,
) -> bool {
    let Some(raw) = collectors.get(name) else { return true };
    let available = available.borrow().clone().unwrap_or_default();
    let result = tokio::time::timeout(LONGEST_PASS, reconcile::reconcile(context, &raw, &available)).await;
    let error = match result {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error,
        Err(_) => format!("no end within {} s", LONGEST_PASS.as_secs()),
    };
    warn!(target: "controllers.OpenTelemetryCollector", namespace = name.0, name = name.1, "cannot reconcile, trying again: {error}");
    false
}
