//! What the cluster itself must offer, and what somebody who installs must be allowed.

use serde_json::{Value, json};

use super::{catalogue::Check, sheet::Sheet, text};
use crate::cluster::Cluster;

/// The oldest minor version of Kubernetes 1 that the operator works with.
const OLDEST: u32 = 25;

/// Group and version of every API that the operator needs.
const NEEDED: [&str; 6] = [
    "admissionregistration.k8s.io/v1",
    "apiextensions.k8s.io/v1",
    "apps/v1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
];

/// Groups that are used when they are there, and what for.
const OPTIONAL: [(&str, &str); 4] = [
    ("monitoring.coreos.com", "Prometheus operator"),
    ("gateway.networking.k8s.io", "Gateway API"),
    ("route.openshift.io", "OpenShift Routes"),
    ("cert-manager.io", "cert-manager"),
];

/// The version of the API server.
pub(super) fn version(version: Option<&Value>, sheet: &mut Sheet) {
    let version = version.unwrap_or(&Value::Null);
    // Some vendors write `30+`.
    let number = |pointer: &str| text(version, pointer).trim_end_matches('+').parse::<u32>().ok();
    let shown = text(version, "/gitVersion");
    match (number("/major"), number("/minor")) {
        (Some(1), Some(minor)) if minor < OLDEST => sheet.error(
            Check::ServerVersion,
            "",
            format!("the API server is of Kubernetes {shown}; 1.{OLDEST} or newer is needed"),
            "",
        ),
        (Some(_), Some(_)) => sheet.made(Check::ServerVersion, shown),
        _ => sheet.skip(Check::ServerVersion, format!("the API server calls its version {shown:?}")),
    }
}

/// The APIs that are served.
pub(super) fn apis(cluster: &Cluster, sheet: &mut Sheet) {
    for api in NEEDED {
        match cluster.get(&format!("/apis/{api}")) {
            Ok(Some(_)) => {}
            Ok(None) => sheet.error(Check::Apis, "", format!("the API server does not serve {api}"), ""),
            Err(error) => sheet.error(Check::Apis, "", format!("{error:#}"), ""),
        }
    }
    let found: Vec<&str> = OPTIONAL
        .iter()
        .filter(|(group, _)| cluster.get(&format!("/apis/{group}")).is_ok_and(|answer| answer.is_some()))
        .map(|(_, name)| *name)
        .collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    sheet.made(Check::Apis, format!("optional ones: {found}"));
}

/// Whether whoever asks may install.
///
/// # Errors
///
/// When the cluster cannot be reached.
pub(super) fn permissions(cluster: &Cluster, own: &str, sheet: &mut Sheet) -> anyhow::Result<()> {
    let needed = [
        ("", "namespaces", ""),
        ("apiextensions.k8s.io", "customresourcedefinitions", ""),
        ("rbac.authorization.k8s.io", "clusterroles", ""),
        ("rbac.authorization.k8s.io", "clusterrolebindings", ""),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", ""),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations", ""),
        ("", "serviceaccounts", own),
        ("", "services", own),
        ("apps", "deployments", own),
        ("rbac.authorization.k8s.io", "roles", own),
        ("rbac.authorization.k8s.io", "rolebindings", own),
    ];
    sheet.made(Check::Permissions, "");
    for (group, resource, namespace) in needed {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"group": group, "resource": resource, "namespace": namespace, "verb": "create"}},
        });
        let answer = cluster.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review)?;
        if !answer.is_ok() {
            sheet.skip(
                Check::Permissions,
                format!("the API server refuses the question: {}", answer.message()),
            );
            return Ok(());
        }
        if answer.body.pointer("/status/allowed") != Some(&Value::Bool(true)) {
            let place =
                if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
            let dot = if group.is_empty() { "" } else { "." };
            sheet.error(
                Check::Permissions,
                "",
                format!("you may not create {resource}{dot}{group}{place}"),
                "",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Level;
    use super::*;

    #[test]
    fn old_servers_are_recognised() {
        let level = |minor: &str| {
            let mut sheet = Sheet::default();
            version(Some(&json!({"major": "1", "minor": minor, "gitVersion": "v1"})), &mut sheet);
            sheet.worst()
        };
        assert_eq!((level("24"), level("25"), level("33+")), (Level::Error, Level::Ok, Level::Ok));
    }
}
