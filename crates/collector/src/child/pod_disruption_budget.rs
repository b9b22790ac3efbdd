//! The PodDisruptionBudget of collectors that have replicas (collector.md 11.5).

use api::collector::v1beta1::Mode;
use serde_json::json;

use crate::{build::Built, context::Context, object::Fields};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if !matches!(context.spec().mode, Mode::Deployment | Mode::StatefulSet) {
        return;
    }
    let mut spec = Fields::new();
    spec.set("selector", json!({"matchLabels": context.selector}));
    match &context.spec().pod_disruption_budget {
        None => spec.set("maxUnavailable", 1),
        Some(budget) => {
            spec.option("minAvailable", budget.min_available.clone());
            if budget.min_available.is_none() {
                spec.option("maxUnavailable", budget.max_unavailable.clone());
            } else if budget.max_unavailable.is_some() {
                built.warn(
                    "spec.podDisruptionBudget.maxUnavailable",
                    "ignored, a budget has either minAvailable or maxUnavailable; remove one of them",
                );
            }
        }
    }
    let name = context.collector_name();
    let labels = context.filtered_labels(&name);
    let mut body = Fields::new();
    body.set("spec", spec);
    built.push(context.child(
        ("policy/v1", "PodDisruptionBudget"),
        name,
        labels,
        context.annotations.clone(),
        body,
    ));
}
