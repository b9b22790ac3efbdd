//! Events on workloads whose pods were not injected as asked.
//!
//! A pod in review has no UID, and usually no name, so an event on it would be lost: it is recorded on what the user wrote, the
//! Deployment two owners up. Nothing here can hold a review up: notices go into a queue with a limit, and what does not fit is
//! counted and dropped.
//!
//! * [`ledger`]: what was recorded lately, so that the same is not said again for each pod.
//! * [`regarding`]: which object an event is about.

mod ledger;
mod regarding;
pub mod table;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use inject::{Decision, Metadata, OwnerReference, Verdict};
use k8s_openapi::{
    api::events::v1::{Event, EventSeries},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use self::ledger::{Ledger, Said, Told};
use crate::{metrics::Metrics, store::Store};

/// Notices that may wait. A review that finds the queue full drops its own.
const QUEUE: usize = 1024;
/// Most events that one review leads to.
const OF_ONE_REVIEW: usize = 8;
/// Notices that wait for their pod to appear, or for an owner, at the same time.
const WORKERS: usize = 16;
/// Longest note that the API server takes, in bytes.
const NOTE: usize = 1024;
/// Controller that events name; the same as the reference operator's.
const CONTROLLER: &str = "opentelemetry-operator";

/// Whose pod a decision was about: what the review knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Namespace of the review.
    pub namespace: String,
    /// The pod's controller.
    pub owner: Option<OwnerReference>,
    /// The pod's name; empty when the API server will make one.
    pub pod: String,
}

impl Subject {
    /// The subject of a pod.
    pub fn of(metadata: &Metadata, namespace: &str) -> Subject {
        let owners = &metadata.owner_references;
        Subject {
            namespace: namespace.to_owned(),
            owner: owners.iter().find(|o| o.controller).or(owners.first()).cloned(),
            pod: metadata.name.clone(),
        }
    }
}

/// One thing to say about one pod.
#[derive(Clone, Debug)]
struct Notice {
    subject: Subject,
    said: Said,
}

/// Where reviews leave what is to be said.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// None: nobody records events.
    queue: Option<mpsc::Sender<Notice>>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// Starts recording. It goes on until the tracker's tasks are aborted with the process.
    pub fn start(client: &Client, store: &Arc<Store>, metrics: &Arc<Metrics>, tasks: &TaskTracker) -> Events {
        let (queue, notices) = mpsc::channel(QUEUE);
        let instance = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        let writer = Arc::new(Writer {
            client: client.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            instance: instance.unwrap_or_else(|| CONTROLLER.to_owned()),
            ledger: RwLock::default(),
            counted: Notify::new(),
        });
        tasks.spawn(writer.work(notices));
        Events { queue: Some(queue), metrics: metrics.clone() }
    }

    /// Says what a user should hear of this decision. Never waits.
    pub fn decided(&self, subject: &Subject, decision: &Decision) {
        let Some(queue) = &self.queue else { return };
        let mut said: Vec<Said> = Vec::new();
        for verdict in decision.verdicts.iter().filter(|v| v.is_news()) {
            let one = said_of(verdict);
            if !said.contains(&one) {
                said.push(one);
            }
        }
        for said in said.into_iter().take(OF_ONE_REVIEW) {
            if queue.try_send(Notice { subject: subject.clone(), said }).is_err() {
                self.metrics.event("dropped");
            }
        }
    }
}

fn said_of(verdict: &Verdict) -> Said {
    let mut note = verdict.notice();
    if note.len() > NOTE {
        let end = (0..=NOTE - '…'.len_utf8()).rev().find(|i| note.is_char_boundary(*i)).unwrap_or_default();
        note.truncate(end);
        note.push('…');
    }
    Said { reason: verdict.reason.event_reason(), action: format!("Inject-{}", verdict.about.id()), note }
}

/// Records events.
struct Writer {
    client: Client,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    instance: String,
    ledger: RwLock<Ledger>,
    /// Something was said again, which happens after its notice was taken from the queue: it may be due before another one comes.
    counted: Notify,
}

impl Writer {
    async fn work(self: Arc<Self>, mut notices: mpsc::Receiver<Notice>) {
        let permits = Arc::new(Semaphore::new(WORKERS));
        loop {
            let due = self.ledger(|ledger| ledger.next_repeat());
            let notice = tokio::select! {
                notice = notices.recv() => notice,
                () = self.counted.notified() => continue,
                () = sleep_until(due) => {
                    for repeat in self.ledger(|ledger| ledger.repeats(Instant::now())) {
                        self.repeat(&repeat).await;
                    }
                    continue;
                }
            };
            let Some(notice) = notice else { return };
            // The semaphore is never closed.
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let writer = self.clone();
            tokio::spawn(async move {
                writer.tell(notice).await;
                drop(permit);
            });
        }
    }

