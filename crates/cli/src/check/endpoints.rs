//! Instrumentations: are they valid, does telemetry arrive where they send it, and are their images what they should be?

use std::collections::BTreeSet;

use api::{Language, Settings};
use serde_json::Value;

use super::{
    Seen,
    catalogue::{Check, Group},
    endpoint::{self, Endpoint},
    items,
    sheet::Sheet,
    text, title, webhooks,
    workloads::{self, Use},
};
use crate::cluster::{self, Cluster};

/// Looks at every Instrumentation, and at what the injected pods of it speak.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn check(
    cluster: &Cluster,
    seen: &Seen,
    settings: &Settings,
    uses: &BTreeSet<Use>,
    sheet: &mut Sheet,
) -> anyhow::Result<()> {
    for made in Check::ALL.iter().filter(|check| check.group() == Group::Instrumentations) {
        sheet.made(*made, "");
    }
    for instrumentation in &seen.instrumentations {
        let object = title("Instrumentation", instrumentation);
        if let Some(error) = workloads::invalid(instrumentation, settings) {
            sheet.error(Check::InstrumentationInvalid, &object, error, "");
        }
        images(instrumentation, &object, settings, sheet);
        let endpoint = text(instrumentation, "/spec/exporter/endpoint");
        if endpoint.is_empty() {
            if !sets_endpoint(instrumentation) {
                sheet.warn(Check::EndpointMissing, &object, "it has no spec.exporter.endpoint", "");
            }
            continue;
        }
        let own = text(instrumentation, "/metadata/namespace");
        let name = format!("{own}/{}", text(instrumentation, "/metadata/name"));
        let mut namespaces: BTreeSet<&str> =
            uses.iter().filter(|u| u.instrumentation == name).map(|u| u.namespace.as_str()).collect();
        if namespaces.is_empty() {
            namespaces.insert(own);
        }
        match endpoint::read(endpoint) {
            Err(error) => sheet.error(Check::EndpointInvalid, &object, error, ""),
            Ok(None) => {}
            Ok(Some(parts)) => {
                for namespace in namespaces {
                    of_service(cluster, seen, &object, endpoint, &parts, namespace, sheet)?;
                }
            }
        }
    }
    for user in uses {
        protocol(cluster, seen, user, sheet)?;
    }
    Ok(())
}

/// Whether the variables name an endpoint instead of the field.
fn sets_endpoint(instrumentation: &Value) -> bool {
    let sets = |env: &[Value]| {
        env.iter().any(|e| {
            text(e, "/name").starts_with("OTEL_EXPORTER_OTLP") && text(e, "/name").ends_with("ENDPOINT")
        })
    };
    let spec_fields = Language::ALL.iter().filter_map(|l| l.info().spec_field);
    sets(items(instrumentation, "/spec/env"))
        || spec_fields.into_iter().any(|field| sets(items(instrumentation, &format!("/spec/{field}/env"))))
}

/// The Service behind an endpoint, as pods of a namespace see it.
fn find<'a>(seen: &Seen, host: &'a str, namespace: &'a str) -> Option<(&'a str, &'a str)> {
    let found = endpoint::service(host, namespace, |name| seen.namespaces.contains_key(name));
    // What can be no name of an object is no Service.
    found.filter(|(namespace, name)| cluster::segment(namespace).is_ok() && cluster::segment(name).is_ok())
}

fn of_service(
    cluster: &Cluster,
    seen: &Seen,
    object: &str,
    endpoint: &str,
    parts: &Endpoint<'_>,
    namespace: &str,
    sheet: &mut Sheet,
) -> anyhow::Result<()> {
    let Some((namespace, name)) = find(seen, parts.host, namespace) else { return Ok(()) };
    let Some(service) = cluster.get(&cluster::core(namespace, "services", name)?)? else {
        let message =
            format!("the endpoint {endpoint} names Service {namespace}/{name}, which does not exist");
        sheet.error(Check::EndpointService, object, message, "");
        return Ok(());
    };
    if text(&service, "/spec/type") == "ExternalName" {
        return Ok(());
    }
    let ports: Vec<i64> =
        items(&service, "/spec/ports").iter().filter_map(|p| p.get("port")?.as_i64()).collect();
    if let Some(port) = parts.port.filter(|port| !ports.contains(&i64::from(*port))) {
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        let message = format!(
            "the endpoint {endpoint} names port {port}; Service {namespace}/{name} has {}",
            ports.join(", ")
        );
        sheet.error(Check::EndpointPort, object, message, "");
    } else if !webhooks::ready(cluster, namespace, name)? {
        let message = format!("no pod behind Service {namespace}/{name} of the endpoint {endpoint} is ready");
        sheet.warn(Check::EndpointNotReady, object, message, "");
    }
    Ok(())
}

