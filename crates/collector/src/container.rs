//! The collector's container (collector.md 12.3), in a workload or as a sidecar.

use serde_json::{Value, json};

use crate::{
    build::Warning,
    container_port::container_port,
    context::Context,
    distinct,
    env::env,
    object::Fields,
    probe,
    volume::{config_mount, config_path, user_mounts},
};

/// Name of the container.
pub const NAME: &str = api::collector::sidecar::CONTAINER;

/// The flag that names the configuration.
const CONFIG_FLAG: &str = "config";

/// The container of a workload.
pub(crate) fn of_workload(context: &Context<'_>, warnings: &mut Vec<Warning>) -> Value {
    let spec = context.spec();
    if spec.args.contains_key(CONFIG_FLAG) {
        warnings.push(Warning::new(
            "spec.args.config",
            "ignored, the operator mounts the configuration and names it; remove it, and write the configuration into spec.config",
        ));
    }
    let mut args = vec![format!("--{CONFIG_FLAG}={}", config_path())];
    args.extend(user_args(context).into_iter().filter_map(|(key, arg)| (key != CONFIG_FLAG).then_some(arg)));
    let mut mounts = vec![config_mount()];
    mounts.extend(user_mounts(spec));
    container(context, args, Vec::new(), mounts, warnings)
}

/// The container of a pod that asks for a sidecar: it has its configuration in `env`, which comes after all other variables.
pub(crate) fn of_sidecar(context: &Context<'_>, env: Vec<Value>, warnings: &mut Vec<Warning>) -> Value {
    let mut args: Vec<String> = user_args(context).into_iter().map(|(_, arg)| arg).collect();
    args.push(format!("--{CONFIG_FLAG}=env:{SIDECAR_CONFIG}"));
    container(context, args, env, user_mounts(context.spec()), warnings)
}

/// The variable with the configuration of a sidecar.
pub(crate) const SIDECAR_CONFIG: &str = "OTEL_CONFIG";

/// The user's flags by key, sorted by what the collector sees.
fn user_args<'a>(context: &Context<'a>) -> Vec<(&'a str, String)> {
    let args = context.spec().args.iter();
    let mut args: Vec<_> = args.map(|(key, value)| (key.as_str(), format!("--{key}={value}"))).collect();
    args.sort_by(|a, b| a.1.cmp(&b.1));
    args
}

fn container(
    context: &Context<'_>,
    args: Vec<String>,
    more_env: Vec<Value>,
    mounts: Vec<Value>,
    warnings: &mut Vec<Warning>,
) -> Value {
    let spec = context.spec();
    let image = if spec.image.is_empty() { &context.settings.image } else { &spec.image };
    let mut user_env = spec.env.clone();
    for name in distinct::env(&mut user_env) {
        warnings.push(Warning::new(
            "spec.env",
            format!("{name} is listed twice, the first counts; remove the other"),
        ));
    }
    let mut env = env(&user_env, &context.graph, context.settings);
    env.extend(more_env);
    let ports: Vec<Value> = context.container_ports.iter().map(container_port).collect();

    let mut container = Fields::new();
    container.set("name", NAME);
    container.set("image", image.as_str());
    container.text("imagePullPolicy", &spec.image_pull_policy);
    container.all("command", &spec.command);
    container.set("args", json!(args));
    container.set("env", env);
    container.all("envFrom", &spec.env_from);
    container.given("resources", spec.resources.as_ref());
    container.given("securityContext", spec.security_context.as_ref());
    container.given("lifecycle", spec.lifecycle.as_ref());
    container.set("ports", ports);
    container.all("volumeMounts", mounts);
    probe::add(&mut container, spec, &context.graph, warnings);
    container.into()
}
