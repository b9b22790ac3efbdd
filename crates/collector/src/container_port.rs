//! The ports of the collector's container (collector.md 12.3).

use api::collector::v1beta1::Port;
use serde_json::{Value, json};

use crate::{
    component::port::is_port_name,
    object::Fields,
    port::{Distinct, fallback_name, protocol},
    ports::{Listeners, is_valid},
};

/// Name of the port of the collector's own metrics.
pub(crate) const METRICS_PORT: &str = "metrics";

/// The ports of the container, sorted by name: those of the user, those of the configuration, that of the collector's own metrics. Of
/// ports with the same number and protocol the first stays, since pods are applied by these two.
pub(crate) fn container_ports(user: &[Port], listeners: &Listeners, metrics_port: i32) -> Vec<Port> {
    let mut distinct = Distinct::default();
    for port in user.iter().filter(|port| is_valid(port.port)) {
        let mut port = port.clone();
        // Names of Services may be longer than those of containers.
        if !port.name.is_empty() && !is_port_name(&port.name) {
            port.name = fallback_name(&port);
        }
        distinct.add(port);
    }
    let mut inferred = listeners.all();
    inferred.push(Port {
        name: METRICS_PORT.to_owned(),
        protocol: "TCP".to_owned(),
        port: metrics_port,
        ..Port::default()
    });
    inferred.sort_by(|a, b| a.name.cmp(&b.name));
    inferred.into_iter().for_each(|port| distinct.add(port));
    let mut ports = distinct.into_ports();
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    ports
}

/// An entry of a container's `ports`.
pub(crate) fn container_port(port: &Port) -> Value {
    let mut fields = Fields::new();
    fields.text("name", &port.name);
    fields.set("containerPort", port.port);
    fields.option("hostPort", port.host_port.filter(|host_port| *host_port != 0));
    fields.text("protocol", &port.protocol);
    fields.into()
}

/// What a NetworkPolicy says of a port.
pub(crate) fn policy_port(port: &Port) -> Value {
    json!({"port": port.port, "protocol": protocol(port)})
}
