//! Workloads, pods and namespaces that ask for injection.

use std::collections::BTreeSet;

use api::{Language, annotation};
use inject::{Reason, Verdict, verdict_annotation};
use serde_json::{Value, json};

use super::{Seen, catalogue::Check, items, sheet::Sheet, text, title};
use crate::{
    exit::Failure,
    explain::mistake,
    object::Object,
    session::{Decided, Session},
    workload::{self, Workload},
};

/// An agent that sends telemetry to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    /// The Instrumentation, `namespace/name`.
    pub instrumentation: String,
    /// The language.
    pub language: &'static str,
    /// The namespace of the pods.
    pub namespace: String,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: String,
    /// `OTEL_EXPORTER_OTLP_PROTOCOL`; none when nobody sets it.
    pub protocol: Option<String>,
}

/// The pod template of a workload.
pub(super) fn template(workload: &Value) -> Option<&Value> {
    match text(workload, "/kind") {
        "CronJob" => workload.pointer("/spec/jobTemplate/spec/template"),
        _ => workload.pointer("/spec/template"),
    }
}

/// Whether a template asks for a language.
pub(super) fn asks(template: &Value) -> bool {
    let annotations = template.pointer("/metadata/annotations").and_then(Value::as_object);
    let asks = |(key, value): (&String, &Value)| {
        key.starts_with(annotation::INJECT_PREFIX) && !matches!(value.as_str(), None | Some("" | "false"))
    };
    annotations.into_iter().flatten().any(asks)
}

/// Looks at all of them. Returns who sends telemetry where.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn check(session: &Session, seen: &Seen, sheet: &mut Sheet) -> Result<BTreeSet<Use>, Failure> {
    for made in Check::ALL.iter().filter(|check| check.group() == super::catalogue::Group::Workloads) {
        sheet.made(*made, "");
    }
    let mut uses = BTreeSet::new();
    for value in &seen.workloads {
        of_workload(session, value, &mut uses, sheet)?;
    }
    for pod in seen.pods.iter().filter(|pod| !has_ended(pod)) {
        of_pod(session, seen, pod, sheet)?;
    }
    for namespace in seen.namespaces.values() {
        of_namespace(seen, namespace, sheet);
    }
    Ok(uses)
}

fn has_ended(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
        || ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"))
}

fn of_workload(
    session: &Session,
    value: &Value,
    uses: &mut BTreeSet<Use>,
    sheet: &mut Sheet,
) -> Result<(), Failure> {
    let Some(object) = Object::of_cluster(value) else { return Ok(()) };
    // The API server has accepted it, so it can be understood.
    let Some(Ok(workload)) = workload::read(&object) else { return Ok(()) };
    let object_title = title(object.kind, value);
    for finding in mistake::misplaced(&object, &workload) {
        sheet.warn(Check::MisplacedAnnotation, &object_title, finding.problem, finding.fix);
    }
    for finding in mistake::misspelled_in(&object, &workload) {
        sheet.warn(Check::MisspelledAnnotation, &object_title, finding.problem, finding.fix);
    }
    let namespace = text(value, "/metadata/namespace");
    let Some(decided) = session.decide(&workload, namespace)? else { return Ok(()) };
    verdicts(&object_title, &decided, sheet);
    collect_uses(&workload, &decided, namespace, uses);
    Ok(())
}

/// Notes what is declined.
fn verdicts(object: &str, decided: &Decided, sheet: &mut Sheet) {
    for verdict in &decided.decision.verdicts {
        if let Some(finding) = mistake::of_value(&decided.request, verdict) {
            sheet.error(Check::AnnotationValue, object, finding.problem, finding.fix);
            continue;
        }
        let Some(check) = check_of(verdict) else { continue };
        let message = format!("{}: {} ({})", verdict.subject(), verdict.message, verdict.reason.code());
        sheet.error(check, object, message, verdict.fix.clone());
    }
}

/// The check that a verdict belongs to; none when it is a good one.
fn check_of(verdict: &Verdict) -> Option<Check> {
    Some(match verdict.reason {
        reason if reason.is_as_asked() => return None,
        Reason::NoInstrumentation => Check::NoInstrumentation,
        Reason::SeveralInstrumentations => Check::SeveralInstrumentations,
        Reason::InstrumentationNotFound => Check::InstrumentationNotFound,
        Reason::LanguageDisabled => Check::LanguageDisabled,
        Reason::PodSecurity => Check::RestrictedNamespace,
        Reason::NoCollector
        | Reason::SeveralCollectors
        | Reason::CollectorNotFound
        | Reason::CollectorNotSidecar
        | Reason::CollectorNotAllowed => Check::SidecarMissing,
        _ => Check::Declined,
    })
}

