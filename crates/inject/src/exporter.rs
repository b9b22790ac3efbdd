//! Where telemetry goes: endpoint, protocol and certificates (spec 5.7).

use api::{Language, instrumentation::Tls};
use serde_json::json;

use crate::{
    context::Context,
    draft::{Draft, Mount, Place, Volume},
    env::{Entry, Environment},
    volume,
};

/// Name of the endpoint variable.
pub(crate) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Name of the protocol variable.
pub(crate) const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
/// The protocol variables of the signals.
const SIGNAL_PROTOCOLS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
];
/// The endpoint variables of the signals.
const SIGNAL_ENDPOINTS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
];

/// OTLP over gRPC, <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-default-port>.
pub(crate) const GRPC_PORT: &str = "4317";
/// OTLP over HTTP.
pub(crate) const HTTP_PORT: &str = "4318";

/// Sets endpoint, protocol and certificates on the holder; adds the volumes that the certificates come from.
pub(crate) fn configure(context: &Context<'_>, draft: &mut Draft, holder: Place) {
    let exporter = &context.spec().exporter;
    let env = &mut draft.at_mut(holder).env;
    if !exporter.endpoint.is_empty() {
        env.push_if_absent(Entry::plain(ENDPOINT, &exporter.endpoint));
    }
    if context.settings.otlp_protocol_by_port && wants_grpc(context, env) {
        env.insert_after(ENDPOINT, Entry::plain(PROTOCOL, "grpc"));
    }
    if let Some(tls) = &exporter.tls {
        add_certificates(tls, draft, holder);
    }
}

/// Whether the endpoint's port means gRPC, the agent can speak it, and nobody said a protocol. Today's agents speak
/// http/protobuf unless told otherwise, and would send it to a port that does not understand it.
fn wants_grpc(context: &Context<'_>, env: &Environment) -> bool {
    let can_speak_grpc = matches!(context.language, Language::Java | Language::NodeJs | Language::Go);
    can_speak_grpc
        && !context.shares_with_http_only
        && env.plain(ENDPOINT).and_then(port) == Some(GRPC_PORT)
        && !env.has(PROTOCOL)
        && !SIGNAL_PROTOCOLS.iter().chain(&SIGNAL_ENDPOINTS).any(|name| env.has(name))
}

/// The port written in an endpoint URL; none when there is none.
pub(crate) fn port(endpoint: &str) -> Option<&str> {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (_, port) = authority.rsplit_once(':')?;
    (!port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(port)
}

/// What looks wrong about endpoint and protocol, without being an error.
pub(crate) fn hint(language: Language, env: &Environment) -> Option<String> {
    let Some(endpoint) = env.plain(ENDPOINT) else {
        return (!env.has(ENDPOINT) && !SIGNAL_ENDPOINTS.iter().any(|name| env.has(name))).then(|| {
            "no endpoint: telemetry goes to localhost; set spec.exporter.endpoint to the Service of a Collector".to_owned()
        });
    };
    let port = port(endpoint)?;
    if SIGNAL_PROTOCOLS.iter().any(|name| env.has(name)) || env.is_opaque(PROTOCOL) {
        return None;
    }
    let protocol = env.plain(PROTOCOL);
    let speaks = match language {
        Language::Sdk => protocol?,
        Language::ApacheHttpd | Language::Nginx => "grpc",
        _ => protocol.unwrap_or("http/protobuf"),
    };
    let (wants, other) = match (port, speaks) {
        (GRPC_PORT, speaks) if speaks.starts_with("http") => (HTTP_PORT, speaks),
        (HTTP_PORT, "grpc") => (GRPC_PORT, "grpc"),
        _ => return None,
    };
    Some(format!(
        "{language} speaks {other} and port {port} of {endpoint} does not by custom: use port {wants}"
    ))
}

/// Variables, volumes and mounts for certificates. A value that begins with `/` is a path in the image.
fn add_certificates(tls: &Tls, draft: &mut Draft, holder: Place) {
    let secret = format!("/otel-auto-instrumentation-secret-{}", tls.secret_name);
    let config_map = format!("/otel-auto-instrumentation-configmap-{}", tls.config_map_name);
    let ca_base = if tls.config_map_name.is_empty() { &secret } else { &config_map };
    let files = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &tls.ca_file, ca_base),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &tls.cert_file, &secret),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &tls.key_file, &secret),
    ];
    let env = &mut draft.at_mut(holder).env;
    for (name, file, base) in files {
        if file.starts_with('/') {
            env.push_if_absent(Entry::plain(name, file));
        } else if !file.is_empty() {
            env.push_if_absent(Entry::plain(name, format!("{base}/{file}")));
        }
    }
    if !tls.secret_name.is_empty() {
        let name = volume::name("otel-auto-secret-", &tls.secret_name);
        mount(draft, holder, Volume::new(&name, json!({"secret": {"secretName": tls.secret_name}})), &secret);
    }
    if !tls.config_map_name.is_empty() {
        let name = volume::name("otel-auto-configmap-", &tls.config_map_name);
        mount(
            draft,
            holder,
            Volume::new(&name, json!({"configMap": {"name": tls.config_map_name}})),
            &config_map,
        );
    }
}

fn mount(draft: &mut Draft, holder: Place, volume: Volume, path: &str) {
    let mounts = &mut draft.at_mut(holder).mounts;
    if !mounts.iter().any(|m| m.origin.is_none() && m.volume == volume.name) {
        mounts.push(Mount::read_only(&volume.name, path));
    }
    draft.ensure_volume(volume);
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn the_port_of_an_endpoint() {
        for (endpoint, expected) in [
            ("http://demo-collector:4317", Some("4317")),
            ("http://$(OTEL_NODE_IP):4317/v1", Some("4317")),
            ("https://[::1]:4318", Some("4318")),
            ("collector:4317", Some("4317")),
            ("http://collector", None),
            ("", None),
        ] {
            assert_eq!(port(endpoint), expected, "{endpoint}");
        }
    }
}
