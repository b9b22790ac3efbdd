//! `/mutate-v1-pod`: what should happen to this pod?
//!
//! The contract is fail-open: whatever goes wrong here, the pod is created, untouched, and told why.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use api::Settings;
use futures::FutureExt;
use inject::{About, Decision, Metadata, Namespace, Pod, Reason, Request, Verdict};
use serde_json::value::RawValue;
use tracing::{debug, error, info, warn};

use super::review::{Answer, Status, read};
use crate::{
    event::{Events, Subject},
    metrics::{Metrics, Outcome},
    store::{NamespaceLookup, Store},
};

/// Path, as in the reference operator.
pub const PATH: &str = "/mutate-v1-pod";

/// Decides about pods.
pub struct Pods {
    /// What is known of the cluster.
    pub store: Arc<Store>,
    /// Settings of injection.
    pub settings: Arc<Settings>,
    /// Where decisions are counted.
    pub metrics: Arc<Metrics>,
    /// Where workloads are told.
    pub events: Events,
    /// `--webhook-deadline`.
    pub deadline: Duration,
}

impl Pods {
    /// Answers the body of a request. The error text goes with HTTP 400.
    pub async fn answer(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let began = Instant::now();
        let review = match read(body) {
            Ok(review) => review,
            Err(message) => {
                self.metrics.review(Outcome::BadRequest, began.elapsed());
                return Err(message);
            }
        };
        let decided = match review.object {
            Some(object) => self.decide(object, &review.namespace).await,
            None => Some(Decided::unreadable("the request holds no pod".to_owned(), &review.namespace)),
        };
        let recorded = !review.is_dry_run();
        let Some(decided) = decided else {
            if recorded {
                self.metrics.review(Outcome::NotRequested, began.elapsed());
            }
            return Ok(Answer::allow().write(&review.uid));
        };
        let patch = if decided.decision.patch.is_empty() {
            Vec::new()
        } else {
            // Operations hold JSON values, which always serialise.
            serde_json::to_vec(&decided.decision.patch).unwrap_or_default()
        };
        if recorded {
            self.record(&decided, &review.namespace, patch.len(), began.elapsed());
        }
        let answer = Answer {
            allowed: true,
            status: decided.decision.request_error().map(|message| Status {
                code: 500,
                message,
                reason: None,
            }),
            patch,
            warnings: decided.decision.warnings(),
            audit: Some(codes(&decided.decision.verdicts)),
        };
        Ok(answer.write(&review.uid))
    }

    /// Decides within the deadline. None: the pod asked for nothing.
    async fn decide(&self, object: &RawValue, namespace: &str) -> Option<Decided> {
        let metadata = match Metadata::parse(object) {
            Ok(metadata) => metadata,
            Err(e) => {
                return Some(Decided::unreadable(format!("the pod cannot be read: {e}"), namespace));
            }
        };
        let of = Owner::of(&metadata, namespace);
        let work = self.gather_and_plan(object, metadata, namespace);
        match tokio::time::timeout(self.deadline, self.caught(work)).await {
            Ok(decision) => decision.map(|decision| Decided::of(decision, of)),
            Err(_) => {
                let ms = self.deadline.as_millis();
                let message = format!("no decision within {ms} ms: the pod is created untouched");
                let fix = "look for a slow or unreachable API server, then recreate the pod";
                Some(Decided::of(declined(Reason::DeadlineExceeded, message, fix), of))
            }
        }
    }

    /// A mistake of ours must not cost anybody a pod. (The profiles keep unwinding for this reason.)
    async fn caught(&self, work: impl Future<Output = Option<Decision>>) -> Option<Decision> {
        AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
            self.metrics.panics.inc();
            let message = "the operator failed on this pod; this is a bug".to_owned();
            Some(declined(Reason::PodUnreadable, message, "please report it with the pod's manifest"))
        })
    }

    async fn gather_and_plan(
        &self,
        object: &RawValue,
        metadata: Metadata,
        namespace: &str,
    ) -> Option<Decision> {
        let namespace = match self.store.namespace(namespace).await {
            NamespaceLookup::Found(namespace) => namespace,
            NamespaceLookup::Unreadable(why) => {
                // What the Namespace asks for is unknown, so only a pod that asks for itself is told.
                let unknown = Namespace { name: namespace.to_owned(), ..Namespace::default() };
                Request::read(&metadata, &unknown)?;
                return Some(declined(
                    Reason::NamespaceNotFound,
                    why,
                    "recreate the pod once the API server answers",
                ));
            }
        };
        let request = Request::read(&metadata, &namespace)?;
        if !self.store.watches(&namespace.name) {
            let message = format!("namespace {} is not watched", namespace.name);
            return Some(declined(Reason::InstrumentationUnreadable, message, "add it to --watch-namespace"));
        }
        let mut pod = match Pod::parse(object) {
            Ok(pod) => pod,
            Err(e) => {
                return Some(declined(
                    Reason::PodUnreadable,
                    format!("the pod cannot be read: {e}"),
                    READABLE,
                ));
            }
        };
        if pod.metadata.namespace.is_empty() {
            pod.metadata.namespace.clone_from(&namespace.name);
        }
        let candidates = self.store.candidates(&request, &self.settings).await;
        let needs = inject::needs(&pod, &request, &candidates, &self.settings);
        let facts = self.store.facts(namespace, &request, candidates, &needs).await;
        let decision = inject::plan(&pod, &request, &facts, &self.settings);
        // A pod without a sidecar that wants none asked for nothing.
        (!decision.verdicts.is_empty()).then_some(decision)
    }

    /// Counts and logs a decision.
    fn record(&self, decided: &Decided, namespace: &str, patch: usize, took: Duration) {
        let Decided { decision, of } = decided;
        let removed = decision.verdicts.iter().any(|v| v.reason == Reason::SidecarRemoved);
        let injected = decision.injected() || removed;
        // Injection changes the pod, so Kubernetes' own plugins complete it (a token for the agent's container), and the API
        // server asks once more. That is no news to anybody.
        let again = decision.verdicts.iter().all(|v| v.reason == Reason::AlreadyInjected);
        let outcome = match (injected, again) {
            (true, _) => Outcome::Injected,
            (false, true) => Outcome::AlreadyInjected,
            (false, false) => Outcome::Declined,
        };
        self.metrics.review(outcome, took);
        for verdict in &decision.verdicts {
            self.metrics.verdict(verdict.about, verdict.reason);
        }
        if patch > 0 {
            self.metrics.patch(patch);
        }
        let reasons = codes(&decision.verdicts);
        let text: Vec<String> =
            decision.verdicts.iter().map(Verdict::text).filter(|t| !t.is_empty()).collect();
        let text = text.join(" | ");
        let Owner { kind, name, subject } = of;
        self.events.decided(subject, decision);
        if decision.verdicts.iter().any(|v| v.reason == Reason::DeadlineExceeded) {
            error!(target: "pod-webhook", namespace, owner_kind = %kind, owner = %name, %reasons, detail = %text, "pod declined");
        } else if injected {
            info!(target: "pod-webhook", namespace, owner_kind = %kind, owner = %name, %reasons, detail = %text, "pod injected");
        } else if again {
            debug!(target: "pod-webhook", namespace, owner_kind = %kind, owner = %name, %reasons, detail = %text, "pod seen again");
        } else {
            warn!(target: "pod-webhook", namespace, owner_kind = %kind, owner = %name, %reasons, detail = %text, "pod declined");
        }
    }
}