/// Who of the injected sends telemetry where.
fn collect_uses(workload: &Workload, decided: &Decided, namespace: &str, uses: &mut BTreeSet<Use>) {
    let mut pod = workload.pod.clone();
    if json_patch::patch(&mut pod, &decided.decision.patch).is_err() {
        return;
    }
    for verdict in decided.decision.verdicts.iter().filter(|v| v.reason == Reason::Injected) {
        let (Some(language), Some(source)) = (verdict.language(), &verdict.source) else { continue };
        let container = verdict.container.as_deref().unwrap_or_default();
        let containers = items(&pod, "/spec/containers");
        let Some(container) = containers.iter().find(|c| text(c, "/name") == container) else { continue };
        let value = |name: &str| {
            let entry = items(container, "/env").iter().find(|entry| text(entry, "/name") == name)?;
            entry.get("value").and_then(Value::as_str)
        };
        let of_signals = ["TRACES", "METRICS", "LOGS"].into_iter().any(|signal| {
            value(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")).is_some()
                || value(&format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL")).is_some()
        });
        if let Some(endpoint) = value("OTEL_EXPORTER_OTLP_ENDPOINT").filter(|_| !of_signals) {
            uses.insert(Use {
                instrumentation: source.to_string(),
                language: language.id(),
                namespace: namespace.to_owned(),
                endpoint: endpoint.to_owned(),
                protocol: value("OTEL_EXPORTER_OTLP_PROTOCOL").map(str::to_owned),
            });
        }
    }
}

fn of_pod(session: &Session, seen: &Seen, pod: &Value, sheet: &mut Sheet) -> Result<(), Failure> {
    let namespace = text(pod, "/metadata/namespace");
    let verdict = pod.pointer("/metadata/annotations").and_then(|a| a.get(annotation::VERDICT));
    let verdict = verdict.and_then(Value::as_str).unwrap_or_default();
    let object = title("Pod", pod);
    if verdict_annotation::has_injected(verdict) {
        if let Some((instrumentation, then, now)) = outdated(seen, verdict) {
            let message =
                format!("it was instrumented from generation {then} of {instrumentation}, which is at {now}");
            sheet.warn(Check::Outdated, object, message, restart(pod, namespace));
        }
        return Ok(());
    }
    let of_pod = Workload { template: "", pod: pod.clone(), owners: std::collections::BTreeMap::new() };
    let Some(decided) = session.decide(&of_pod, namespace)? else { return Ok(()) };
    if decided.decision.verdicts.iter().any(|v| v.reason == Reason::Injected) {
        let found = mistake::of_age(pod, None, &restart(pod, namespace));
        sheet.warn(Check::NotInjected, object, found.problem, found.fix);
    } else if items(pod, "/metadata/ownerReferences").is_empty() {
        // Of a workload's pods the workload has told already.
        verdicts(&object, &decided, sheet);
    }
    Ok(())
}

/// How a pod is made anew.
fn restart(pod: &Value, namespace: &str) -> String {
    let owner =
        items(pod, "/metadata/ownerReferences").iter().find(|o| o.get("controller") == Some(&json!(true)));
    let (kind, name) = owner.map(|o| (text(o, "/kind"), text(o, "/name"))).unwrap_or_default();
    match kind {
        "ReplicaSet" => {
            let hash = format!("-{}", text(pod, "/metadata/labels/pod-template-hash"));
            format!(
                "kubectl rollout restart deployment/{} -n {namespace}",
                name.strip_suffix(&hash).unwrap_or(name)
            )
        }
        "StatefulSet" | "DaemonSet" => {
            format!("kubectl rollout restart {}/{name} -n {namespace}", kind.to_lowercase())
        }
        _ => "delete the pod and create it again".to_owned(),
    }
}

/// The first Instrumentation of a verdict annotation that has changed since, with its generation then and now.
fn outdated(seen: &Seen, verdict: &str) -> Option<(String, i64, i64)> {
    verdict_annotation::parse(verdict).filter(|entry| entry.reason == Reason::Injected).find_map(|entry| {
        let source = entry.source?;
        let is_source = |i: &&Value| {
            text(i, "/metadata/namespace") == source.namespace && text(i, "/metadata/name") == source.name
        };
        let now = seen.instrumentations.iter().find(is_source)?;
        let now = now.pointer("/metadata/generation").and_then(Value::as_i64)?;
        // Zero: it came from a file.
        (source.generation > 0 && now > source.generation)
            .then(|| (source.to_string(), source.generation, now))
    })
}

/// Whether what a Namespace asks for exists.
fn of_namespace(seen: &Seen, namespace: &Value, sheet: &mut Sheet) {
    let name = text(namespace, "/metadata/name");
    let annotations = namespace.pointer("/metadata/annotations").and_then(Value::as_object);
    for (key, value) in annotations.into_iter().flatten() {
        let Some(language) = key.strip_prefix(annotation::INJECT_PREFIX) else { continue };
        let value = value.as_str().unwrap_or_default().trim();
        if value.is_empty() || value.eq_ignore_ascii_case("false") {
            continue;
        }
        let object = format!("Namespace {name}");
        if !Language::ALL.iter().any(|l| l.id() == language) {
            let message = format!("annotation {key} names no language");
            sheet.warn(Check::MisspelledAnnotation, object, message, "");
            continue;
        }
        let wanted = match (value.eq_ignore_ascii_case("true"), value.split_once('/')) {
            (true, _) => (name, None),
            (false, Some((other, wanted))) => (other, Some(wanted)),
            (false, None) => (name, Some(value)),
        };
        let exists = seen.instrumentations.iter().any(|i| {
            text(i, "/metadata/namespace") == wanted.0
                && wanted.1.is_none_or(|w| text(i, "/metadata/name") == w)
        });
        if !exists {
            let message = match wanted.1 {
                None => format!("{key}: it has no Instrumentation"),
                Some(wanted_name) => {
                    format!("{key}: Instrumentation {}/{wanted_name} does not exist", wanted.0)
                }
            };
            sheet.warn(Check::NamespaceWithoutInstrumentation, object, message, "");
        }
    }
}

/// The Instrumentations as the operator would check them when they are written.
pub(super) fn invalid(instrumentation: &Value, settings: &api::Settings) -> Option<String> {
    let violations = api::instrumentation::schema::check(instrumentation).violations;
    if let Some(violation) = violations.first() {
        return Some(violation.to_string());
    }
    api::instrumentation::validate(instrumentation, settings).error
}
