//! Rights that the process hands out to collectors whose components talk to the Kubernetes API.
//!
//! Kubernetes lets nobody give away what they do not hold, so a process that is to do this holds all of them. That is a
//! choice of whoever installs it: a role of its own, not part of what everybody gets.

use super::rbac::Rule;

const READ: &[&str] = &["get", "list", "watch"];

/// Managing the roles themselves, and everything that `collector::rbac` may put into one. What a `k8s_objects` receiver
/// lists beyond this is up to the user, who has to bind it to the process as well.
pub(super) const RULES: &[Rule] = &[
    Rule {
        why: "the roles of collectors",
        groups: &["rbac.authorization.k8s.io"],
        resources: &["clusterroles", "clusterrolebindings"],
        names: &[],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
    },
    Rule {
        why: "k8s_cluster, k8s_events, k8s_attributes, k8s_observer, resource_detection",
        groups: &[""],
        resources: &[
            "events",
            "namespaces",
            "namespaces/status",
            "nodes",
            "nodes/spec",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "pods/status",
            "replicationcontrollers",
            "replicationcontrollers/status",
            "resourcequotas",
            "services",
        ],
        names: &[],
        verbs: READ,
    },
    Rule {
        why: "k8s_objects that watches events of the newer group",
        groups: &["events.k8s.io"],
        resources: &["events"],
        names: &[],
        verbs: &["list", "watch"],
    },
    Rule {
        why: "kubelet_stats",
        groups: &[""],
        resources: &["nodes/stats", "nodes/proxy"],
        names: &[],
        verbs: &["get"],
    },
    Rule {
        why: "k8s_cluster, k8s_attributes",
        groups: &["apps"],
        resources: &["daemonsets", "deployments", "replicasets", "statefulsets"],
        names: &[],
        verbs: READ,
    },
    Rule {
        why: "k8s_cluster",
        groups: &["extensions"],
        resources: &["daemonsets", "deployments", "replicasets"],
        names: &[],
        verbs: READ,
    },
    Rule {
        why: "k8s_cluster",
        groups: &["batch"],
        resources: &["jobs", "cronjobs"],
        names: &[],
        verbs: READ,
    },
    Rule {
        why: "k8s_cluster",
        groups: &["autoscaling"],
        resources: &["horizontalpodautoscalers"],
        names: &[],
        verbs: READ,
    },
    Rule {
        why: "k8s_cluster on OpenShift",
        groups: &["quota.openshift.io"],
        resources: &["clusterresourcequotas"],
        names: &[],
        verbs: READ,
    },
    Rule {
        why: "resource_detection on OpenShift",
        groups: &["config.openshift.io"],
        resources: &["infrastructures", "infrastructures/status"],
        names: &[],
        verbs: READ,
    },
    Rule {
        why: "k8s_leader_elector",
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        names: &[],
        verbs: &["get", "list", "watch", "create", "update", "patch", "delete"],
    },
];
