//! Whether a pod was injected before (spec 2.5, W26).

use std::sync::Arc;

use serde_json::Value;

use crate::{
    language::{AGENT_INIT_CONTAINERS, GO_SIDECAR},
    pod::{Container, Pod},
    resource::{NODE_NAME, POD_NAME, RESOURCE_ATTRIBUTES},
    sidecar, verdict_annotation,
};

/// What shows that the pod was injected before; none when it was not.
pub(crate) fn evidence(pod: &Pod<'_>) -> Option<String> {
    let init = pod.spec.init_containers.iter().flatten();
    if let Some(container) = init.clone().find(|c| AGENT_INIT_CONTAINERS.contains(&c.name.as_str())) {
        return Some(format!("it has the init container {}", container.name));
    }
    if pod.spec.containers.iter().any(|c| c.name == GO_SIDECAR) {
        return Some(format!("it has the container {GO_SIDECAR}"));
    }
    // A collector carries the node's name without being an application.
    let applications = pod.spec.containers.iter().chain(init).filter(|c| c.name != sidecar::CONTAINER);
    if let Some(container) = applications.clone().find(|c| has_field(c, NODE_NAME, "spec.nodeName")) {
        return Some(format!("container {} has {NODE_NAME} from spec.nodeName", container.name));
    }
    // A pod that is bound to a node already, or that names its node itself, has no such variable (W26).
    let names_pod = |c: &&Container| has_field(c, POD_NAME, "metadata.name") && refers_to_pod_name(c);
    if let Some(container) = applications.clone().find(names_pod) {
        return Some(format!("container {} has {RESOURCE_ATTRIBUTES} with {POD_NAME}", container.name));
    }
    let verdict = pod.metadata.annotations.get(api::annotation::VERDICT)?;
    verdict_annotation::has_injected(verdict)
        .then(|| format!("its annotation {} says so", api::annotation::VERDICT))
}

fn has_field(container: &Container, name: &str, path: &str) -> bool {
    let is_path = |source: &Arc<Value>| source["fieldRef"]["fieldPath"] == path;
    container.env.iter().flatten().any(|e| e.name == name && e.value_from.as_ref().is_some_and(is_path))
}

/// Whether the container's attributes end as injection writes them.
fn refers_to_pod_name(container: &Container) -> bool {
    let attribute = format!("k8s.pod.name=$({POD_NAME})");
    let mut attributes = container.env.iter().flatten().filter(|e| e.name == RESOURCE_ATTRIBUTES);
    attributes.any(|e| e.value.as_deref().is_some_and(|list| list.contains(&attribute)))
}
