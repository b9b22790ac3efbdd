//! What `explain` has found out, as data: the table, JSON and YAML say the same.

use inject::{About, Reason, Request, Verdict, verdict_annotation};
use serde::Serialize;

use super::wish::Wish;

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Where the settings come from.
    pub settings: String,
    /// One entry for each workload.
    pub workloads: Vec<WorkloadReport>,
    /// What is wrong with other objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// One workload.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkloadReport {
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// File and document; absent for an object of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// One row for each requested language and container.
    pub rows: Vec<Row>,
    /// What would be added to the pod beside the containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pod_changes: Vec<String>,
    /// The verdict that the pod carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_annotation: Option<String>,
    /// What is known of its running pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
    /// Mistakes that no verdict tells of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Running pods of a workload.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Pods {
    /// How many there are.
    pub total: usize,
    /// How many of them are instrumented.
    pub instrumented: usize,
}

/// One language and container.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// Container; empty when the language was declined before containers were looked at.
    pub container: String,
    /// Language, or `sidecar`; empty when the annotation names none.
    pub language: String,
    /// Reason code.
    pub verdict: &'static str,
    /// The Instrumentation or collector chosen, `namespace/name`.
    pub instrumentation: String,
    /// The annotation that asks, and whose it is.
    pub asked_by: String,
    /// What would change in the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What happened.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// Worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl Finding {
    /// A mistake and its mending.
    pub(crate) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { problem: problem.into(), fix: fix.into() }
    }
}

impl Row {
    /// The row of a verdict.
    pub(crate) fn of(verdict: &Verdict, request: &Request) -> Row {
        let asked_by = Wish::of(request, verdict).map(|wish| {
            let holder = if wish.from_namespace { "Namespace" } else { "pod" };
            format!("{holder}, {}: {:?}", wish.key.trim_start_matches(api::annotation::PREFIX), wish.value)
        });
        Row {
            container: verdict.container.clone().unwrap_or_default(),
            language: if verdict.about == About::Pod { String::new() } else { verdict.about.id().to_owned() },
            verdict: verdict.reason.code(),
            instrumentation: verdict.source.as_ref().map(ToString::to_string).unwrap_or_default(),
            asked_by: asked_by.unwrap_or_default(),
            changes: Vec::new(),
            message: verdict.message.clone(),
            fix: verdict.fix.clone(),
            notes: verdict.notes.clone(),
        }
    }

    /// The rows that a pod's annotation tells of.
    pub(crate) fn of_annotation(annotation: &str) -> Vec<Row> {
        let row = |entry: verdict_annotation::Entry<'_>| Row {
            container: entry.container.unwrap_or_default().to_owned(),
            language: if entry.about == About::Pod { String::new() } else { entry.about.id().to_owned() },
            verdict: entry.reason.code(),
            instrumentation: entry.source.map(|source| source.to_string()).unwrap_or_default(),
            message: "decided when it was injected".to_owned(),
            ..Row::default()
        };
        verdict_annotation::parse(annotation).map(row).collect()
    }

    /// Whether the language is, or would be, in the container.
    pub(crate) fn is_injected(&self) -> bool {
        [Reason::Injected.code(), Reason::AlreadyInjected.code()].contains(&self.verdict)
    }
}

impl Row {
    /// Whether the pod is, or would be, as it was asked for.
    pub(crate) fn is_as_asked(&self) -> bool {
        Reason::from_code(self.verdict).is_some_and(Reason::is_as_asked)
    }

    /// Whether the row is about the sidecar.
    pub(crate) fn is_sidecar(&self) -> bool {
        self.language == About::Sidecar.id()
    }
}

impl Report {
    /// Whether there is something to mend.
    pub(crate) fn has_findings(&self) -> bool {
        let of_workload =
            |w: &WorkloadReport| !w.findings.is_empty() || w.rows.iter().any(|row| !row.is_as_asked());
        !self.findings.is_empty() || self.workloads.iter().any(of_workload)
    }
}
