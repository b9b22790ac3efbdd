//! The HorizontalPodAutoscaler, which scales the collector object (collector.md 11.6).

use api::collector::v1beta1::{Autoscaler, AutoscalerMetric, Mode};
use serde_json::{Value, json};

use crate::{
    build::Built,
    context::Context,
    object::{Fields, passed_on},
};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    let Some(autoscaler) = &context.spec().autoscaler else { return };
    match context.spec().mode {
        Mode::Deployment | Mode::StatefulSet => {}
        Mode::DaemonSet => {
            built.warn(
                "spec.autoscaler",
                "ignored, a daemonset has one pod on each node and is not scaled; remove it or use another mode",
            );
            return;
        }
        Mode::Sidecar | Mode::Other(_) => return,
    }
    let Some(max_replicas) = autoscaler.max_replicas.filter(|max| *max > 0) else {
        built.warn(
            "spec.autoscaler.maxReplicas",
            "there is no autoscaling without it; set it to the most replicas that you want",
        );
        return;
    };
    let mut spec = Fields::new();
    spec.set(
        "scaleTargetRef",
        json!({
            "apiVersion": api::collector::API_VERSION,
            "kind": api::collector::KIND,
            "name": context.name(),
        }),
    );
    spec.option("minReplicas", autoscaler.min_replicas);
    spec.set("maxReplicas", max_replicas);
    spec.option("behavior", autoscaler.behavior.as_ref().map(passed_on));
    spec.option("metrics", Some(metrics(autoscaler, built)));

    let name = context.collector_name();
    let labels = context.filtered_labels(&name);
    let mut body = Fields::new();
    body.set("spec", spec);
    built.push(context.child(
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        name,
        labels,
        context.annotations.clone(),
        body,
    ));
}

fn metrics(autoscaler: &Autoscaler, built: &mut Built) -> Vec<Value> {
    let resources =
        [("memory", autoscaler.target_memory_utilization), ("cpu", autoscaler.target_cpu_utilization)];
    let mut metrics: Vec<Value> = resources
        .into_iter()
        .filter_map(|(resource, target)| Some(resource_metric(resource, target?)))
        .collect();
    for (index, metric) in autoscaler.metrics.iter().enumerate() {
        match supported(metric) {
            Ok(pods) => metrics.push(json!({"type": "Pods", "pods": passed_on(pods)})),
            Err(problem) => {
                built.warn(format!("spec.autoscaler.metrics[{index}]"), format!("ignored, {problem}"))
            }
        }
    }
    metrics
}

/// The `pods` block of a metric that Kubernetes takes.
fn supported(metric: &AutoscalerMetric) -> Result<&Value, String> {
    match metric {
        AutoscalerMetric { kind, pods: Some(pods) } if kind == "Pods" => {
            if pods["target"]["averageValue"].is_null() {
                return Err("metrics of pods are compared by their average; set pods.target to type AverageValue with an averageValue".to_owned());
            }
            Ok(pods)
        }
        AutoscalerMetric { kind, .. } => Err(format!(
            "only metrics of type Pods with a `pods` block are supported, not {kind:?}; remove it"
        )),
    }
}

fn resource_metric(resource: &str, utilization: i32) -> Value {
    json!({
        "type": "Resource",
        "resource": {"name": resource, "target": {"type": "Utilization", "averageUtilization": utilization}},
    })
}
