//! Who listens where.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Code, Context, Finding};
use crate::{
    component::{Kind, port::understood_ports},
    config::{Config, Path, endpoint, split_id, telemetry::metrics_endpoint},
};

/// A listener of the collector.
struct Listener<'a> {
    number: i32,
    transport: &'static str,
    /// `receiver otlp`, ….
    name: String,
    /// The endpoint as written, empty if it is a default.
    endpoint: &'a str,
    path: Path,
}

/// Extensions that listen without a port in the Service, and their default.
const EXTENSIONS: [(&str, i32); 2] = [("pprof", 1777), ("zpages", 55679)];

pub(super) fn check(config: &Config<'_>, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let listeners = listeners(config);
    numbers(&listeners, findings);
    conflicts(config, &listeners, findings);
    protocols(config, findings);
    local(config, context, findings);
}

fn listeners<'a>(config: &Config<'a>) -> Vec<Listener<'a>> {
    let mut listeners: Vec<Listener<'a>> = understood_ports(config)
        .into_iter()
        .map(|port| Listener {
            number: port.number,
            transport: port.transport(),
            name: format!("{} {}", port.component.0.name(), port.component.1),
            endpoint: text_at(config.raw, &port.path),
            path: port.path,
        })
        .collect();
    for (id, body) in config.enabled(Kind::Extension) {
        let Some((_, default)) = EXTENSIONS.iter().find(|(name, _)| *name == split_id(id).0) else {
            continue;
        };
        let endpoint = body.and_then(|b| b.get("endpoint")).and_then(Value::as_str).unwrap_or_default();
        let path = Path::of(&["extensions", id]);
        listeners.push(Listener {
            number: endpoint::port(endpoint).unwrap_or(*default),
            transport: "TCP",
            name: format!("extension {id}"),
            endpoint,
            path: if endpoint.is_empty() { path } else { path.join("endpoint") },
        });
    }
    listeners
}

fn text_at<'a>(raw: &'a Value, path: &Path) -> &'a str {
    let found = path.0.iter().try_fold(raw, |value, step| match step {
        crate::config::Step::Key(key) => value.get(key),
        crate::config::Step::Index(index) => value.get(*index),
    });
    found.and_then(Value::as_str).unwrap_or_default()
}

fn numbers(listeners: &[Listener<'_>], findings: &mut Vec<Finding>) {
    for listener in listeners.iter().filter(|l| l.number > 65535) {
        findings.push(Finding::new(
            Code::InvalidPort,
            listener.path.clone(),
            format!("{} has port {}", listener.name, listener.number),
            "use a port from 1 to 65535",
        ));
    }
}

/// Equal numbers are a conflict when one side takes every address or both take the same.
fn conflicts(config: &Config<'_>, listeners: &[Listener<'_>], findings: &mut Vec<Finding>) {
    let mut taken: BTreeMap<(i32, &str), Vec<&Listener<'_>>> = BTreeMap::new();
    for listener in listeners {
        let same_port = taken.entry((listener.number, listener.transport)).or_default();
        // The first one stands for all that take every address, so this stays linear however many there are.
        if let Some(other) = same_port.iter().take(8).find(|other| overlap(other.endpoint, listener.endpoint))
        {
            findings.push(Finding::new(
                Code::DuplicatePort,
                listener.path.clone(),
                format!(
                    "{} listens on {} {}, where {} listens as well",
                    listener.name, listener.transport, listener.number, other.name
                ),
                "give one of them another port",
            ));
        }
        same_port.push(listener);
    }
    let Ok(metrics) = metrics_endpoint(config.telemetry()) else { return };
    let host = format!("{}:{}", metrics.host, metrics.port);
    for listener in taken.get(&(metrics.port, "TCP")).into_iter().flatten() {
        if overlap(&host, listener.endpoint) {
            findings.push(Finding::new(
                Code::PortInUse,
                listener.path.clone(),
                format!("{} listens on {}, the port of the collector's own metrics", listener.name, metrics.port),
                "give it another port, or move the metrics with a reader under service.telemetry.metrics.readers",
            ));
        }
    }
}

fn overlap(a: &str, b: &str) -> bool {
    let host = |endpoint: &str| match endpoint {
        "" => Some(String::new()),
        _ => endpoint::host(endpoint),
    };
    let every = |host: &Option<String>| host.as_deref().is_some_and(|h| matches!(h, "" | "0.0.0.0" | "::"));
    let (a_host, b_host) = (host(a), host(b));
    let listens = |host: &Option<String>| match host {
        None => true,
        Some(host) => {
            every(&Some(host.clone())) || endpoint::is_local(host) || host.parse::<std::net::IpAddr>().is_ok()
        }
    };
    // A host name is somebody else's: an unknown component that is a client.
    if !listens(&a_host) || !listens(&b_host) {
        return false;
    }
    every(&a_host) || every(&b_host) || (a_host.is_some() && a_host == b_host) || (a_host.is_none() && a == b)
}

const PROTOCOLS: [(&str, &[&str]); 4] = [
    ("otlp", &["grpc", "http"]),
    ("skywalking", &["grpc", "http"]),
    ("jaeger", &["grpc", "thrift_http", "thrift_compact", "thrift_binary"]),
    ("loki", &["grpc", "http"]),
];

/// Protocols of receivers: unknown ones, and OTLP's two ports the wrong way round.
fn protocols(config: &Config<'_>, findings: &mut Vec<Finding>) {
    for (id, body) in config.enabled(Kind::Receiver) {
        let name = split_id(id).0;
        let Some((_, known)) = PROTOCOLS.iter().find(|(known, _)| *known == name) else { continue };
        let Some(protocols) = body.and_then(|b| b.get("protocols")).and_then(Value::as_object) else {
            continue;
        };
        for (protocol, body) in protocols {
            let path = Path::of(&["receivers", id, "protocols", protocol]);
            if !known.contains(&protocol.as_str()) {
                findings.push(Finding::new(
                    Code::UnknownProtocol,
                    path,
                    format!(
                        "receiver {id} has the unknown protocol {protocol}; unknown protocol set: {protocol}"
                    ),
                    format!("use {}, or add its port to spec.ports", known.join(" or ")),
                ));
                continue;
            }
            let endpoint = body.get("endpoint").and_then(Value::as_str).unwrap_or_default();
            let (wrong, right) = if protocol == "grpc" { (4318, 4317) } else { (4317, 4318) };
            if name == "otlp" && endpoint::port(endpoint) == Some(wrong) {
                findings.push(Finding::new(
                    Code::OtlpPortMixedUp,
                    path.join("endpoint"),
                    format!("receiver {id} takes OTLP over {protocol} on {wrong}, which is the other protocol's port"),
                    format!("use {right}"),
                ));
            }
        }
    }
}

fn local(config: &Config<'_>, context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !context.object.as_ref().is_some_and(|object| object.has_service) {
        return;
    }
    for port in understood_ports(config).into_iter().filter(|port| port.component.0 == Kind::Receiver) {
        let endpoint = text_at(config.raw, &port.path);
        let host = endpoint::host(endpoint).unwrap_or_default();
        if endpoint::is_local(&host) {
            findings.push(Finding::new(
                Code::ListensOnLocalhost,
                port.path,
                format!(
                    "receiver {} listens on {endpoint}, which only its own pod reaches",
                    port.component.1
                ),
                format!("use 0.0.0.0:{}", port.number),
            ));
        }
    }
}
