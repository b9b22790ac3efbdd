//! The Ingress (collector.md 11.11).

use api::collector::v1beta1::{IngressRuleType, IngressType, Port};
use serde_json::{Value, json};

use crate::{build::Built, context::Context, name, object::Fields, port::label_of};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    let ingress = &context.spec().ingress;
    if context.is_sidecar() || ingress.kind != IngressType::Ingress || context.ingress_ports.is_empty() {
        return;
    }
    let service = context.collector_name();
    let rules: Vec<Value> = match &ingress.rule_type {
        IngressRuleType::Path => {
            let paths: Vec<Value> = context
                .ingress_ports
                .iter()
                .map(|port| path(&format!("/{}", label_of(port)), &service, port))
                .collect();
            vec![rule(&ingress.hostname, paths)]
        }
        IngressRuleType::Subdomain => context
            .ingress_ports
            .iter()
            .map(|port| rule(&subdomain(&ingress.hostname, port), vec![path("/", &service, port)]))
            .collect(),
        IngressRuleType::Other(word) => {
            built.warn(
                "spec.ingress.ruleType",
                format!("{word:?} is unknown, so there is no Ingress; use path or subdomain"),
            );
            return;
        }
    };
    let mut spec = Fields::new();
    spec.all("tls", &ingress.tls);
    spec.option("ingressClassName", ingress.ingress_class_name.clone());
    spec.set("rules", rules);

    let name = name::ingress(context.name());
    let labels = context.filtered_labels(&name);
    let mut body = Fields::new();
    body.set("spec", spec);
    built.push(context.child(
        ("networking.k8s.io/v1", "Ingress"),
        name,
        labels,
        ingress.annotations.clone(),
        body,
    ));
}

fn subdomain(hostname: &str, port: &Port) -> String {
    match hostname {
        "" | "*" => label_of(port),
        domain => format!("{}.{domain}", label_of(port)),
    }
}

fn rule(host: &str, paths: Vec<Value>) -> Value {
    let mut rule = Fields::new();
    // An Ingress has no word for any host: it says none.
    rule.text("host", if host == "*" { "" } else { host });
    rule.set("http", json!({"paths": paths}));
    rule.into()
}

fn path(path: &str, service: &str, port: &Port) -> Value {
    let backend =
        if port.name.is_empty() { json!({"number": port.port}) } else { json!({"name": port.name}) };
    json!({
        "path": path,
        "pathType": "Prefix",
        "backend": {"service": {"name": service, "port": backend}},
    })
}