/// Whether an agent speaks what the port understands.
fn protocol(cluster: &Cluster, seen: &Seen, user: &Use, sheet: &mut Sheet) -> anyhow::Result<()> {
    let Ok(Some(parts)) = endpoint::read(&user.endpoint) else { return Ok(()) };
    let Some(port) = parts.port else { return Ok(()) };
    let service = match find(seen, parts.host, &user.namespace) {
        Some((namespace, name)) => cluster.get(&cluster::core(namespace, "services", name)?)?,
        None => None,
    };
    let of_service = service.as_deref().and_then(|service| {
        let ports = items(service, "/spec/ports");
        ports.iter().find(|p| p.get("port").and_then(Value::as_i64) == Some(i64::from(port)))
    });
    let (Some(understood), Some(spoken)) = (understood(port, of_service), spoken(user)) else {
        return Ok(());
    };
    if understood != spoken {
        let object = format!("Instrumentation {}", user.instrumentation);
        let message = format!(
            "{} of namespace {} speaks OTLP over {spoken} to {}, where {understood} is understood",
            user.language, user.namespace, user.endpoint
        );
        sheet.warn(Check::EndpointProtocol, object, message, "");
    }
    Ok(())
}

/// `grpc` or `http`: what a port understands, by its Service or by custom.
fn understood(port: u16, of_service: Option<&Value>) -> Option<&'static str> {
    let said = of_service.map(|port| [text(port, "/appProtocol"), text(port, "/name")]);
    for text in said.into_iter().flatten().map(str::to_ascii_lowercase) {
        if text.contains("grpc") {
            return Some("grpc");
        }
        if text.contains("http") {
            return Some("http");
        }
    }
    match port {
        4317 => Some("grpc"),
        4318 => Some("http"),
        _ => None,
    }
}

/// `grpc` or `http`: what an agent speaks; none when only the application knows.
fn spoken(user: &Use) -> Option<&'static str> {
    let language = Language::ALL.into_iter().find(|language| language.id() == user.language)?;
    let protocol = match (language, user.protocol.as_deref()) {
        (Language::ApacheHttpd | Language::Nginx, _) => "grpc",
        (_, Some(protocol)) => protocol,
        (Language::Sdk, None) => return None,
        // What today's agents do by themselves.
        (_, None) => "http/protobuf",
    };
    Some(if protocol.starts_with("grpc") { "grpc" } else { "http" })
}

fn images(instrumentation: &Value, object: &str, settings: &Settings, sheet: &mut Sheet) {
    let annotations = instrumentation.pointer("/metadata/annotations");
    for language in Language::with_image() {
        let info = language.info();
        let Some(field) = info.spec_field else { continue };
        let image = text(instrumentation, &format!("/spec/{field}/image"));
        if image.is_empty() {
            continue;
        }
        let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
        if !image.contains('@') && matches!(tag, None | Some("latest")) {
            sheet.warn(Check::AgentImageTag, object, format!("spec.{field}.image is {image}"), "");
        }
        let recorded = info.default_image_annotation.and_then(|key| annotations?.get(key)?.as_str());
        let target = settings.images[language].as_str();
        if recorded == Some(image) && image != target && settings.enabled[language] {
            let message = format!("spec.{field}.image is {image}, the operator's is {target}");
            sheet.warn(Check::AgentImageOld, object, message, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_service_says_what_a_port_understands() {
        assert_eq!(understood(4317, None), Some("grpc"));
        assert_eq!(understood(4317, Some(&json!({"name": "otlp-http"}))), Some("http"));
        assert_eq!(understood(80, Some(&json!({"name": "x", "appProtocol": "grpc"}))), Some("grpc"));
        assert_eq!(understood(80, Some(&json!({"name": "x"}))), None);
    }

    #[test]
    fn agents_speak_http_unless_told_otherwise() {
        let of = |language: &'static str, protocol: Option<&str>| {
            spoken(&Use {
                instrumentation: String::new(),
                language,
                namespace: String::new(),
                endpoint: String::new(),
                protocol: protocol.map(str::to_owned),
            })
        };
        assert_eq!(of("python", None), Some("http"));
        assert_eq!((of("java", Some("grpc")), of("nginx", None)), (Some("grpc"), Some("grpc")));
        assert_eq!(of("sdk", None), None);
    }
}
