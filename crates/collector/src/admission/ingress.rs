//! Ways in from outside of the cluster.

use serde_json::Value;

use super::{defaulting::mode, read::text};

/// What is wrong with `spec.ingress`.
pub(super) fn check(raw: &Value) -> Option<String> {
    let of = |key: &str| text(raw, &["spec", "ingress", key]);
    if of("type") == "ingress" && mode(raw) == "sidecar" {
        return Some(
            "the OpenTelemetry Spec Ingress configuration is incorrect. Ingress can only be used in combination with the modes: \
             deployment, daemonset, statefulset; remove spec.ingress, or use another spec.mode"
                .to_owned(),
        );
    }
    (of("ruleType") == "subdomain" && matches!(of("hostname"), "" | "*")).then(|| {
        "a valid Ingress hostname has to be defined for subdomain ruleType; set spec.ingress.hostname to the domain above \
         the ports' names"
            .to_owned()
    })
}
