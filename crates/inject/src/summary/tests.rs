//! From pods to the status of an Instrumentation.

use std::{collections::BTreeMap, sync::Arc};

use api::{
    Instrumentation, Language, Settings,
    annotation::VERDICT,
    instrumentation::status::{Condition, InstrumentationStatus, WorkloadCounts},
};

use super::*;
use crate::{Metadata, Namespace, OwnerReference, Reason};

const JAVA: &str = "instrumentation.opentelemetry.io/inject-java";

/// A small cluster: Instrumentations with their generation, and the annotations of Namespaces.
#[derive(Default)]
struct World {
    instrumentations: BTreeMap<(String, String), Arc<Instrumentation>>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    settings: Settings,
    pods: Vec<PodGroup>,
}

impl World {
    fn instrumentation(mut self, namespace: &str, name: &str, generation: i64, java: &str) -> World {
        let mut object = Instrumentation::default();
        object.metadata.namespace = namespace.to_owned();
        object.metadata.name = name.to_owned();
        object.metadata.generation = generation;
        object.spec.java.image = format!("registry.example/java:{java}");
        self.instrumentations.insert((namespace.to_owned(), name.to_owned()), Arc::new(object));
        self
    }

    fn namespace(mut self, name: &str, key: &str, value: &str) -> World {
        self.namespaces.entry(name.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        self
    }

    /// A pod of a Deployment (its ReplicaSet has the name `<deployment>-abc`).
    fn pod(mut self, namespace: &str, deployment: &str, annotations: &[(&str, &str)]) -> World {
        let metadata = Metadata {
            name: format!("{deployment}-abc-1"),
            labels: BTreeMap::from([("pod-template-hash".to_owned(), "abc".to_owned())]).into(),
            annotations: annotations
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>()
                .into(),
            owner_references: vec![owner("ReplicaSet", &format!("{deployment}-abc"))],
            ..Metadata::default()
        };
        self.pods.push(PodGroup::of(namespace, &metadata));
        self
    }

    fn summary(&self, namespace: &str, name: &str) -> Summary {
        let namespace_of = |name: &str| {
            let annotations = self.namespaces.get(name).cloned().unwrap_or_default();
            Some(Arc::new(Namespace { name: name.to_owned(), annotations, ..Namespace::default() }))
        };
        let owners = |_: &str, owner: &OwnerReference| {
            (owner.name == "known-abc").then(|| vec![self::owner("Rollout", "canary")])
        };
        let cluster = Cluster {
            instrumentations: &self.instrumentations,
            namespace: &namespace_of,
            owners: &owners,
            settings: &self.settings,
        };
        summarise(self.pods.iter(), &cluster).remove(&(namespace.to_owned(), name.to_owned())).unwrap()
    }
}

fn owner(kind: &str, name: &str) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: "u".to_owned(),
        controller: true,
    }
}

fn world() -> World {
    World::default().instrumentation("shop", "main", 3, "2.30.0")
}

fn codes(summary: &Summary) -> Vec<&'static str> {
    summary.reasons.iter().map(|r| r.state.code()).collect()
}

#[test]
fn a_workload_counts_once_with_the_worst_of_its_pods() {
    let good = [(JAVA, "true"), (VERDICT, "java/app=Injected(shop/main@3,2.30.0)")];
    let bad = [(JAVA, "true"), (VERDICT, "java/app=NameCollision(shop/main@3)")];
    let world = world().pod("shop", "web", &good).pod("shop", "web", &bad).pod("shop", "cart", &good);
    let summary = world.summary("shop", "main");
    assert_eq!(
        summary.workloads,
        WorkloadCounts { matched: 2, injected: 1, failed: 1, ..WorkloadCounts::default() }
    );
    assert_eq!(codes(&summary), ["NameCollision"]);
    let example = &summary.reasons[0].example;
    assert_eq!((example.kind.as_str(), example.name.as_str()), ("Deployment", "web"));
    assert_eq!(example.container, "app");
}

