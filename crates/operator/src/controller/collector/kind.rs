//! The kinds of objects that collectors are made of.

use collector::Available;
use kube::{api::ApiResource, core::GroupVersionKind};

/// A kind of child.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// `apiVersion`.
    pub api_version: &'static str,
    /// `kind`.
    pub kind: &'static str,
    /// As in URLs.
    pub plural: &'static str,
    /// Whether its objects live in no namespace.
    pub cluster: bool,
    /// Whether the cluster has the kind, for those that it may not have.
    pub is_available: fn(&Available) -> bool,
}

const fn always(_: &Available) -> bool {
    true
}

const fn kind(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { api_version, kind, plural, cluster: false, is_available: always }
}

/// All of them.
pub static KINDS: [Kind; 16] = [
    kind("v1", "ConfigMap", "configmaps"),
    kind("v1", "ServiceAccount", "serviceaccounts"),
    kind("v1", "Service", "services"),
    kind("apps/v1", "Deployment", "deployments"),
    kind("apps/v1", "DaemonSet", "daemonsets"),
    kind("apps/v1", "StatefulSet", "statefulsets"),
    kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    kind("networking.k8s.io/v1", "Ingress", "ingresses"),
    kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind {
        cluster: true,
        is_available: |a| a.cluster_roles,
        ..kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles")
    },
    Kind {
        cluster: true,
        is_available: |a| a.cluster_roles,
        ..kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings")
    },
    Kind {
        is_available: |a| a.monitors,
        ..kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors")
    },
    Kind { is_available: |a| a.monitors, ..kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors") },
    Kind { is_available: |a| a.gateway, ..kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes") },
    Kind { is_available: |a| a.routes, ..kind("route.openshift.io/v1", "Route", "routes") },
];

impl Kind {
    /// The kind of this name.
    pub fn of(kind: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|k| k.kind == kind)
    }

    /// What the client needs to know of it.
    pub fn resource(&self) -> ApiResource {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", self.api_version));
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, self.kind), self.plural)
    }
}
