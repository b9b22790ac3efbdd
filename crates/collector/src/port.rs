//! Ports of Services, Ingress and routes: those of the user, then those that the configuration tells (collector.md 11.7).

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

/// The user's ports as they stand, then the inferred ones that do not collide with anything before them: gone when number and
/// protocol are taken, renamed to `port-<number>` when only the name is.
pub(crate) fn merge(user: &[Port], inferred: &[Port], warnings: &mut Vec<Warning>) -> Vec<Port> {
    let mut merged: Vec<Port> = Vec::with_capacity(user.len() + inferred.len());
    for (index, port) in user.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        if merged.iter().any(|earlier| same_listener(earlier, port)) {
            warnings.push(Warning::new(
                path,
                format!(
                    "{}/{} is already listed, this entry is ignored; remove it",
                    port.port,
                    protocol(port)
                ),
            ));
            continue;
        }
        let mut port = port.clone();
        if port.name.is_empty() && user.len() + inferred.len() > 1 {
            port.name = fallback_name(&port);
        }
        if !renamed(&mut port, &merged) {
            continue;
        }
        merged.push(port);
    }
    for port in inferred {
        if merged.iter().any(|earlier| same_listener(earlier, port)) {
            continue;
        }
        let mut port = port.clone();
        if renamed(&mut port, &merged) {
            merged.push(port);
        }
    }
    merged
}

/// Gives `port` a name that no earlier port has; false if there is none.
pub(crate) fn renamed(port: &mut Port, earlier: &[Port]) -> bool {
    let taken = |name: &str| earlier.iter().any(|other| other.name == name);
    if taken(&port.name) {
        port.name = fallback_name(port);
    }
    !taken(&port.name)
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
