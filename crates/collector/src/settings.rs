//! What children depend on beside the collector itself: the operator's settings and what the cluster offers.

use std::collections::BTreeMap;

use regex::Regex;

use crate::component::TlsProfile;

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