    fn ledger<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        // A panic while the lock is held cannot leave the ledger half changed in a way that matters.
        change(&mut self.ledger.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records a notice, unless the same was recorded lately: then it is counted.
    async fn tell(&self, notice: Notice) {
        let Some(regarding) = regarding::find(&self.client, &self.store, &notice.subject).await else {
            self.metrics.event("dropped");
            return;
        };
        let namespace = regarding.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let about = [&regarding.kind, &regarding.name, &regarding.uid].map(|t| t.clone().unwrap_or_default());
        let now = Timestamp::now();
        let name = format!("{}.{:x}", about[1], now.as_nanosecond());
        let key = (namespace.clone(), about.join("/"), notice.said.clone());
        match self.ledger(|ledger| ledger.tell(key, &name, Instant::now())) {
            Told::Again => {
                self.counted.notify_one();
                return self.metrics.event("counted");
            }
            Told::First => {}
        }
        let event = Event {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            type_: Some("Warning".to_owned()),
            reason: Some(notice.said.reason.to_owned()),
            action: Some(notice.said.action),
            note: Some(notice.said.note),
            regarding: Some(regarding),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        };
        let api = Api::<Event>::namespaced(self.client.clone(), &namespace);
        let outcome = tokio::time::timeout(PATIENCE, api.create(&PostParams::default(), &event)).await;
        self.report(outcome.map(|result| result.map(drop)));
    }

    /// Writes how often something was said by now.
    async fn repeat(&self, repeat: &ledger::Repeat) {
        let api = Api::<Event>::namespaced(self.client.clone(), &repeat.namespace);
        let series = EventSeries { count: repeat.count, last_observed_time: MicroTime(Timestamp::now()) };
        let patch = Patch::Merge(json!({"series": series}));
        let outcome =
            tokio::time::timeout(PATIENCE, api.patch(&repeat.event, &PatchParams::default(), &patch)).await;
        self.report(outcome.map(|result| result.map(drop)));
    }

    fn report(&self, outcome: Result<Result<(), kube::Error>, tokio::time::error::Elapsed>) {
        match outcome {
            Ok(Ok(())) => self.metrics.event("written"),
            // The namespace is going, or somebody deleted the event.
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 403 | 404) => {
                debug!(target: "event", "not recorded: {}", status.message);
                self.metrics.event("failed");
            }
            Ok(Err(error)) => {
                warn!(target: "event", "an event could not be recorded: {error}");
                self.metrics.event("failed");
            }
            Err(_) => self.metrics.event("failed"),
        }
    }
}

/// How long writing one event may take.
const PATIENCE: Duration = Duration::from_secs(10);

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use inject::{About, Reason};

    use super::*;

    fn verdict(reason: Reason, message: &str) -> Verdict {
        Verdict {
            about: About::Language(api::Language::Go),
            container: None,
            reason,
            message: message.to_owned(),
            fix: "start the operator with --enable-go-instrumentation".to_owned(),
            source: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn row_14_a_switched_off_language_keeps_the_words_of_the_reference() {
        let message = "support for Go auto instrumentation is not enabled";
        let said = said_of(&verdict(Reason::LanguageDisabled, message));
        assert_eq!((said.reason, said.action.as_str()), ("InstrumentationRequestRejected", "Inject-go"));
        assert_eq!(
            said.note,
            format!("{message}; start the operator with --enable-go-instrumentation (go: LanguageDisabled)")
        );
    }

    #[test]
    fn a_note_has_a_limit() {
        let said = said_of(&verdict(Reason::NameCollision, &"ä".repeat(2000)));
        assert!(said.note.len() <= NOTE && said.note.ends_with('…'), "{}", said.note.len());
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts_and_never_waits() {
        let (queue, _kept) = mpsc::channel(1);
        let events = Events { queue: Some(queue), metrics: Arc::default() };
        let decision = Decision { verdicts: vec![verdict(Reason::NameCollision, "x")], patch: Vec::new() };
        for _ in 0..3 {
            events.decided(&Subject::default(), &decision);
        }
        let dropped = crate::metrics::OutcomeLabels { outcome: "dropped" };
        assert_eq!(events.metrics.workload_events.get_or_create(&dropped).get(), 2);
    }

    #[tokio::test]
    async fn what_is_fine_is_no_news() {
        let (queue, mut notices) = mpsc::channel(8);
        let events = Events { queue: Some(queue), metrics: Arc::default() };
        let verdicts = [Reason::Injected, Reason::AlreadyInjected, Reason::PodSecurity, Reason::PodSecurity];
        let verdicts = verdicts.map(|reason| verdict(reason, "x")).to_vec();
        events.decided(&Subject::default(), &Decision { verdicts, patch: Vec::new() });
        assert_eq!(notices.recv().await.unwrap().said.reason, "PodSecurity");
        assert!(notices.try_recv().is_err(), "the same is said once");
    }
}
