//! The ServiceMonitors: of Prometheus exporters, and of the collector's own metrics (collector.md 11.14).

use serde_json::{Value, json};

use super::service::{MONITORING_PORT, SERVICE_TYPE};
use crate::{build::Built, context::Context, name, object::Fields, port};

const API: (&str, &str) = ("monitoring.coreos.com/v1", "ServiceMonitor");

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if context.is_sidecar() || !context.monitored() {
        return;
    }
    // The name of an exporter's port in the Service: there it may have had to give way to a port of the user.
    let endpoints: Vec<Value> = context
        .listeners
        .prometheus_exporters
        .iter()
        .filter_map(|exporter| context.service_ports.iter().find(|port| port::same_listener(port, exporter)))
        .filter(|port| !port.name.is_empty())
        .map(|port| json!({"port": port.name}))
        .collect();
    if !endpoints.is_empty() {
        add_monitor(context, built, context.collector_name(), "base", endpoints);
    }
    let name = name::monitoring_monitor(context.name());
    add_monitor(context, built, name, "monitoring", vec![json!({"port": MONITORING_PORT})]);
}

fn add_monitor(
    context: &Context<'_>,
    built: &mut Built,
    name: String,
    service_type: &str,
    endpoints: Vec<Value>,
) {
    let mut labels = context.labels(&name);
    labels.extend(context.spec().observability.metrics.extra_labels.clone());
    let mut selector = context.selector.clone();
    selector.insert(SERVICE_TYPE.to_owned(), service_type.to_owned());
    let mut body = Fields::new();
    body.set(
        "spec",
        json!({
            "endpoints": endpoints,
            "namespaceSelector": {"matchNames": [context.namespace()]},
            "selector": {"matchLabels": selector},
        }),
    );
    built.push(context.child(API, name, labels, Default::default(), body));
}
