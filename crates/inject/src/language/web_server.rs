//! What Apache HTTPD and Nginx have in common (spec 6.6, 6.7). Their agents are configured by files: an init container cloned
//! from the application copies the server's configuration to a volume, a second one adds the agent and patches the copy, and
//! the application mounts the patched copy over its own.

use std::{collections::BTreeMap, rc::Rc};

use api::instrumentation::{Agent, EnvVar};
use serde_json::{Value, json};

use super::Outcomes;
use crate::{
    context::Context,
    draft::{Container, Draft, Mount, Place},
    env::{Entry, Environment},
    init_container,
    resource::Attributes,
    sdk_environment,
    verdict::{Decline, Reason},
    volume,
};

/// Name of the init container that copies the application's configuration. Both servers use it: it is part of the contract.
pub(crate) const CLONE: &str = "otel-agent-source-container-clone";
/// Where the agent lives in the application.
pub(super) const AGENT_DIRECTORY: &str = "/opt/opentelemetry-webserver/agent";
/// Where the configuration is worked on.
const STAGING_DIRECTORY: &str = "/opt/opentelemetry-webserver/source-conf";

/// A web server.
pub(super) trait WebServer {
    /// The language's settings in the Instrumentation.
    fn settings<'a>(&self, context: &Context<'a>) -> &'a dyn Agent;
    /// Directives that the user adds or overrides.
    fn directives<'a>(&self, context: &Context<'a>) -> &'a [EnvVar];
    /// Name of the init container that attaches the agent.
    fn attach(&self) -> &'static str;
    /// Volumes for configuration and agent.
    fn volumes(&self) -> [&'static str; 2];
    /// Size limit of the volumes when the user gives none.
    fn volume_limit(&self) -> Option<&'static str>;
    /// Directory of the server's configuration.
    fn directory(&self, context: &Context<'_>) -> String;
    /// Command and arguments of the cloning container.
    fn clone_command(&self, directory: &str) -> (Value, Option<Value>);
    /// Arguments of the attaching container's shell.
    fn attach_args(&self, context: &Context<'_>, directory: &str) -> Value;
    /// The agent's configuration, from the sorted directives.
    fn agent_configuration(&self, context: &Context<'_>, directives: &BTreeMap<String, String>) -> String;
    /// Prefix of directive names.
    fn prefix(&self) -> &'static str;
    /// Value of the switch-like directives beside `Enabled`.
    fn on(&self) -> &'static str;
    /// Name of the service namespace when there is no other.
    fn fallback_namespace(&self) -> &'static str;
    /// Variables of the attaching container: the agent's configuration and the pod's name.
    fn variables(&self) -> [&'static str; 2];
    /// Why this container cannot be injected.
    fn refuse(&self, env: &Environment) -> Result<(), Decline> {
        let _ = env;
        Ok(())
    }
    /// Variables of the target that stand before the common ones.
    fn before_common(&self, env: &mut Environment, common: &[EnvVar]) {
        let _ = (env, common);
    }
    /// Variables of the target that stand behind the common ones.
    fn after_common(&self, env: &mut Environment) {
        let _ = env;
    }
}

pub(super) fn inject(
    server: &dyn WebServer,
    context: &Context<'_>,
    draft: &mut Draft,
    targets: &[Place],
) -> Result<Outcomes, Decline> {
    let mut outcomes = Outcomes::new();
    for &target in targets {
        let mut attempt = draft.clone();
        let outcome = match target {
            Place::Init(_) => Err(Decline::new(
                Reason::InitContainerNotSupported,
                "is init container",
                "name the regular container that runs the web server",
            )),
            Place::Regular(_) => into_container(server, context, &mut attempt, target),
        };
        if outcome.is_ok() {
            *draft = attempt;
        }
        outcomes.push((target, outcome));
    }
    Ok(outcomes)
}

fn into_container(
    server: &dyn WebServer,
    context: &Context<'_>,
    draft: &mut Draft,
    target: Place,
) -> Result<(), Decline> {
    // Containers and volumes have fixed names, so there is room for one web server in a pod (W5, W6).
    if draft.made_init_container(CLONE) {
        return Err(Decline::new(
            Reason::WebServerTaken,
            "another web server of this pod is instrumented already, and the agent's containers and volumes exist once in a pod",
            format!("name only one container in {}", context.language.info().container_names),
        ));
    }
    server.refuse(&draft.at(target).env)?;
    let directory = server.directory(context);
    if directory.is_empty() {
        return Err(Decline::new(
            Reason::InvalidInstrumentation,
            "the server's configuration directory cannot be /",
            "set spec.apacheHttpd.configPath or spec.nginx.configFile to a path below the root",
        ));
    }
    let inherited = init_container::security_context(context, draft, target);
    if init_container::lacks_numeric_user(context, inherited.as_ref()) {
        return Err(Decline::new(
            Reason::UnsupportedPod,
            "the pod demands a non-root user (runAsNonRoot) and names none, so the agent's init container could not start",
            "set runAsUser in the container's or the pod's securityContext",
        ));
    }
    let application = draft.at(target).clone();
    let attributes = Attributes::of(context, &application, &application.env);
    let settings = server.settings(context);
    draft.at_mut(target).env.append_if_absent(settings.env());

    let [configuration_volume, agent_volume] = server.volumes();
    for name in [configuration_volume, agent_volume] {
        draft.ensure_volume(volume::agent_volume(name, settings, server.volume_limit()));
    }
    let mut clone = clone_container(server, context, draft.at(target), &directory);
    let mut attach = attach_container(server, context, &application, &attributes, &directory);
    clone.security_context.clone_from(&inherited);
    attach.security_context = inherited;
    draft.init_containers.extend([clone, attach].map(Rc::new));

    let container = draft.at_mut(target);
    container.mounts.retain(|m| !is_at_or_below(&m.path, &directory));
    container.mounts.push(Mount::new(agent_volume, AGENT_DIRECTORY));
    container.mounts.push(Mount::new(configuration_volume, &directory));
    server.before_common(&mut container.env, &context.spec().env);
    sdk_environment::add_common(context, &mut container.env);
    server.after_common(&mut container.env);
    sdk_environment::configure(context, draft, target, target);
    Ok(())
}

/// Whether a mount hides the configuration directory or a part of it (W16).
fn is_at_or_below(path: &str, directory: &str) -> bool {
    let path = path.trim_end_matches('/');
    path == directory || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// The application's image with its environment and mounts, to copy the configuration out of it.
fn clone_container(
    server: &dyn WebServer,
    context: &Context<'_>,
    target: &Container,
    directory: &str,
) -> Container {
    let raw = raw_container(context, target);
    let mut clone = Container::of_ours(CLONE, &target.image);
    init_container::finish(context, &mut clone);
    clone.fields.remove("imagePullPolicy");
    for field in ["imagePullPolicy", "envFrom"] {
        if let Some(value) = raw.get(field).filter(|v| !v.is_null()) {
            clone.fields.insert(field.to_owned(), value.clone());
        }
    }
    let (command, args) = server.clone_command(directory);
    clone.fields.insert("command".to_owned(), command);
    clone.fields.extend(args.map(|args| ("args".to_owned(), args)));
    for entry in target.env.entries() {
        clone.env.push(Entry { origin: None, changed: false, ..entry.clone() });
    }
    for mount in &target.mounts {
        let value = match mount.origin {
            Some(i) => raw.pointer(&format!("/volumeMounts/{i}")).cloned().unwrap_or_default(),
            None => mount.value.clone(),
        };
        clone.mounts.push(Mount { origin: None, value, ..mount.clone() });
    }
    clone.mounts.push(Mount::new(server.volumes()[0], STAGING_DIRECTORY));
    clone
}

/// The agent's image, to put the agent beside the configuration and have the server load it.
fn attach_container(
    server: &dyn WebServer,
    context: &Context<'_>,
    application: &Container,
    attributes: &Attributes,
    directory: &str,
) -> Container {
    let settings = server.settings(context);
    let mut attach = Container::of_ours(server.attach(), settings.image());
    init_container::finish(context, &mut attach);
    attach.fields.insert("command".to_owned(), json!(["/bin/sh", "-c"]));
    attach.fields.insert("args".to_owned(), server.attach_args(context, directory));
    for var in settings.env() {
        attach.env.push(var.into());
    }
    attach.env.append_if_absent(&context.spec().env);
    attach.env.push_if_absent(sdk_environment::pod_ip());
    attach.env.push_if_absent(sdk_environment::node_ip());
    let directives = directives(server, context, application, attributes);
    let [configuration, instance] = server.variables();
    attach.env.push(Entry::plain(configuration, server.agent_configuration(context, &directives)));
    attach.env.push(Entry::field(instance, "metadata.name"));
    let [configuration_volume, agent_volume] = server.volumes();
    attach.mounts.push(Mount::new(agent_volume, AGENT_DIRECTORY));
    attach.mounts.push(Mount::new(configuration_volume, STAGING_DIRECTORY));
    attach
}

/// The agent's directives, sorted by name; the user's win over the defaults.
fn directives(
    server: &dyn WebServer,
    context: &Context<'_>,
    application: &Container,
    attributes: &Attributes,
) -> BTreeMap<String, String> {
    let endpoint = match context.spec().exporter.endpoint.as_str() {
        "" => "http://localhost:4317/",
        endpoint => endpoint,
    };
    let service_name =
        attributes.service_name(context, application).unwrap_or_else(|| application.name.clone());
    let namespaces =
        [context.pod.metadata.namespace.as_str(), attributes.get("k8s.namespace.name").unwrap_or_default()];
    let namespace = namespaces.into_iter().find(|n| !n.is_empty()).unwrap_or(server.fallback_namespace());
    let defaults = [
        ("Enabled", "ON"),
        ("OtelSpanExporter", "otlp"),
        ("OtelExporterEndpoint", endpoint),
        ("ServiceName", &service_name),
        ("ServiceNamespace", namespace),
        ("ServiceInstanceId", "<<SID-PLACEHOLDER>>"),
        ("ResolveBackends", server.on()),
        ("TraceAsError", server.on()),
    ];
    let mut directives: BTreeMap<String, String> = defaults
        .into_iter()
        .map(|(name, value)| (format!("{}{name}", server.prefix()), value.to_owned()))
        .collect();
    for attr in server.directives(context) {
        directives.insert(attr.name.clone(), attr.value.clone().unwrap_or_default());
    }
    directives
}

/// The target as it came, with every field.
fn raw_container(context: &Context<'_>, target: &Container) -> Value {
    let pod: Value = serde_json::from_str(context.pod.raw.get()).unwrap_or_default();
    let index = target.origin.unwrap_or_default();
    pod.pointer(&format!("/spec/containers/{index}")).cloned().unwrap_or_default()
}
