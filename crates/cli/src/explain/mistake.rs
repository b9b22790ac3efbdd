//! The classic mistakes: what keeps pods from being instrumented although somebody meant them to be.

use api::{Language, annotation};
use inject::{Asked, Reason, Request, Verdict, startup::Stuck};
use serde_json::{Map, Value};

use super::{report::Finding, wish::Wish};
use crate::{object::Object, workload::Workload};

/// What stands in the wrong place of a workload, or is spelled wrongly.
pub(crate) fn of_annotations(object: &Object<'_>, workload: &Workload) -> Vec<Finding> {
    let mut findings = misplaced(object, workload);
    findings.extend(misspelled_in(object, workload));
    findings
}

/// Keys in the template's annotations that look like requests and are none.
pub(crate) fn misspelled_in(object: &Object<'_>, workload: &Workload) -> Vec<Finding> {
    let annotations = object.value.pointer(&format!("{}/metadata/annotations", workload.template));
    annotations.and_then(Value::as_object).into_iter().flat_map(misspelled).collect()
}

/// Requests that stand where nothing reads them.
pub(crate) fn misplaced(object: &Object<'_>, workload: &Workload) -> Vec<Finding> {
    let mut findings = Vec::new();
    let template = workload.template.trim_start_matches('/').replace('/', ".");
    let right = if template.is_empty() {
        "metadata.annotations".to_owned()
    } else {
        format!("{template}.metadata.annotations")
    };
    let map = |pointer: &str| object.value.pointer(pointer).and_then(Value::as_object);
    let mut wrong_places = vec![("/metadata/labels".to_owned(), "a label")];
    if !workload.template.is_empty() {
        wrong_places.push(("/metadata/annotations".to_owned(), "an annotation"));
        wrong_places.push(("/spec/metadata/annotations".to_owned(), "an annotation"));
        wrong_places.push((format!("{}/metadata/labels", workload.template), "a label"));
        wrong_places.push(("/spec/template/annotations".to_owned(), "an annotation"));
    }
    for (pointer, what) in wrong_places {
        let place = pointer.trim_start_matches('/').replace('/', ".");
        for (key, value) in map(&pointer).into_iter().flatten().filter(|(key, _)| is_request(key)) {
            findings.push(Finding::new(
                format!(
                    "{key}: {value} stands in {place} of the {}, as {what} that nothing reads",
                    object.kind
                ),
                format!("move it to {right}"),
            ));
        }
    }
    findings
}

/// What an injected container keeps from starting; `others` are pods beside the one that is told of.
pub(crate) fn of_start(stuck: &Stuck, pod: &Value, others: usize) -> Finding {
    let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    let Stuck { container, reason, message, .. } = stuck;
    Finding::new(
        format!("pod {name}{more} cannot start: container {container}: {reason}: {message}"),
        stuck.fix.clone(),
    )
}

/// Whether a key asks for, or concerns, injection.
fn is_request(key: &str) -> bool {
    key.starts_with(annotation::INJECT_PREFIX)
        || key == annotation::SIDECAR_INJECT
        || Language::ALL.iter().any(|l| l.info().container_names == key)
}

/// Keys that look like requests and are none.
fn misspelled(annotations: &Map<String, Value>) -> impl Iterator<Item = Finding> {
    annotations.keys().filter(|key| !key.starts_with(annotation::INJECT_PREFIX)).filter_map(|key| {
        let (prefix, rest) = key.rsplit_once('/').unwrap_or(("", key));
        let about_us = prefix.is_empty() || prefix.contains("opentelemetry") || prefix.contains("otel");
        let wanted = rest.to_ascii_lowercase().replace(['_', '-'], "");
        let language = wanted
            .strip_prefix("inject")
            .and_then(|l| Language::ALL.into_iter().find(|language| language.id().replace('-', "") == l))?;
        let right = language.info().inject;
        about_us.then(|| Finding::new(format!("annotation {key} is not known"), format!("write {right}")))
    })
}

/// Values that people write for `true`.
pub(crate) fn of_value(request: &Request, verdict: &Verdict) -> Option<Finding> {
    if !matches!(verdict.reason, Reason::InstrumentationNotFound | Reason::CollectorNotFound) {
        return None;
    }
    let Wish { asked: Asked::Named { .. }, value, key, kind, .. } = Wish::of(request, verdict)? else {
        return None;
    };
    let meant = value.trim().to_ascii_lowercase();
    ["true", "yes", "on", "1", "y", "enabled", "enable", "inject"].contains(&meant.as_str()).then(|| {
        Finding::new(
            format!("{key}: {value:?} is taken for the name of an {kind}"),
            format!("write {key}: \"true\""),
        )
    })
}

