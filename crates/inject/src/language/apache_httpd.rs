//! Apache HTTPD: a module loaded from the patched configuration (spec 6.6).

use std::collections::BTreeMap;

use api::instrumentation::{Agent, EnvVar};
use serde_json::{Value, json};

use super::web_server::{AGENT_DIRECTORY, WebServer};
use crate::context::Context;

/// Adds the agent to the copied configuration. `$1` is the configuration directory in the application.
const ATTACH_SCRIPT: &str = include_str!("apache_httpd_attach.sh");
/// Name of the attaching container.
pub(crate) const ATTACH: &str = "otel-agent-attach-apache";

pub(super) struct ApacheHttpd;

impl WebServer for ApacheHttpd {
    fn settings<'a>(&self, context: &Context<'a>) -> &'a dyn Agent {
        &context.instrumentation.spec.apache_httpd
    }

    fn directives<'a>(&self, context: &Context<'a>) -> &'a [EnvVar] {
        &context.instrumentation.spec.apache_httpd.attrs
    }

    fn attach(&self) -> &'static str {
        ATTACH
    }

    fn volumes(&self) -> [&'static str; 2] {
        ["otel-apache-conf-dir", "otel-apache-agent"]
    }

    fn volume_limit(&self) -> Option<&'static str> {
        Some("200Mi")
    }

    fn directory(&self, context: &Context<'_>) -> String {
        match context.spec().apache_httpd.config_path.as_str() {
            "" => "/usr/local/apache2/conf".to_owned(),
            path => path.strip_suffix('/').unwrap_or(path).to_owned(),
        }
    }

    fn clone_command(&self, directory: &str) -> (Value, Option<Value>) {
        (json!(["cp", "-r", format!("{directory}/."), "/opt/opentelemetry-webserver/source-conf"]), None)
    }

    fn attach_args(&self, _: &Context<'_>, directory: &str) -> Value {
        json!([ATTACH_SCRIPT, "--", directory])
    }

    fn agent_configuration(&self, context: &Context<'_>, directives: &BTreeMap<String, String>) -> String {
        let module = if context.spec().apache_httpd.version == "2.2" { "22" } else { "" };
        let mut text = format!(
            "
#Load the Otel Webserver SDK
LoadFile {AGENT_DIRECTORY}/sdk_lib/lib/libopentelemetry_common.so
LoadFile {AGENT_DIRECTORY}/sdk_lib/lib/libopentelemetry_resources.so
LoadFile {AGENT_DIRECTORY}/sdk_lib/lib/libopentelemetry_trace.so
LoadFile {AGENT_DIRECTORY}/sdk_lib/lib/libopentelemetry_otlp_recordable.so
LoadFile {AGENT_DIRECTORY}/sdk_lib/lib/libopentelemetry_exporter_ostream_span.so
LoadFile {AGENT_DIRECTORY}/sdk_lib/lib/libopentelemetry_exporter_otlp_grpc.so
#Load the Otel ApacheModule SDK
LoadFile {AGENT_DIRECTORY}/sdk_lib/lib/libopentelemetry_webserver_sdk.so
#Load the Apache Module. In this example for Apache 2.4
#LoadModule otel_apache_module {AGENT_DIRECTORY}/WebServerModule/Apache/libmod_apache_otel.so
#Load the Apache Module. In this example for Apache 2.2
#LoadModule otel_apache_module {AGENT_DIRECTORY}/WebServerModule/Apache/libmod_apache_otel22.so
LoadModule otel_apache_module {AGENT_DIRECTORY}/WebServerModule/Apache/libmod_apache_otel{module}.so
#Attributes
"
        );
        for (name, value) in directives {
            text.push_str(&format!("{name} {value}\n"));
        }
        text
    }

    fn prefix(&self) -> &'static str {
        "ApacheModule"
    }

    fn on(&self) -> &'static str {
        " ON" // the leading blank is the reference's, and users compare the text
    }

    fn fallback_namespace(&self) -> &'static str {
        "apache-httpd"
    }

    fn variables(&self) -> [&'static str; 2] {
        ["OTEL_APACHE_AGENT_CONF", "APACHE_SERVICE_INSTANCE_ID"]
    }
}
