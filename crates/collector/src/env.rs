//! Environment variables of the collector's container (collector.md 12.3).

use serde_json::{Value, json};

use crate::{
    component::Kind,
    config::{Config, split_id},
    container::NAME,
    settings::Settings,
};

/// The user's variables as they stand, then ours where the user has none of that name.
pub(crate) fn env(user: &[Value], config: &Config<'_>, settings: &Settings) -> Vec<Value> {
    let mut env = user.to_vec();
    let mut add = |variable: Value| {
        if !env.iter().any(|earlier| earlier["name"] == variable["name"]) {
            env.push(variable);
        }
    };
    add(from_field("POD_NAME", "metadata.name"));
    // The Go runtime keeps to the limits of the container.
    add(from_resource("GOMEMLIMIT", "limits.memory"));
    add(from_resource("GOMAXPROCS", "limits.cpu"));
    if asks_the_kubelet(config) {
        add(from_field("K8S_NODE_NAME", "spec.nodeName"));
    }
    for (name, value) in &settings.proxy {
        add(json!({"name": name, "value": value}));
    }
    env
}

/// Whether a receiver reads from the kubelet of its node, whose name the default configuration takes from the environment.
fn asks_the_kubelet(config: &Config<'_>) -> bool {
    let mut receivers = config.enabled(Kind::Receiver).keys();
    receivers.any(|id| matches!(split_id(id).0, "kubelet_stats" | "kubeletstats"))
}

/// A variable with a field of the pod.
pub(crate) fn from_field(name: &str, path: &str) -> Value {
    json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}})
}

fn from_resource(name: &str, resource: &str) -> Value {
    json!({"name": name, "valueFrom": {"resourceFieldRef": {"containerName": NAME, "resource": resource}}})
}