const READABLE: &str = "apply a pod that this Kubernetes version understands";

/// A decision about one pod, and whose pod it is.
#[derive(Debug, Default)]
struct Decided {
    decision: Decision,
    of: Owner,
}

impl Decided {
    fn of(decision: Decision, of: Owner) -> Decided {
        Decided { decision, of }
    }

    /// The pod's metadata could not be read, so nobody knows whose it is.
    fn unreadable(message: String, namespace: &str) -> Decided {
        let of = Owner::of(&Metadata::default(), namespace);
        Decided::of(declined(Reason::PodUnreadable, message, READABLE), of)
    }
}

fn declined(reason: Reason, message: String, fix: &str) -> Decision {
    let verdict = Verdict {
        about: About::Pod,
        container: None,
        reason,
        message,
        fix: fix.to_owned(),
        source: None,
        notes: Vec::new(),
    };
    Decision { verdicts: vec![verdict], patch: Vec::new() }
}

/// Whom a log line about a pod names: the pod's controller, else the pod itself.
#[derive(Debug, Default)]
struct Owner {
    kind: String,
    name: String,
    /// Whom an event is about.
    subject: Subject,
}

impl Owner {
    fn of(metadata: &Metadata, namespace: &str) -> Owner {
        let subject = Subject::of(metadata, namespace);
        let owner =
            metadata.owner_references.iter().find(|o| o.controller).or(metadata.owner_references.first());
        match owner {
            Some(owner) => Owner { kind: owner.kind.clone(), name: owner.name.clone(), subject },
            None if metadata.name.is_empty() => {
                Owner { kind: "Pod".to_owned(), name: metadata.generate_name.clone(), subject }
            }
            None => Owner { kind: "Pod".to_owned(), name: metadata.name.clone(), subject },
        }
    }
}

/// `java/app=Injected,python=LanguageDisabled`: the codes, for the audit log and the process's log.
fn codes(verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        if !text.is_empty() {
            text.push(',');
        }
        if verdict.about != About::Pod {
            text.push_str(&verdict.subject());
            text.push('=');
        }
        text.push_str(verdict.reason.code());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Language;

    #[tokio::test]
    async fn a_panic_lets_the_pod_through() {
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = kube::Client::try_from(nowhere).unwrap();
        let pods = Pods {
            store: Store::new(client, std::collections::BTreeSet::new(), collector::Settings::default()),
            settings: Arc::default(),
            metrics: Arc::default(),
            events: Events::default(),
            deadline: Duration::from_secs(1),
        };
        let decision = pods.caught(async { panic!("a mistake of ours") }).await.unwrap();
        assert!(decision.patch.is_empty());
        assert_eq!(decision.verdicts[0].reason, Reason::PodUnreadable);
        assert!(decision.warnings()[0].contains("this is a bug; please report it"));
        assert_eq!(pods.metrics.panics.get(), 1);
    }

    #[test]
    fn codes_name_language_and_container_where_there_is_one() {
        let verdict = |about, container: Option<&str>, reason| Verdict {
            about,
            container: container.map(str::to_owned),
            ..declined(reason, String::new(), "").verdicts.remove(0)
        };
        let verdicts = [
            verdict(About::Language(Language::Java), Some("app"), Reason::Injected),
            verdict(About::Language(Language::Go), None, Reason::LanguageDisabled),
            verdict(About::Sidecar, Some("otc-container"), Reason::Injected),
            verdict(About::Pod, None, Reason::PodUnreadable),
        ];
        assert_eq!(
            codes(&verdicts),
            "java/app=Injected,go=LanguageDisabled,sidecar/otc-container=Injected,PodUnreadable"
        );
    }
}