/// An Instrumentation or collector that is there, but in another namespace. `elsewhere` holds namespaces and names.
pub(crate) fn of_namespace(
    request: &Request,
    verdict: &Verdict,
    elsewhere: &[(String, String)],
) -> Option<Finding> {
    if !matches!(
        verdict.reason,
        Reason::NoInstrumentation
            | Reason::InstrumentationNotFound
            | Reason::NoCollector
            | Reason::CollectorNotFound
    ) {
        return None;
    }
    let Wish { asked, key, kind, .. } = Wish::of(request, verdict)?;
    let wanted = match asked {
        Asked::Named { name, .. } => Some(name),
        Asked::TheOnlyOne | Asked::Nothing => None,
    };
    let mut others = elsewhere.iter().filter(|(namespace, name)| {
        *namespace != request.namespace && wanted.is_none_or(|wanted| wanted == name)
    });
    // Of several, nobody knows which one is meant.
    let (Some((namespace, name)), None) = (others.next(), others.next()) else { return None };
    Some(Finding::new(
        format!("{kind} {name} is in namespace {namespace}, the pod is in {}", request.namespace),
        format!(
            "write {key}: \"{namespace}/{name}\", or create an {kind} in namespace {}",
            request.namespace
        ),
    ))
}

/// A running pod that is not instrumented although it would be now.
pub(crate) fn of_age(pod: &Value, source: Option<(&str, &Value)>, restart: &str) -> Finding {
    let created = |object: &Value| {
        object.pointer("/metadata/creationTimestamp").and_then(Value::as_str).map(str::to_owned)
    };
    let name = |object: &Value| {
        object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let problem = match (created(pod), source.and_then(|(kind, s)| Some((kind, name(s), created(s)?)))) {
        // RFC 3339 in UTC, as the API server writes it: the order of texts is that of times.
        (Some(of_pod), Some((kind, source, made))) if made > of_pod => format!(
            "{kind} {source} was created at {made}, after pod {} ({of_pod}): a pod is instrumented only when it is created",
            name(pod)
        ),
        _ => format!(
            "pod {} is not instrumented, but would be if it were created now: the annotation, the object that it names or the operator came later",
            name(pod)
        ),
    };
    Finding::new(problem, restart)
}

/// The Service that an endpoint names by a short name, which only works in the Service's own namespace.
pub(crate) fn short_host(endpoint: &str) -> Option<&str> {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?', '#']).next()?;
    let plain =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (plain && host != "localhost").then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(annotations: &Value) -> Vec<String> {
        misspelled(annotations.as_object().unwrap()).map(|f| format!("{} {}", f.problem, f.fix)).collect()
    }

    #[test]
    fn misspelled_keys_are_recognised() {
        let found = keys(&json!({
            "opentelemetry.io/inject-java": "true",
            "instrumentation.opentelemetry.io/inject_nodejs": "true",
            "inject-python": "true",
            "sidecar.opentelemetry.io/inject": "true",
            "vault.example/inject-java": "true",
        }));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("write instrumentation.opentelemetry.io/inject-python"), "{found:?}");
    }

    #[test]
    fn a_short_host_is_a_service_of_the_pods_namespace() {
        assert_eq!(short_host("http://demo-collector:4317"), Some("demo-collector"));
        for other in [
            "http://c.ns:4317",
            "http://localhost:4318",
            "http://$(OTEL_NODE_IP):4317",
            "http://10.0.0.1",
            "",
        ] {
            assert_eq!(short_host(other), None, "{other}");
        }
    }

    #[test]
    fn the_order_of_creation_is_told() {
        let pod = json!({"metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        let later = json!({"metadata": {"name": "i", "creationTimestamp": "2026-01-01T00:00:01Z"}});
        assert!(
            of_age(&pod, Some(("Instrumentation", &later)), "")
                .problem
                .starts_with("Instrumentation i was created at 2026-01-01T00:00:01Z, after pod p")
        );
        assert!(
            of_age(&later, Some(("Instrumentation", &pod)), "")
                .problem
                .starts_with("pod i is not instrumented, but would be")
        );
    }
}
