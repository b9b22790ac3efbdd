//! The environment that configures an OpenTelemetry SDK, the same for every language (spec 5.3, 5.4).

use crate::{
    context::Context,
    draft::{Draft, Place},
    env::{Entry, Environment},
    exporter,
    resource::{Attributes, NODE_NAME, POD_NAME, POD_UID, RESOURCE_ATTRIBUTES, SERVICE_NAME},
};

/// The node's address.
pub(crate) const NODE_IP: &str = "OTEL_NODE_IP";
/// The pod's address.
pub(crate) const POD_IP: &str = "OTEL_POD_IP";

/// The node's address, by the downward API.
pub(crate) fn node_ip() -> Entry {
    Entry::field(NODE_IP, "status.hostIP")
}

/// The pod's address, by the downward API.
pub(crate) fn pod_ip() -> Entry {
    Entry::field(POD_IP, "status.podIP")
}

/// The addresses first, so that every later entry can refer to them; then the Instrumentation's common variables.
pub(crate) fn add_common(context: &Context<'_>, env: &mut Environment) {
    env.prepend_if_absent(pod_ip());
    env.prepend_if_absent(node_ip());
    env.append_if_absent(&context.spec().env);
}

/// Configures the SDK in `holder` for the application in `target`: the same container but for Go, where the holder is the
/// agent's sidecar.
pub(crate) fn configure(context: &Context<'_>, draft: &mut Draft, holder: Place, target: Place) {
    let application = draft.at(target);
    let mut attributes = Attributes::of(context, application, &draft.at(holder).env);
    if holder != target {
        attributes
            .take_over(application.env.plain(RESOURCE_ATTRIBUTES).unwrap_or_default(), &draft.at(holder).env);
    }
    attributes.add_version(context, application);
    if !draft.at(holder).env.has(SERVICE_NAME) {
        let own = (holder != target)
            .then(|| application.env.plain(SERVICE_NAME))
            .flatten()
            .filter(|n| !n.contains("$("));
        if let Some(name) = own.map(str::to_owned).or_else(|| attributes.service_name(context, application)) {
            draft.at_mut(holder).env.push(Entry::plain(SERVICE_NAME, name));
        }
    }
    exporter::configure(context, draft, holder);

    let spec = context.spec();
    let env = &mut draft.at_mut(holder).env;
    push_field(env, POD_NAME, "metadata.name");
    attributes.add("k8s.pod.name", format!("$({POD_NAME})"));
    if spec.resource.add_k8s_uid_attributes && !attributes.has("k8s.pod.uid") {
        push_field(env, POD_UID, "metadata.uid");
        attributes.add("k8s.pod.uid", format!("$({POD_UID})"));
    }
    if context.pod.spec.node_name.is_empty() && attributes.get("k8s.node.name").is_none() {
        push_field(env, NODE_NAME, "spec.nodeName");
        attributes.add("k8s.node.name", format!("$({NODE_NAME})"));
    }
    add_attributes(env, &attributes);
    if !spec.propagators.is_empty() {
        env.push_if_absent(Entry::plain("OTEL_PROPAGATORS", spec.propagators.join(",")));
    }
    let sampler = &spec.sampler;
    if !sampler.kind.is_empty() && !env.has("OTEL_TRACES_SAMPLER") && !env.has("OTEL_TRACES_SAMPLER_ARG") {
        env.push(Entry::plain("OTEL_TRACES_SAMPLER", &sampler.kind));
        if !sampler.argument.is_empty() {
            env.push(Entry::plain("OTEL_TRACES_SAMPLER_ARG", &sampler.argument));
        }
    }
    env.move_to_end(RESOURCE_ATTRIBUTES);
    env.order_by_reference();
}

/// Appends a variable from the downward API, unless exactly that is there: another language put it there (W7). A user's own entry of
/// the same name stays, and the later one counts, as in the reference.
fn push_field(env: &mut Environment, name: &str, path: &str) {
    if !env.get(name).is_some_and(|entry| entry.is_field(path)) {
        env.push(Entry::field(name, path));
    }
}

/// Extends the user's list, or appends ours. A list from a source stays as it is (W4).
fn add_attributes(env: &mut Environment, attributes: &Attributes) {
    let text = attributes.render();
    if env.is_opaque(RESOURCE_ATTRIBUTES) || text.is_empty() {
        return;
    }
    let extended = |old: &str| match old {
        "" => text.clone(),
        old if old.ends_with(',') => format!("{old}{text}"),
        old => format!("{old},{text}"),
    };
    env.extend(RESOURCE_ATTRIBUTES, extended, &text);
}
