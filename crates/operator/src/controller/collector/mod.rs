//! Brings OpenTelemetryCollectors about.
//!
//! Collectors and everything that is labelled as ours are watched and kept as text. A pass over a collector compares what should be
//! there with what is there, in memory, and writes only what differs: at rest the operator sends nothing.

pub mod apply;
pub mod availability;
pub mod children;
pub mod defaulted;
mod finalizer;
pub mod kind;
mod prune;
pub mod reconcile;
mod report;
mod takeover;
mod upgrade;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use collector::{Available, Settings};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::events::{Recorder, Reporter},
};
use semver::Version;
use tokio::sync::watch::Receiver;
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::{
    children::Children,
    defaulted::Defaulted,
    reconcile::{Context, End, LONGEST_PASS},
};
use super::queue::Queue;
use crate::{
    leader::Leader,
    metrics::{Metrics, controller::Pass},
    telemetry::Span,
};

/// The controller's name in metrics.
const CONTROLLER: &str = "opentelemetrycollector";

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

/// What the controller shares with the rest of the process.
pub struct Surroundings {
    /// The client.
    pub client: Client,
    /// `--watch-namespace`; empty: all.
    pub scope: BTreeSet<String>,
    /// What the cluster offers; none until it is known.
    pub available: Receiver<Option<Available>>,
    /// Numbers about the process.
    pub metrics: Arc<Metrics>,
    /// `--enable-cr-metrics`.
    pub usage_metrics: bool,
    /// Notes of the defaulting webhook.
    pub defaulted: Arc<Defaulted>,
    /// Whether this process writes.
    pub leader: Leader,
}

/// Starts the controller. Its tasks run until the tracker's are aborted with the process.
///
/// Every replica watches collectors, to tell what it admitted and to be ready; only the one that leads watches children and writes.
///
/// # Errors
/// When the version of this program is none.
pub fn start(
    surroundings: Surroundings,
    settings: Receiver<Arc<Settings>>,
    tasks: &TaskTracker,
) -> Result<(), semver::Error> {
    let Surroundings { client, available, metrics, .. } = &surroundings;
    let queue = Arc::new(Queue::<Name>::measured(metrics.controllers.depth(CONTROLLER)));
    let collectors = Arc::new(Collectors::default());
    let children = Arc::new(Children::default());
    let reporter =
        Reporter { controller: "opentelemetry-operator".into(), instance: std::env::var("HOSTNAME").ok() };
    let recorder = Recorder::new(client.clone(), reporter);
    let watches = watch::Watches {
        client: client.clone(),
        scope: surroundings.scope.clone(),
        queue: queue.clone(),
        known: collectors.clone(),
        children: children.clone(),
        available: available.clone(),
        settings: settings.clone(),
        metrics: surroundings.usage_metrics.then(|| metrics.clone()),
        defaulted: surroundings.defaulted.clone(),
        recorder: recorder.clone(),
        leader: surroundings.leader.clone(),
    };
    let listed = watches.start(tasks);
    let version = Version::parse(env!("CARGO_PKG_VERSION"))?;
    let context = Arc::new(Context { client: client.clone(), children, settings, recorder, version });
    for _ in 0..WORKERS {
        let (queue, collectors, context) = (queue.clone(), collectors.clone(), context.clone());
        let (available, metrics) = (available.clone(), metrics.clone());
        let (mut listed, leader) = (listed.clone(), surroundings.leader.clone());
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
                let began = Instant::now();
                let end = pass(&context, &collectors, &name, &available).await;
                let (result, after) = match &end {
                    End::Done => (Pass::Success, None),
                    End::Again(after) => (Pass::RequeueAfter, Some(*after)),
                    End::Failed(_) | End::Stuck(_) => (Pass::Error, None),
                };
                metrics.controllers.pass(CONTROLLER, result, began.elapsed());
                queue.done(name.clone(), !matches!(end, End::Failed(_)));
                if let Some(after) = after {
                    queue.add(name, after);
                }
            }
        });
    }
    Ok(())
}

async fn pass(
    context: &Context,
    collectors: &Collectors,
    name: &Name,
    available: &Receiver<Option<Available>>,
) -> End {
    let Some(raw) = collectors.get(name) else { return End::Done };
    let available = available.borrow().clone().unwrap_or_default();
    let span = Span::of_pass("opentelemetrycollector", &name.0, &name.1);
    let result = tokio::time::timeout(LONGEST_PASS, reconcile::reconcile(context, &raw, &available)).await;
    let end = result.unwrap_or_else(|_| End::Failed(format!("no end within {} s", LONGEST_PASS.as_secs())));
    match &end {
        End::Done | End::Again(_) => span.end(None),
        End::Failed(error) | End::Stuck(error) => span.end(Some(error)),
    }
    match &end {
        End::Failed(error) => {
            warn!(target: "controllers.OpenTelemetryCollector", namespace = name.0, name = name.1, "cannot reconcile, trying again: {error}")
        }
        End::Stuck(error) => {
            warn!(target: "controllers.OpenTelemetryCollector", namespace = name.0, name = name.1, "cannot reconcile until the collector is changed: {error}")
        }
        End::Done | End::Again(_) => {}
    }
    end
}
