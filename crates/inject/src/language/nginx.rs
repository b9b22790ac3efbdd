//! Nginx: a module loaded from the patched configuration (spec 6.7).

use std::collections::BTreeMap;

use api::instrumentation::{Agent, EnvVar};
use serde_json::{Value, json};

use super::{copied_agent::check_extensible, web_server::WebServer};
use crate::{context::Context, env::Environment, verdict::Decline};

/// Copies the configuration and notes the server's version. `$1` is the configuration directory.
const CLONE_SCRIPT: &str = include_str!("nginx_clone.sh");
/// Adds the agent to the copied configuration. `$1` is the configuration file's name.
const ATTACH_SCRIPT: &str = include_str!("nginx_attach.sh");
/// Name of the attaching container.
pub(crate) const ATTACH: &str = "otel-agent-attach-nginx";
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
const LIBRARIES: &str = "/opt/opentelemetry-webserver/agent/sdk_lib/lib";

pub(super) struct Nginx;

/// Directory and name of the server's configuration file.
fn file<'a>(context: &'a Context<'_>) -> (&'a str, &'a str) {
    let file = match context.spec().nginx.config_file.as_str() {
        "" => "/etc/nginx/nginx.conf",
        file => file,
    };
    file.rsplit_once('/').unwrap_or((".", file))
}

fn add_libraries(env: &mut Environment) {
    env.extend(LIBRARY_PATH, |old| format!("{old}:{LIBRARIES}"), LIBRARIES);
}

impl WebServer for Nginx {
    fn settings<'a>(&self, context: &Context<'a>) -> &'a dyn Agent {
        &context.instrumentation.spec.nginx
    }

    fn directives<'a>(&self, context: &Context<'a>) -> &'a [EnvVar] {
        &context.instrumentation.spec.nginx.attrs
    }

    fn attach(&self) -> &'static str {
        ATTACH
    }

    fn volumes(&self) -> [&'static str; 2] {
        ["otel-nginx-conf-dir", "otel-nginx-agent"]
    }

    fn volume_limit(&self) -> Option<&'static str> {
        None
    }

    fn directory(&self, context: &Context<'_>) -> String {
        file(context).0.to_owned()
    }

    fn clone_command(&self, directory: &str) -> (Value, Option<Value>) {
        (json!(["/bin/sh", "-c"]), Some(json!([CLONE_SCRIPT, "--", directory])))
    }

    fn attach_args(&self, context: &Context<'_>, _: &str) -> Value {
        json!([ATTACH_SCRIPT, "--", file(context).1])
    }

    fn agent_configuration(&self, _: &Context<'_>, directives: &BTreeMap<String, String>) -> String {
        directives.iter().map(|(name, value)| format!("{name} {value};\n")).collect()
    }

    fn prefix(&self) -> &'static str {
        "NginxModule"
    }

    fn on(&self) -> &'static str {
        "ON"
    }

    fn fallback_namespace(&self) -> &'static str {
        "nginx"
    }

    fn variables(&self) -> [&'static str; 2] {
        ["OTEL_NGINX_AGENT_CONF", "OTEL_NGINX_SERVICE_INSTANCE_ID"]
    }

    fn refuse(&self, env: &Environment) -> Result<(), Decline> {
        check_extensible(env, LIBRARY_PATH)
    }

    fn before_common(&self, env: &mut Environment, common: &[EnvVar]) {
        // One among the common variables is honoured: it is extended once it is there (W32).
        if env.has(LIBRARY_PATH) || !common.iter().any(|v| v.name == LIBRARY_PATH) {
            add_libraries(env);
        }
    }

    fn after_common(&self, env: &mut Environment) {
        if !env.plain(LIBRARY_PATH).is_some_and(|path| path.ends_with(LIBRARIES)) {
            add_libraries(env);
        }
    }
}
