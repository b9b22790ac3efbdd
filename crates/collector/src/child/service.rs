//! The Services: base, headless, monitoring, extension (collector.md 11.7 to 11.10).

use api::collector::v1beta1::{IngressType, Mode, OpenTelemetryCollectorSpec, Port};
use serde_json::{Value, json};

use crate::{
    build::{Built, Warning},
    context::Context,
    label::Labels,
    name,
    object::{Fields, passed_on},
    port::{merge, service_port},
    ports::Listeners,
};

/// Label by which monitors tell the Services apart.
pub(crate) const SERVICE_TYPE: &str = "operator.opentelemetry.io/collector-service-type";
/// Label of the headless Service.
const HEADLESS: &str = "operator.opentelemetry.io/collector-headless-service";
/// Label of the monitoring Service.
const MONITORING: &str = "operator.opentelemetry.io/collector-monitoring-service";
/// Value of the two.
const EXISTS: &str = "Exists";
/// Annotation by which OpenShift makes a certificate for a Service.
const SERVING_CERTIFICATE: &str = "service.beta.openshift.io/serving-cert-secret-name";
/// Name of the port of the collector's own metrics in its Service.
pub(crate) const MONITORING_PORT: &str = "monitoring";

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if context.is_sidecar() {
        return;
    }
    if !context.service_ports.is_empty() {
        add_base(context, built);
        add_headless(context, built);
    }
    add_monitoring(context, built);
    add_extension(context, built);
}

/// The user's ports, then those of receivers and exporters.
pub(crate) fn base_ports(
    spec: &OpenTelemetryCollectorSpec,
    listeners: &Listeners,
    warnings: &mut Vec<Warning>,
) -> Vec<Port> {
    let mut inferred: Vec<Port> = listeners.receivers_and_exporters();
    if spec.ingress.kind == IngressType::Route {
        // OpenShift's router speaks HTTP/2 without TLS to backends that say so.
        for port in &mut inferred {
            if port.app_protocol.as_deref().is_some_and(|protocol| protocol.eq_ignore_ascii_case("grpc")) {
                port.app_protocol = Some("h2c".to_owned());
            }
        }
    }
    merge(&spec.ports, &inferred, warnings)
}

fn add_base(context: &Context<'_>, built: &mut Built) {
    let name = context.collector_name();
    let mut labels = context.labels(&name);
    labels.insert(SERVICE_TYPE.to_owned(), "base".to_owned());
    let body = spec(base_spec(context));
    built.push(context.child(("v1", "Service"), name, labels, context.annotations.clone(), body));
}

fn add_headless(context: &Context<'_>, built: &mut Built) {
    let name = name::headless_service(context.name());
    let mut labels = context.labels(&context.collector_name());
    labels.insert(SERVICE_TYPE.to_owned(), "headless".to_owned());
    labels.insert(HEADLESS.to_owned(), EXISTS.to_owned());
    let mut annotations = context.annotations.clone();
    annotations.entry(SERVING_CERTIFICATE.to_owned()).or_insert_with(|| format!("{name}-tls"));
    let mut fields = base_spec(context);
    fields.set("clusterIP", "None");
    built.push(context.child(("v1", "Service"), name, labels, annotations, spec(fields)));
}

fn add_monitoring(context: &Context<'_>, built: &mut Built) {
    let name = name::monitoring_service(context.name());
    let mut labels = context.labels(&name);
    labels.insert(SERVICE_TYPE.to_owned(), "monitoring".to_owned());
    labels.insert(MONITORING.to_owned(), EXISTS.to_owned());
    let mut fields = Fields::new();
    fields.set("ports", json!([{"name": MONITORING_PORT, "port": context.metrics_port}]));
    add_families(context, &mut fields);
    add_traffic(context, &mut fields);
    built.push(context.child(("v1", "Service"), name, labels, context.annotations.clone(), spec(fields)));
}

fn add_extension(context: &Context<'_>, built: &mut Built) {
    let ports = merge(&[], &context.listeners.extensions, &mut built.warnings);
    if ports.is_empty() {
        return;
    }
    let name = name::extension_service(context.name());
    let mut labels: Labels = context.labels(&name);
    labels.insert(SERVICE_TYPE.to_owned(), "extension".to_owned());
    let mut fields = Fields::new();
    fields.set("ports", service_ports(&ports));
    add_traffic(context, &mut fields);
    built.push(context.child(("v1", "Service"), name, labels, context.annotations.clone(), spec(fields)));
}

fn base_spec(context: &Context<'_>) -> Fields {
    let mut fields = Fields::new();
    fields.set("ports", service_ports(&context.service_ports));
    // The pods of a node are served by the collector of that node.
    let policy = if context.spec().mode == Mode::DaemonSet { "Local" } else { "Cluster" };
    fields.set("internalTrafficPolicy", policy);
    add_families(context, &mut fields);
    add_traffic(context, &mut fields);
    fields
}

fn service_ports(ports: &[Port]) -> Vec<Value> {
    ports.iter().map(service_port).collect()
}

fn add_families(context: &Context<'_>, fields: &mut Fields) {
    fields.all("ipFamilies", &context.spec().ip_families);
    fields.text("ipFamilyPolicy", &context.spec().ip_family_policy);
}

fn add_traffic(context: &Context<'_>, fields: &mut Fields) {
    fields.all("selector", &context.selector);
    fields.option("trafficDistribution", context.spec().traffic_distribution.clone());
    fields.text("sessionAffinity", &context.spec().session_affinity);
    fields.option("sessionAffinityConfig", context.spec().session_affinity_config.as_ref().map(passed_on));
}

fn spec(fields: Fields) -> Fields {
    let mut body = Fields::new();
    body.set("spec", fields);
    body
}
