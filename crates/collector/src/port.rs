//! Ports of Services, Ingress and routes: those of the user, then those that the configuration tells (collector.md 11.7).

use std::collections::HashSet;

use api::collector::v1beta1::Port;
use serde_json::{Value, json};

use crate::{build::Warning, object::Fields};

/// TCP where nothing is said.
pub(crate) fn protocol(port: &Port) -> &str {
    if port.protocol.is_empty() { "TCP" } else { &port.protocol }
}

/// What two ports of the same object may not have in common.
pub(crate) fn same_listener(a: &Port, b: &Port) -> bool {
    a.port == b.port && protocol(a) == protocol(b)
}

/// The name that a port gets when its own cannot be used.
pub(crate) fn fallback_name(port: &Port) -> String {
    format!("port-{}", port.port)
}

/// What paths, hosts and routes call a port.
pub(crate) fn label_of(port: &Port) -> String {
    if port.name.is_empty() { fallback_name(port) } else { port.name.clone() }
}

/// Ports of one object: no two have the same number and protocol, or the same name.
#[derive(Debug, Default)]
pub(crate) struct Distinct {
    ports: Vec<Port>,
    listeners: HashSet<(i32, String)>,
    names: HashSet<String>,
}

impl Distinct {
    /// Whether number and protocol are taken.
    pub(crate) fn has(&self, port: &Port) -> bool {
        self.listeners.contains(&(port.port, protocol(port).to_owned()))
    }

    /// Adds `port`, as `port-<number>` when its name is taken, unless that is taken as well, or its number and protocol are.
    pub(crate) fn add(&mut self, mut port: Port) {
        if self.has(&port) {
            return;
        }
        if self.names.contains(&port.name) {
            port.name = fallback_name(&port);
        }
        if port.name.is_empty() || self.names.insert(port.name.clone()) {
            self.listeners.insert((port.port, protocol(&port).to_owned()));
            self.ports.push(port);
        }
    }

    /// The ports in the order in which they were added.
    pub(crate) fn into_ports(self) -> Vec<Port> {
        self.ports
    }
}

/// The user's ports as they stand, then the inferred ones that do not collide with anything before them.
pub(crate) fn merge(user: &[Port], inferred: &[Port], warnings: &mut Vec<Warning>) -> Vec<Port> {
    let mut merged = Distinct::default();
    for (index, port) in user.iter().enumerate() {
        let mut port = port.clone();
        if merged.has(&port) {
            warnings.push(Warning::new(
                format!("spec.ports[{index}]"),
                format!(
                    "{}/{} is already listed, this entry is ignored; remove it",
                    port.port,
                    protocol(&port)
                ),
            ));
        }
        // Only a port that is alone may be without a name.
        if port.name.is_empty() && user.len() + inferred.len() > 1 {
            port.name = fallback_name(&port);
        }
        merged.add(port);
    }
    inferred.iter().cloned().for_each(|port| merged.add(port));
    merged.into_ports()
}

/// An entry of a Service's `ports`. A port of the user keeps the fields that are set; API servers fill in the others.
pub(crate) fn service_port(port: &Port) -> Value {
    let mut fields = Fields::new();
    fields.text("name", &port.name);
    fields.set("port", port.port);
    fields.text("protocol", &port.protocol);
    fields.option("appProtocol", port.app_protocol.clone());
    fields.option("targetPort", port.target_port.clone().filter(|target| !is_unset(target)));
    fields.option("nodePort", port.node_port.filter(|node_port| *node_port != 0));
    fields.into()
}

/// The zero value that older clients write for a target port that nobody set.
fn is_unset(target: &Value) -> bool {
    target.is_null() || *target == json!(0) || *target == json!("")
}
