//! Whether a pod was injected before (spec 2.5, W26).

use crate::{
    language::{AGENT_INIT_CONTAINERS, GO_SIDECAR},
    pod::Pod,
    resource::NODE_NAME,
    verdict_annotation,
};

/// Collector sidecar of ours; it carries the node's name without being an application.
const COLLECTOR_SIDECAR: &str = "otc-container";

/// What shows that the pod was injected before; none when it was not.
pub(crate) fn evidence(pod: &Pod<'_>) -> Option<String> {
    let init = pod.spec.init_containers.iter().flatten();
    if let Some(container) = init.clone().find(|c| AGENT_INIT_CONTAINERS.contains(&c.name.as_str())) {
        return Some(format!("it has the init container {}", container.name));
    }
    if pod.spec.containers.iter().any(|c| c.name == GO_SIDECAR) {
        return Some(format!("it has the container {GO_SIDECAR}"));
    }
    let node_name = |container: &&crate::pod::Container| {
        let from_node = |source: &serde_json::Value| {
            source.pointer("/fieldRef/fieldPath").and_then(|p| p.as_str()) == Some("spec.nodeName")
        };
        container.name != COLLECTOR_SIDECAR
            && container
                .env
                .iter()
                .flatten()
                .any(|e| e.name == NODE_NAME && e.value_from.as_ref().is_some_and(from_node))
    };
    if let Some(container) = pod.spec.containers.iter().chain(init).find(node_name) {
        return Some(format!("container {} has {NODE_NAME} from spec.nodeName", container.name));
    }
    let verdict = pod.metadata.annotations.get(api::annotation::VERDICT)?;
    verdict_annotation::has_injected(verdict)
        .then(|| format!("its annotation {} says so", api::annotation::VERDICT))
}
