//! What children depend on beside the collector itself: the operator's settings, what the cluster offers, and the
//! workload that is already there.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use crate::template_rules::REFERENCE_TEMPLATE;

/// Settings of the operator that children depend on (collector.md 19).
#[derive(Clone, Debug)]
pub struct Settings {
    /// `--collector-image`: image of collectors that name none.
    pub image: String,
    /// `--labels-filter`: labels whose key matches one of these are not passed on to children.
    pub labels_filter: Vec<Regex>,
    /// `--annotations-filter`: annotations whose key matches one of these are not passed on to children.
    pub annotations_filter: Vec<Regex>,
    /// The operator's own proxy variables (`HTTP_PROXY`, `http_proxy`, …), in the order in which collectors get them.
    pub proxy: Vec<(String, String)>,
    /// `--tls-configure-operands`: what is written into `tls` sections that do not say it themselves.
    pub tls_profile: Option<TlsProfile>,
}

/// The cluster's TLS profile (collector.md 9.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsProfile {
    /// Lowest version, `1.0` to `1.3`.
    pub min_version: String,
    /// Cipher suites by IANA name; not used with 1.3, which knows no choice.
    pub cipher_suites: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            image: DEFAULT_IMAGE.to_owned(),
            labels_filter: Vec::new(),
            annotations_filter: last_applied().into_iter().collect(),
            proxy: Vec::new(),
            tls_profile: None,
        }
    }
}

/// Image of collectors when neither they nor the operator's settings name one.
pub const DEFAULT_IMAGE: &str = concat!(
    "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector:",
    env!("CARGO_PKG_VERSION")
);

/// The default of `--annotations-filter`: what `kubectl apply` leaves behind is not about children.
fn last_applied() -> Option<Regex> {
    Regex::new(r"^kubectl\.kubernetes\.io/last-applied-configuration$").ok()
}

/// Which optional APIs the cluster has and what the operator may do there. The caller looks again from time to time: an
/// API may appear later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Available {
    /// ServiceMonitor and PodMonitor of the Prometheus operator.
    pub monitors: bool,
    /// Gateway API.
    pub gateway: bool,
    /// OpenShift's Routes; also the sign of OpenShift.
    pub routes: bool,
    /// The operator may manage ClusterRoles and ClusterRoleBindings (collector.md 17.1).
    pub cluster_roles: bool,
}

/// What the collector's namespace tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its annotations; OpenShift names there the group that volumes belong to.
    pub annotations: BTreeMap<String, String>,
}

/// The workload that is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExistingWorkload {
    /// `spec.selector.matchLabels`: immutable, so it stays whatever the rules for names say today.
    pub selector: BTreeMap<String, String>,
    /// The value of [`REFERENCE_TEMPLATE`], if it was taken over and its pods were left as they were.
    pub taken_over: Option<String>,
    /// Nobody but the Go operator has written its pod template.
    pub made_by_reference: bool,
}

/// The field manager under which the Go operator writes.
const REFERENCE_MANAGER: &str = "manager";

impl ExistingWorkload {
    /// Reads a Deployment, DaemonSet or StatefulSet as the API server returns it.
    ///
    /// `our_manager` is the field manager of our server-side apply: what it has once written is not the reference's any more.
    pub fn read(object: &Value, our_manager: &str) -> Self {
        let written = |manager: &str, operation: &str| {
            object["metadata"]["managedFields"].as_array().is_some_and(|entries| {
                entries.iter().any(|entry| {
                    entry["manager"] == manager && entry["operation"] == operation && entry["subresource"].is_null()
                })
            })
        };
        ExistingWorkload {
            selector: object["spec"]["selector"]["matchLabels"]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
            taken_over: object["metadata"]["annotations"][REFERENCE_TEMPLATE].as_str().map(str::to_owned),
            made_by_reference: written(REFERENCE_MANAGER, "Update") && !written(our_manager, "Apply"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reference_is_known_by_its_field_manager() {
        let reference = json!({
            "metadata": {"managedFields": [
                {"manager": "manager", "operation": "Update"},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
            ]},
            "spec": {"selector": {"matchLabels": {"a": "b"}}},
        });
        let existing = ExistingWorkload::read(&reference, "otel-operator");
        assert!(existing.made_by_reference);
        assert_eq!(existing.selector["a"], "b");

        let mut taken_over = reference;
        taken_over["metadata"]["managedFields"][1] = json!({"manager": "otel-operator", "operation": "Apply"});
        taken_over["metadata"]["annotations"] = json!({REFERENCE_TEMPLATE: "12345678"});
        let existing = ExistingWorkload::read(&taken_over, "otel-operator");
        assert!(!existing.made_by_reference);
        assert_eq!(existing.taken_over.as_deref(), Some("12345678"));
    }
}
