//! Containers that carry an agent: their resources and security context (spec 5.8).

use std::{collections::BTreeSet, rc::Rc};

use api::{instrumentation::ResourceRequirements, quantity};
use serde_json::{Map, Value, json};

use crate::{
    context::Context,
    draft::{Container, Draft, Mount, Place},
    limit_range,
};

/// User of an agent's container when the pod demands a non-root user and names none (addendum 2): the customary
/// "nonroot" of distroless images.
pub(crate) const NON_ROOT_USER: i64 = 65532;

/// An init container that copies an agent to its volume.
pub(crate) fn copying(
    context: &Context<'_>,
    name: &str,
    image: &str,
    command: &[&str],
    mount: Mount,
) -> Container {
    let mut container = Container::of_ours(name, image);
    container.fields.insert("command".to_owned(), json!(command));
    container.mounts.push(mount);
    finish(context, &mut container);
    container
}

/// Gives an agent's container the language's resources and the Instrumentation's pull policy.
pub(crate) fn finish(context: &Context<'_>, container: &mut Container) {
    if let Some(agent) = context.spec().agent(context.language) {
        let resources = resources(context, agent.resources());
        container.fields.insert("resources".to_owned(), resources);
    }
    let policy = &context.spec().image_pull_policy;
    if !policy.is_empty() {
        container.fields.insert("imagePullPolicy".to_owned(), Value::String(policy.clone()));
    }
}

/// The security context of agents' init containers: the Instrumentation's, else the first target's.
pub(crate) fn security_context(context: &Context<'_>, draft: &Draft, first: Place) -> Option<Value> {
    let given = context.spec().init_container_security_context.as_ref().filter(|c| !c.is_null());
    given.cloned().or_else(|| draft.at(first).security_context.clone())
}

/// Whether a container with this context must run as a non-root user and nobody says which: kubelet then refuses to start
/// an image that runs as root or by name.
pub(crate) fn lacks_numeric_user(context: &Context<'_>, security_context: Option<&Value>) -> bool {
    let pod = context.pod.spec.security_context.as_ref();
    let field = |name: &str| {
        let of = |from: Option<&Value>| from.and_then(|c| c.get(name)).filter(|v| !v.is_null()).cloned();
        of(security_context).or_else(|| of(pod))
    };
    field("runAsNonRoot") == Some(Value::Bool(true)) && field("runAsUser").is_none()
}

/// The same context with a numeric user where one is needed (addendum 2).
pub(crate) fn with_numeric_user(context: &Context<'_>, security_context: Option<Value>) -> Option<Value> {
    if !lacks_numeric_user(context, security_context.as_ref()) {
        return security_context;
    }
    let mut fields = match security_context {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.insert("runAsUser".to_owned(), json!(NON_ROOT_USER));
    Some(Value::Object(fields))
}

/// The language's resources, fitted into the namespace's LimitRanges and the pod's own resources, with requests lowered to the
/// limit where they exceed it (W13).
pub(crate) fn resources(context: &Context<'_>, wanted: &ResourceRequirements) -> Value {
    let mut wanted = wanted.clone();
    let above = |amount: i128, most: i128| amount > most;
    limit_range::fit(&mut wanted, &context.facts.limit_ranges);
    let pod_level = context.pod.spec.resources.as_ref();
    for (field, list) in [("limits", &mut wanted.limits), ("requests", &mut wanted.requests)] {
        for (resource, amount) in list.iter_mut().flatten() {
            for field in [field, "limits"] {
                if let Some(most) = pod_level.and_then(|p| p.get(field)).and_then(|l| l.get(resource)) {
                    limit_range::replace_when(amount, most, above);
                }
            }
        }
    }
    for (resource, request) in wanted.requests.iter_mut().flatten() {
        if let Some(limit) = wanted.limits.as_ref().and_then(|l| l.get(resource)) {
            limit_range::replace_when(request, limit, above);
        }
    }
    fit_sum(context, &mut wanted);
    limit_range::fit_requests(&mut wanted, &context.facts.limit_ranges);
    serde_json::to_value(wanted).unwrap_or_else(|_| json!({}))
}

/// The requests of all containers together may not exceed that of the pod: an agent takes as little as the
/// namespace allows where the user's containers leave too little for it. All are counted as if they ran at the same time, which is never too few.
fn fit_sum(context: &Context<'_>, wanted: &mut ResourceRequirements) {
    let Some(pod_level) = &context.pod.spec.resources else { return };
    let amount = |resources: &Value, resource: &str| {
        let of = |field: &str| resources.get(field).and_then(|l| l.get(resource)).and_then(quantity::nanos);
        of("requests").or_else(|| of("limits"))
    };
    let asked = wanted.limits.iter().chain(&wanted.requests).flatten().map(|(resource, _)| resource.clone());
    for resource in asked.collect::<BTreeSet<_>>() {
        let Some(most) = amount(pod_level, &resource) else { continue };
        let users = context.pod.all_containers().filter_map(|c| c.resources.as_ref());
        let others = users.chain(context.beside).filter_map(|r| amount(r, &resource));
        let given = [&wanted.requests, &wanted.limits].into_iter().flatten().find_map(|l| l.get(&resource));
        let own = given.and_then(quantity::nanos).unwrap_or_default();
        let least = limit_range::least(&context.facts.limit_ranges, &resource);
        if others.sum::<i128>() + own > most {
            wanted.requests.get_or_insert_default().insert(resource, least);
        }
    }
}

/// Inserts agents' init containers: before the first target when that is an init container, else at the end (spec 4.5).
pub(crate) fn insert(draft: &mut Draft, first: Place, containers: Vec<Container>) {
    let at = match first {
        Place::Init(i) => i,
        Place::Regular(_) => draft.init_containers.len(),
    };
    draft.init_containers.splice(at..at, containers.into_iter().map(Rc::new));
}
