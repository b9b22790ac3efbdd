//! The PodMonitor of sidecars, which have no Services (collector.md 11.14).

use serde_json::{Value, json};

use crate::{
    build::Built,
    container_port::{self, METRICS_PORT},
    context::Context,
    label::{self, INJECTED, INSTANCE, MANAGED_BY, NAME},
    object::Fields,
    port,
};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if !context.is_sidecar() || !context.monitored() {
        return;
    }
    let ports = container_port::current(context);
    let own = ports.iter().find(|port| port.inferred_name == METRICS_PORT);
    let exporters = context.listeners.prometheus_exporters.iter().filter_map(|exporter| {
        ports.iter().find(|port| port.number == exporter.port && port.protocol() == port::protocol(exporter))
    });
    let mut names: Vec<&str> =
        own.into_iter().chain(exporters).map(|port| port.name.as_str()).filter(|name| !name.is_empty()).collect();
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
    built.push(context.child(("monitoring.coreos.com/v1", "PodMonitor"), name, labels, Default::default(), body));
}
