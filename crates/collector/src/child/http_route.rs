//! The HTTPRoutes of the Gateway API, one for each port that speaks HTTP (collector.md 11.13).

use serde_json::json;

use crate::{build::Built, context::Context, name, object::Fields, port::label_of};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    let Some(http_route) = context.spec().http_route.as_ref().filter(|route| route.enabled) else { return };
    if context.is_sidecar() {
        return;
    }
    if http_route.gateway.is_empty() {
        built.warn("spec.httpRoute.gateway", "there is no HTTPRoute without it; name the Gateway");
        return;
    }
    if !context.available.gateway {
        built.warn(
            "spec.httpRoute.enabled",
            "this cluster has no Gateway API, so there is no HTTPRoute; install its CRDs (gateway.networking.k8s.io)",
        );
        return;
    }
    let gateway_namespace = match http_route.gateway_namespace.as_str() {
        "" => context.namespace(),
        namespace => namespace,
    };
    let http = |port: &&_| !is_grpc(port);
    for port in context.ingress_ports.iter().filter(http) {
        let port_name = label_of(port);
        let name = name::http_route(context.name(), &port_name);
        let labels = context.filtered_labels(&name);
        let mut spec = Fields::new();
        spec.set(
            "parentRefs",
            json!([{
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "name": http_route.gateway,
                "namespace": gateway_namespace,
            }]),
        );
        spec.all("hostnames", &http_route.hostnames);
        spec.set(
            "rules",
            json!([{
                "matches": [{"path": {"type": "PathPrefix", "value": format!("/{port_name}")}}],
                "filters": [{
                    "type": "URLRewrite",
                    "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                }],
                "backendRefs": [{"name": context.collector_name(), "port": port.port}],
            }]),
        );
        let mut body = Fields::new();
        body.set("spec", spec);
        built.push(context.child(
            ("gateway.networking.k8s.io/v1", "HTTPRoute"),
            name,
            labels,
            Default::default(),
            body,
        ));
    }
}

fn is_grpc(port: &api::collector::v1beta1::Port) -> bool {
    matches!(port.app_protocol.as_deref(), Some("grpc" | "h2c"))
}
