//! What a collector adds to a pod (collector.md 16.2).

use std::{collections::BTreeMap, rc::Rc};

use api::{annotation::SIDECAR_INJECTED, collector::sidecar::Offer, instrumentation::ResourceRequirements};
use serde_json::{Value, json};

use crate::{
    draft::{Container, Draft, Volume},
    env::{Entry, Environment},
    facts::{Facts, OwnerLookup},
    limit_range,
    pod::Pod,
    request::Request,
    resource::{NODE_NAME, POD_NAME, POD_UID, RESOURCE_ATTRIBUTES},
};

/// Puts the collector's part into the draft. Gives back what a user should know.
pub(super) fn add(
    pod: &Pod<'_>,
    request: &Request,
    facts: &Facts,
    offer: &Offer,
    draft: &mut Draft,
) -> Vec<String> {
    let mut notes = offer.notes.clone();
    let mut container = Container::from_value(&offer.container);
    attributes(pod, request, facts, &mut container.env);
    notes.extend(fit_resources(&mut container, facts));
    let init = offer.init_containers.iter().map(|c| Rc::new(Container::from_value(c)));
    draft.init_containers.extend(init);
    if facts.native_sidecars {
        stay(&mut container);
        draft.init_containers.push(Rc::new(container));
    } else {
        draft.containers.push(Rc::new(container));
    }
    draft.volumes.extend(offer.volumes.iter().map(|volume| {
        let name = volume["name"].as_str().unwrap_or_default();
        Volume { origin: None, name: name.to_owned(), value: volume.clone() }
    }));
    draft.labels.insert(SIDECAR_INJECTED.to_owned(), offer.label.clone());
    notes
}

/// An init container that stays, and after which the others start once it is up
/// (<https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>).
fn stay(container: &mut Container) {
    container.fields.insert("restartPolicy".to_owned(), json!("Always"));
    if container.fields.contains_key("startupProbe") {
        return;
    }
    if let Some(mut probe) = container.fields.get("readinessProbe").cloned() {
        // One success is all that a startup probe may ask for.
        if let Some(probe) = probe.as_object_mut() {
            probe.remove("successThreshold");
        }
        container.fields.insert("startupProbe".to_owned(), probe);
    }
}

/// The collector's own resource attributes, unless its user wrote some.
fn attributes(pod: &Pod<'_>, request: &Request, facts: &Facts, env: &mut Environment) {
    if env.has(RESOURCE_ATTRIBUTES) {
        return;
    }
    let mut attributes = owners(pod, facts);
    attributes.insert("k8s.namespace.name".to_owned(), request.namespace.clone());
    let fields = [
        (POD_NAME, "metadata.name", "k8s.pod.name"),
        (POD_UID, "metadata.uid", "k8s.pod.uid"),
        (NODE_NAME, "spec.nodeName", "k8s.node.name"),
    ];
    for (variable, path, key) in fields {
        env.push_if_absent(Entry::field(variable, path));
        attributes.insert(key.to_owned(), format!("$({variable})"));
    }
    let list: Vec<String> = attributes.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    env.push(Entry::plain(RESOURCE_ATTRIBUTES, list.join(",")));
}

/// The ReplicaSet that owns the pod, if it is known, and the Deployment that owns that.
fn owners(pod: &Pod<'_>, facts: &Facts) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let mut add = |kind: &str, name: &str, uid: &str| {
        // Of a workload in a file the ReplicaSet has no name yet, and nothing has a UID.
        for (what, value) in [("name", name), ("uid", uid)].into_iter().filter(|(_, value)| !value.is_empty())
        {
            attributes.insert(format!("k8s.{kind}.{what}"), value.to_owned());
        }
    };
    for owner in pod.metadata.owner_references.iter().filter(|o| o.is_replica_set()) {
        let key = (owner.kind.clone(), owner.name.clone());
        let Some(OwnerLookup::Found(theirs)) = facts.owners.get(&key) else { continue };
        add("replicaset", &owner.name, &owner.uid);
        for deployment in theirs.iter().filter(|o| o.group() == "apps" && o.kind == "Deployment") {
            add("deployment", &deployment.name, &deployment.uid);
        }
    }
    attributes
}

/// Fits the container into the namespace's LimitRanges, as the agents' containers are.
fn fit_resources(container: &mut Container, facts: &Facts) -> Option<String> {
    let given = container.fields.get("resources")?;
    let mut fitted: ResourceRequirements = serde_json::from_value(given.clone()).ok()?;
    let before = fitted.clone();
    limit_range::fit(&mut fitted, &facts.limit_ranges);
    limit_range::fit_requests(&mut fitted, &facts.limit_ranges);
    if fitted == before {
        return None;
    }
    let mut resources = given.clone();
    let ResourceRequirements { limits, requests, .. } = fitted;
    for (field, list) in [("limits", limits), ("requests", requests)] {
        if let (Some(list), Some(resources)) = (list, resources.as_object_mut()) {
            resources.insert(field.to_owned(), list.into_iter().collect::<Value>());
        }
    }
    container.fields.insert("resources".to_owned(), resources);
    Some("its resources are fitted into the LimitRanges of the namespace".to_owned())
}