#[test]
fn the_workload_is_two_owners_up() {
    let bad = [(VERDICT, "java/app=NameCollision(shop/main@3)")];
    let example = world().pod("shop", "known", &bad).summary("shop", "main").reasons.remove(0).example;
    assert_eq!((example.kind.as_str(), example.name.as_str()), ("Rollout", "canary"));
}

#[test]
fn an_older_generation_or_another_agent_is_outdated() {
    for source in ["shop/main@2,2.30.0", "shop/main@3,2.29.0", "shop/main@4,2.30.0"] {
        let verdict = format!("java/app=Injected({source})");
        let summary = world().pod("shop", "web", &[(VERDICT, &verdict)]).summary("shop", "main");
        assert_eq!((summary.workloads.outdated, codes(&summary)), (1, vec!["Outdated"]), "{source}");
    }
    // As releases before wrote it, without the agent; and as `otel-operator inject` writes it, without a generation.
    for source in ["shop/main@3", "shop/main@0,2.30.0"] {
        let verdict = format!("java/app=Injected({source})");
        let summary = world().pod("shop", "web", &[(VERDICT, &verdict)]).summary("shop", "main");
        assert_eq!(summary.workloads.injected, 1, "{source}");
    }
}

#[test]
fn a_pod_that_asks_and_carries_no_verdict_was_missed() {
    let summary = world().pod("shop", "web", &[(JAVA, "true")]).summary("shop", "main");
    assert_eq!((summary.workloads.missed, codes(&summary)), (1, vec!["Missed"]));
    assert_eq!(summary.reasons[0].language, Some(Language::Java));
    // Asked by the Namespace, from another namespace's Instrumentation.
    let summary =
        world().namespace("cart", JAVA, "shop/main").pod("cart", "web", &[]).summary("shop", "main");
    assert_eq!(summary.workloads.missed, 1);
    let summary = world().pod("shop", "web", &[("example.com/other", "x")]).summary("shop", "main");
    assert_eq!(summary.workloads.matched, 0);
}

#[test]
fn a_language_that_the_namespace_asks_for_since_was_missed() {
    let python = "instrumentation.opentelemetry.io/inject-python";
    let verdict = "java/app=Injected(shop/main@3,2.30.0)";
    let world =
        world().namespace("shop", python, "true").pod("shop", "web", &[(JAVA, "true"), (VERDICT, verdict)]);
    let summary = world.summary("shop", "main");
    assert_eq!(summary.reasons[0].language, Some(Language::Python));
    assert_eq!(codes(&summary), ["Missed"]);
}

#[test]
fn what_chose_no_instrumentation_is_told_where_a_user_will_look() {
    let verdict = "java=SeveralInstrumentations";
    let world = world().instrumentation("shop", "other", 1, "1").instrumentation("cart", "main", 1, "1");
    let world = world.pod("shop", "web", &[(JAVA, "true"), (VERDICT, verdict)]);
    assert_eq!(world.summary("shop", "main").workloads.failed, 1);
    assert_eq!(world.summary("shop", "other").workloads.failed, 1);
    assert_eq!(world.summary("cart", "main").workloads.matched, 0);
    // The one that is named now exists.
    let verdict = "java=InstrumentationNotFound";
    let world = world.pod("far", "web", &[(JAVA, "cart/main"), (VERDICT, verdict)]);
    assert_eq!(codes(&world.summary("cart", "main")), ["InstrumentationNotFound"]);
}

#[test]
fn every_reason_code_comes_through_by_its_name() {
    for reason in Reason::ALL {
        let verdict = format!("java/app={}(shop/main@3,2.30.0)", reason.code());
        let summary = world().pod("shop", "web", &[(VERDICT, &verdict)]).summary("shop", "main");
        match reason {
            Reason::Injected | Reason::AlreadyInjected | Reason::SidecarRemoved => {
                assert_eq!(summary.workloads.injected, 1)
            }
            other => assert_eq!(codes(&summary), [other.code()]),
        }
    }
}

