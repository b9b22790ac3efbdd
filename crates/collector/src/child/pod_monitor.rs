//! The PodMonitor of sidecars, which have no Services (collector.md 11.14).

use api::collector::v1beta1::Port;
use serde_json::{Value, json};

use crate::{
    build::Built,
    context::Context,
    label::{self, INJECTED, INSTANCE, MANAGED_BY, NAME},
    object::Fields,
    port::same_listener,
};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if !context.is_sidecar() || !context.monitored() {
        return;
    }
    // Found by number: beside ports of the user both may go by other names than their own.
    let own = Port { port: context.metrics_port, ..Port::default() };
    let mut names: Vec<&str> = std::iter::once(&own)
        .chain(&context.listeners.prometheus_exporters)
        .filter_map(|wanted| context.container_ports.iter().find(|port| same_listener(port, wanted)))
        .map(|port| port.name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    names.dedup();
    let endpoints: Vec<Value> = names.into_iter().map(|name| json!({"port": name})).collect();
    let name = context.collector_name();
    let labels = context.labels(&name);
    let mut body = Fields::new();
    body.set(
        "spec",
        json!({
            "jobLabel": INSTANCE,
            "podTargetLabels": [NAME, INSTANCE, MANAGED_BY],
            "namespaceSelector": {"matchNames": [context.namespace()]},
            // Injected pods have the labels of their application, and this one.
            "selector": {"matchLabels": {INJECTED: label::instance_as_reference(&context.collector.metadata)}},
            "podMetricsEndpoints": endpoints,
        }),
    );
    built.push(context.child(
        ("monitoring.coreos.com/v1", "PodMonitor"),
        name,
        labels,
        Default::default(),
        body,
    ));
}
