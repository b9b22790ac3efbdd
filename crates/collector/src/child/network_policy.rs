//! The NetworkPolicy that lets traffic in to the collector's ports, and to no others (collector.md 11.15).

use serde_json::{Value, json};

use crate::{build::Built, container_port::policy_port, context::Context, name, object::Fields};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if context.is_sidecar() || context.spec().network_policy.enabled != Some(true) {
        return;
    }
    let ports: Vec<Value> = context.container_ports.iter().map(policy_port).collect();
    let name = name::network_policy(context.name());
    let labels = context.filtered_labels(&name);
    let mut body = Fields::new();
    body.set(
        "spec",
        json!({
            "podSelector": {"matchLabels": context.selector},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}],
        }),
    );
    built.push(context.child(
        ("networking.k8s.io/v1", "NetworkPolicy"),
        name,
        labels,
        context.annotations.clone(),
        body,
    ));
}
