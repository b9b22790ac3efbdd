//! What Deployment, DaemonSet and StatefulSet have in common (collector.md 11.4).

use std::collections::btree_map::Entry;

use serde_json::json;

use crate::{
    build::Built,
    child::Child,
    context::Context,
    label::{self, Labels},
    object::Fields,
    pod,
};

/// Annotation of pods: they roll when the configuration changes.
const CONFIG_HASH: &str = "opentelemetry-operator-config/sha256";
/// Annotation of pods: the ones about Prometheus are the operator's.
const PROMETHEUS_ADDED: &str = "operator.opentelemetry.io/prometheus-annotations-added";

/// Selector and template.
pub(crate) fn spec(context: &Context<'_>, built: &mut Built) -> Fields {
    let mut spec = Fields::new();
    spec.set("selector", json!({"matchLabels": context.selector}));
    spec.set(
        "template",
        json!({
            "metadata": {
                "labels": context.filtered_labels(&context.collector_name()),
                "annotations": pod_annotations(context),
            },
            "spec": serde_json::Value::from(pod::spec(context, &mut built.warnings)),
        }),
    );
    spec
}

/// The workload of this kind.
pub(crate) fn child(context: &Context<'_>, kind: &'static str, spec: Fields) -> Child {
    let name = context.collector_name();
    let labels = context.filtered_labels(&name);
    let mut body = Fields::new();
    body.set("spec", spec);
    context.child(("apps/v1", kind), name, labels, context.annotations.clone(), body)
}

/// How many pods are wished. An autoscaler writes `spec.replicas`, which never goes below its least.
pub(crate) fn replicas(context: &Context<'_>) -> Option<i32> {
    let least = context.spec().autoscaler.as_ref().and_then(|autoscaler| autoscaler.min_replicas);
    least.max(context.spec().replicas)
}

/// Annotations of the pods (collector.md 10.4).
fn pod_annotations(context: &Context<'_>) -> Labels {
    let spec = context.spec();
    let mut annotations = context.annotations.clone();
    annotations.extend(label::passed_on(&spec.pod_annotations, &context.settings.annotations_filter));
    if !spec.observability.metrics.disable_prometheus_annotations {
        let port = context.metrics_port.to_string();
        let mut added = false;
        for (key, value) in [("scrape", "true"), ("port", &port), ("path", "/metrics")] {
            if let Entry::Vacant(vacant) = annotations.entry(format!("prometheus.io/{key}")) {
                vacant.insert(value.to_owned());
                added = true;
            }
        }
        if added {
            annotations.insert(PROMETHEUS_ADDED.to_owned(), "true".to_owned());
        }
    }
    annotations.insert(CONFIG_HASH.to_owned(), context.config_hash.clone());
    annotations
}
