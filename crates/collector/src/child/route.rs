//! The OpenShift Routes, one for each port (collector.md 11.12).

use api::collector::v1beta1::{IngressType, RouteTermination};
use serde_json::json;

use crate::{
    build::Built,
    context::Context,
    label::{COLLECTOR, COMPONENT, INSTANCE, Labels, MANAGED_BY, NAME, OPERATOR},
    name,
    object::Fields,
    port::label_of,
};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    let ingress = &context.spec().ingress;
    if context.is_sidecar() || ingress.kind != IngressType::Route {
        return;
    }
    if !context.available.routes {
        built.warn("spec.ingress.type", "this cluster has no Routes; use ingress instead of route");
        return;
    }
    let termination = match &ingress.route.termination {
        RouteTermination::Insecure => None,
        known @ (RouteTermination::Edge | RouteTermination::Passthrough | RouteTermination::Reencrypt) => {
            Some(known.as_str())
        }
        RouteTermination::Unset | RouteTermination::Other(_) => {
            built.warn(
                "spec.ingress.route.termination",
                "there are no Routes without it; use insecure, edge, passthrough or reencrypt",
            );
            return;
        }
    };
    for port in &context.ingress_ports {
        let port_name = label_of(port);
        let name = name::route(context.name(), &port_name);
        let mut spec = Fields::new();
        if !ingress.hostname.is_empty() {
            spec.set("host", format!("{port_name}.{}", ingress.hostname));
        }
        spec.set("to", json!({"kind": "Service", "name": context.collector_name()}));
        spec.set("port", json!({"targetPort": port_name}));
        spec.set("wildcardPolicy", "None");
        spec.option("tls", termination.map(|termination| json!({"termination": termination})));
        let mut body = Fields::new();
        body.set("spec", spec);
        let labels = labels(context, &name);
        built.push(context.child(
            ("route.openshift.io/v1", "Route"),
            name,
            labels,
            ingress.annotations.clone(),
            body,
        ));
    }
}

/// Routes have labels of their own; that of the instance is valid where the whole is short enough.
fn labels(context: &Context<'_>, name: &str) -> Labels {
    let instance = context.selector.get(INSTANCE).cloned().unwrap_or_default();
    [(NAME, name), (INSTANCE, &instance), (MANAGED_BY, OPERATOR), (COMPONENT, COLLECTOR)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}
