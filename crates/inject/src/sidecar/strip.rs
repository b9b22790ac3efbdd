//! A pod without its sidecar, for [`crate::uninject`].

use api::{
    annotation::SIDECAR_INJECTED,
    collector::sidecar::{CONTAINER, Offer},
};
use serde_json::Value;

use super::choose;
use crate::{
    facts::Facts,
    pod::Pod,
    request::{Asked, Request, SidecarRequest},
    verdict_annotation::injected_sidecar,
};

/// Whether the collector's container in a pod was injected: our label or our verdict says so.
pub(crate) fn is_injected(pod: &Pod<'_>, verdict: &str) -> bool {
    let labelled = pod.metadata.labels.contains_key(SIDECAR_INJECTED);
    pod.all_containers().any(|c| c.name == CONTAINER) && (labelled || injected_sidecar(verdict).is_some())
}

/// What was asked for: the verdict names the collector, or else the label, or the annotations still do.
pub(crate) fn requested(request: &mut Request, pod: &Pod<'_>, verdict: &str) {
    let label = pod.metadata.labels.get(SIDECAR_INJECTED).and_then(|label| label.split_once('.'));
    let Some((namespace, name)) = injected_sidecar(verdict).or(label) else { return };
    let asked = Asked::Named { namespace: namespace.to_owned(), name: name.to_owned() };
    let value = format!("{namespace}/{name}");
    request.sidecar = Some(SidecarRequest { asked, from_namespace: false, value });
}

/// Takes container and label out of the pod, and what the collector added beside them. What of that is not known is said.
pub(crate) fn strip(pod: &mut Value, request: &Request, facts: &Facts, kept: &mut Vec<String>) {
    if let Some(labels) = pod.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(SIDECAR_INJECTED);
        if labels.is_empty()
            && let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("labels");
        }
    }
    retain(pod, "containers", |container| name(container) != CONTAINER);
    retain(pod, "initContainers", |container| name(container) != CONTAINER);
    let Some(wanted) = &request.sidecar else { return };
    match choose(wanted, request, &facts.collectors).map(|collector| &collector.offer) {
        Ok(Ok(offer)) => strip_offer(pod, offer),
        _ => kept.push(format!(
            "init containers and volumes of OpenTelemetryCollector {}, if it has any: it is not known",
            wanted.value
        )),
    }
}

fn strip_offer(pod: &mut Value, offer: &Offer) {
    let same = |list: &[Value], item: &Value| list.iter().any(|of_offer| is_made_of(item, of_offer));
    retain(pod, "initContainers", |container| !same(&offer.init_containers, container));
    let mounted: Vec<String> = ["containers", "initContainers"]
        .into_iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten()
        .filter_map(|container| container["volumeMounts"].as_array())
        .flatten()
        .map(|mount| name(mount).to_owned())
        .collect();
    retain(pod, "volumes", |volume| {
        !same(&offer.volumes, volume) || mounted.iter().any(|mounted| mounted == name(volume))
    });
}

/// Whether everything that the offered item says is in this one: the API server may have filled in defaults.
fn is_made_of(item: &Value, offered: &Value) -> bool {
    match (item, offered) {
        (Value::Object(item), Value::Object(offered)) => {
            offered.iter().all(|(key, offered)| item.get(key).is_some_and(|item| is_made_of(item, offered)))
        }
        (Value::Array(item), Value::Array(offered)) => {
            offered.iter().all(|offered| item.iter().any(|item| is_made_of(item, offered)))
        }
        (item, offered) => item == offered,
    }
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

fn retain(pod: &mut Value, list: &str, keep: impl Fn(&Value) -> bool) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let Some(items) = spec.get_mut(list).and_then(Value::as_array_mut) else { return };
    items.retain(keep);
    if items.is_empty() {
        spec.remove(list);
    }
}