#[test]
fn a_sidecar_is_none_of_an_instrumentations_business() {
    let verdict = "sidecar=CollectorNotFound;java/app=Injected(shop/main@3,2.30.0)";
    let summary = world().pod("shop", "web", &[(JAVA, "true"), (VERDICT, verdict)]).summary("shop", "main");
    assert_eq!((summary.workloads.injected, summary.workloads.matched), (1, 1));
    let summary = world().pod("shop", "web", &[(VERDICT, "sidecar=NoCollector")]).summary("shop", "main");
    assert_eq!(summary.workloads.matched, 0);
}

fn condition<'a>(status: &'a InstrumentationStatus, kind: &str) -> &'a Condition {
    status.conditions.iter().find(|c| c.kind == kind).unwrap()
}

#[test]
fn a_status_says_what_is_wrong_and_since_when() {
    let bad = [(JAVA, "true"), (VERDICT, "java/app=PodSecurity(shop/main@3)")];
    let one = world().pod("shop", "web", &bad);
    let before = status(Some(&one.summary("shop", "main")), 3, &InstrumentationStatus::default(), "T1");
    let injected = condition(&before, "WorkloadsInjected");
    assert_eq!((injected.status.as_str(), injected.reason.as_str()), ("False", "PodSecurity"));
    assert!(
        injected
            .message
            .starts_with("1 of 1 workloads not injected as asked, for example Deployment shop/web: ")
    );
    assert_eq!(condition(&before, "WorkloadsUpToDate").status, "True");

    // Another workload of the same kind changes counts, not times.
    let two = one.pod("shop", "cart", &bad);
    let after = status(Some(&two.summary("shop", "main")), 3, &before, "T2");
    assert_eq!(condition(&after, "WorkloadsInjected").last_transition_time, "T1");
    assert_eq!(after.reasons[0].workloads, 2);
    assert_eq!(after.reasons[0].example.name, "cart", "the first by name, whatever the order of pods");

    let good = [(JAVA, "true"), (VERDICT, "java/app=Injected(shop/main@3,2.30.0)")];
    let mended = world().pod("shop", "web", &good);
    let after = status(Some(&mended.summary("shop", "main")), 3, &after, "T3");
    let injected = condition(&after, "WorkloadsInjected");
    assert_eq!((injected.status.as_str(), injected.reason.as_str()), ("True", "AllInjected"));
    assert_eq!(injected.last_transition_time, "T3");
    assert!(after.reasons.is_empty());
}

#[test]
fn nothing_is_claimed_where_nothing_is_known() {
    let empty = status(Some(&world().summary("shop", "main")), 3, &InstrumentationStatus::default(), "T");
    assert_eq!(condition(&empty, "WorkloadsInjected").reason, "NoWorkloads");
    let off = status(None, 3, &InstrumentationStatus::default(), "T");
    assert_eq!(condition(&off, "WorkloadsInjected").status, "Unknown");
    assert_eq!(condition(&off, "WorkloadsInjected").reason, "VerdictAnnotationOff");
}

#[test]
fn a_status_stays_small() {
    let mut world = world();
    for (i, reason) in Reason::ALL.into_iter().enumerate() {
        for n in 0..20 {
            let verdict = format!("java/app={}(shop/main@3,2.30.0)", reason.code());
            world = world.pod("shop", &format!("{}-{i}-{n}", "w".repeat(200)), &[(VERDICT, &verdict)]);
        }
    }
    let status = status(Some(&world.summary("shop", "main")), 3, &InstrumentationStatus::default(), "T");
    assert_eq!(status.workloads.matched as usize, 20 * Reason::ALL.len());
    assert_eq!(status.reasons.len(), 8);
    assert!(serde_json::to_vec(&status).unwrap().len() < 8 * 1024);
}
