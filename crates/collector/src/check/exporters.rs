//! Where exporters send to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Code, Context, Finding};
use crate::{
    component::{Kind, port::understood_ports},
    config::{Config, Path, endpoint, environment, split_id},
};

/// Exporters that do not start without one of these settings.
const REQUIRED: [(&str, &[&str]); 6] = [
    ("otlp", &["endpoint"]),
    ("otlp_grpc", &["endpoint"]),
    ("otlphttp", HTTP_ENDPOINTS),
    ("otlp_http", HTTP_ENDPOINTS),
    ("zipkin", &["endpoint"]),
    ("prometheusremotewrite", &["endpoint"]),
];

const HTTP_ENDPOINTS: &[&str] =
    &["endpoint", "traces_endpoint", "metrics_endpoint", "logs_endpoint", "profiles_endpoint"];

pub(super) fn check(config: &Config<'_>, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let own_ports: BTreeMap<i32, String> = understood_ports(config)
        .into_iter()
        .filter(|port| port.component.0 == Kind::Receiver && port.transport() == "TCP")
        .map(|port| (port.number, port.component.1))
        .collect();
    for (id, body) in config.enabled(Kind::Exporter) {
        let name = split_id(id).0;
        let empty = Map::new();
        let body = match body {
            Some(Value::Object(body)) => body,
            Some(Value::Null) => &empty,
            _ => continue,
        };
        let path = Path::of(&["exporters", id]);
        if let Some((_, keys)) = REQUIRED.iter().find(|(known, _)| *known == name)
            && keys.iter().all(|key| matches!(body.get(*key), None | Some(Value::Null)))
        {
            findings.push(Finding::new(
                Code::MissingEndpoint,
                path.clone(),
                format!("exporter {id} has no endpoint"),
                "set its endpoint",
            ));
        }
        if name == "prometheus" {
            continue;
        }
        for key in HTTP_ENDPOINTS {
            let Some(endpoint) = body.get(*key).and_then(Value::as_str) else { continue };
            let path = path.join(*key);
            mixed_up(name, id, endpoint, path.clone(), findings);
            itself(id, endpoint, path, &own_ports, context, findings);
        }
    }
}

fn mixed_up(name: &str, id: &str, endpoint: &str, path: Path, findings: &mut Vec<Finding>) {
    let (protocol, wrong, right) = match name {
        "otlp" | "otlp_grpc" => ("gRPC", 4318, "4317 here, or the exporter otlphttp"),
        "otlphttp" | "otlp_http" => ("HTTP", 4317, "4318 here, or the exporter otlp"),
        _ => return,
    };
    if endpoint::port(endpoint) == Some(wrong) {
        findings.push(Finding::new(
            Code::OtlpPortMixedUp,
            path,
            format!("exporter {id} speaks OTLP over {protocol} to port {wrong}, where the other protocol is expected"),
            format!("use {right}"),
        ));
    }
}

fn itself(
    id: &str,
    endpoint: &str,
    path: Path,
    own_ports: &BTreeMap<i32, String>,
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
) {
    let Some(receiver) = endpoint::port(endpoint).and_then(|port| own_ports.get(&port)) else { return };
    if environment::is_reference(endpoint) {
        return;
    }
    let Some(host) = endpoint::host(endpoint) else { return };
    if !endpoint::is_local(&host) && host != "0.0.0.0" && !is_own_service(&host, context) {
        return;
    }
    findings.push(Finding::new(
        Code::ExportsToItself,
        path,
        format!("exporter {id} sends to {endpoint}, where receiver {receiver} of the same collector listens"),
        "point it at the next collector or backend; to join pipelines, use a connector",
    ));
}

/// `<name>-collector`, `<name>-collector.<namespace>`, `….svc`, `….svc.cluster.local`, and the headless one.
fn is_own_service(host: &str, context: &Context<'_>) -> bool {
    let Some(object) = &context.object else { return false };
    let mut labels = host.split('.');
    let service = labels.next().unwrap_or_default();
    let own = service
        .strip_prefix(object.name)
        .is_some_and(|rest| rest == "-collector" || rest == "-collector-headless");
    let namespace = labels.next().unwrap_or(object.namespace);
    let rest: Vec<&str> = labels.collect();
    let in_cluster = matches!(&rest[..], [] | ["svc"] | ["svc", ..]);
    own && in_cluster && (namespace == object.namespace || object.namespace.is_empty())
}
