//! What the process may do: one line for each feature that needs it.
//!
//! `tests/permissions/` runs every feature and holds the table against what was asked of the API server: a verb that nothing uses,
//! or that two rules give, fails the test as a missing one does.

use serde_json::{Value, json};

use super::{
    Options, SERVICE_ACCOUNT, grant, metadata,
    webhook::{MUTATING, VALIDATING},
};
use crate::{certificate::keep, leader::LEASE, tls::follow};

/// One rule and why it is there.
pub(super) struct Rule {
    #[expect(dead_code, reason = "read by people: a rule without a reason has no place here")]
    pub(super) why: &'static str,
    pub(super) groups: &'static [&'static str],
    pub(super) resources: &'static [&'static str],
    /// Empty: all names.
    pub(super) names: &'static [&'static str],
    pub(super) verbs: &'static [&'static str],
}

/// What is needed to keep a child as it should be.
const CHILD: &[&str] = &["create", "delete", "get", "list", "patch", "watch"];

pub(super) const CLUSTER: &[Rule] = &[
    Rule {
        why: "annotations and Pod Security labels of namespaces",
        groups: &[""],
        resources: &["namespaces"],
        names: &[],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "choosing an Instrumentation; moving it to new images",
        groups: &["opentelemetry.io"],
        resources: &["instrumentations"],
        names: &[],
        verbs: &["get", "list", "watch", "patch"],
    },
    Rule {
        why: "languages that cannot be moved; what became of workloads",
        groups: &["opentelemetry.io"],
        resources: &["instrumentations/status"],
        names: &[],
        verbs: &["patch"],
    },
    Rule {
        why: "what became of the workloads that ask for an Instrumentation (metadata only); events on pods without owner",
        groups: &[""],
        resources: &["pods"],
        names: &[],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "the Deployment behind a ReplicaSet",
        groups: &["apps"],
        resources: &["replicasets"],
        names: &[],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "the CronJob behind a Job",
        groups: &["batch"],
        resources: &["jobs"],
        names: &[],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "fitting agents' containers into the namespace's limits",
        groups: &[""],
        resources: &["limitranges"],
        names: &[],
        verbs: &["list", "watch"],
    },
    Rule {
        why: "whether the certificates of spec.exporter.tls exist",
        groups: &[""],
        resources: &["secrets"],
        names: &[],
        verbs: &["get"],
    },
    Rule {
        why: "bringing collectors about",
        groups: &["opentelemetry.io"],
        resources: &["opentelemetrycollectors"],
        names: &[],
        verbs: &["list", "watch", "patch"],
    },
    Rule {
        why: "saying how it went",
        groups: &["opentelemetry.io"],
        resources: &["opentelemetrycollectors/status"],
        names: &[],
        verbs: &["patch"],
    },
    Rule {
        why: "owning children that keep their collector from going first: some clusters ask for this right then",
        groups: &["opentelemetry.io"],
        resources: &["opentelemetrycollectors/finalizers"],
        names: &[],
        verbs: &["update"],
    },
    Rule {
        why: "what collectors are made of; keys of ConfigMaps in envFrom, certificates in ConfigMaps; the process's settings for the command line",
        groups: &[""],
        resources: &["configmaps", "serviceaccounts", "services"],
        names: &[],
        verbs: CHILD,
    },
    Rule {
        why: "what collectors are made of",
        groups: &["apps"],
        resources: &["daemonsets", "deployments", "statefulsets"],
        names: &[],
        verbs: CHILD,
    },
    Rule {
        why: "what collectors are made of",
        groups: &["autoscaling"],
        resources: &["horizontalpodautoscalers"],
        names: &[],
        verbs: CHILD,
    },
    Rule {
        why: "what collectors are made of",
        groups: &["policy"],
        resources: &["poddisruptionbudgets"],
        names: &[],
        verbs: CHILD,
    },
    Rule {
        why: "what collectors are made of",
        groups: &["networking.k8s.io"],
        resources: &["ingresses", "networkpolicies"],
        names: &[],
        verbs: CHILD,
    },
    Rule {
        why: "collectors that are seen by the Prometheus operator",
        groups: &["monitoring.coreos.com"],
        resources: &["podmonitors", "servicemonitors"],
        names: &[],
        verbs: CHILD,
    },
    Rule {
        why: "collectors behind the Gateway API",
        groups: &["gateway.networking.k8s.io"],
        resources: &["httproutes"],
        names: &[],
        verbs: CHILD,
    },
    Rule {
        why: "collectors behind OpenShift's router",
        groups: &["route.openshift.io"],
        resources: &["routes"],
        names: &[],
        verbs: CHILD,
    },
    Rule {
        why: "Routes that name a host, and other ones later: OpenShift asks for this right beside that for Routes",
        groups: &["route.openshift.io"],
        resources: &["routes/custom-host"],
        names: &[],
        verbs: &["create", "update"],
    },
    Rule {
        why: "following OpenShift's TLS profile",
        groups: &["config.openshift.io"],
        resources: &["apiservers"],
        names: &[follow::NAME],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "noticing optional APIs that are installed later",
        groups: &["apiextensions.k8s.io"],
        resources: &["customresourcedefinitions"],
        names: &[],
        verbs: &["list", "watch"],
    },
    Rule {
        why: "the caBundle of the conversion webhook",
        groups: &["apiextensions.k8s.io"],
        resources: &["customresourcedefinitions"],
        names: &["opentelemetrycollectors.opentelemetry.io"],
        verbs: &["get", "patch"],
    },
    Rule {
        why: "telling why something was not done",
        groups: &["events.k8s.io"],
        resources: &["events"],
        names: &[],
        verbs: &["create", "patch"],
    },
    Rule {
        why: "the caBundle of the process's own certificates",
        groups: &["admissionregistration.k8s.io"],
        resources: &["mutatingwebhookconfigurations"],
        names: &[MUTATING],
        verbs: &["get", "list", "patch", "watch"],
    },
    Rule {
        why: "the caBundle of the process's own certificates",
        groups: &["admissionregistration.k8s.io"],
        resources: &["validatingwebhookconfigurations"],
        names: &[VALIDATING],
        verbs: &["get", "list", "patch", "watch"],
    },
];

pub(super) const OWN_NAMESPACE: &[Rule] = &[
    // Creating cannot be limited to a name.
    Rule {
        why: "the process's own certificates",
        groups: &[""],
        resources: &["secrets"],
        names: &[],
        verbs: &["create"],
    },
    Rule {
        why: "the process's own certificates",
        groups: &[""],
        resources: &["secrets"],
        names: &[keep::SECRET],
        verbs: &["update"],
    },
    Rule {
        why: "leader election",
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        names: &[],
        verbs: &["create"],
    },
    Rule {
        why: "leader election",
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        names: &[LEASE],
        verbs: &["get", "update"],
    },
];

/// Whoever is bound to it may read the metrics.
pub(super) const METRICS_READER: &str = "opentelemetry-operator-metrics-reader";

pub(super) const METRICS: &[Rule] = &[
    Rule {
        why: "who asks for metrics",
        groups: &["authentication.k8s.io"],
        resources: &["tokenreviews"],
        names: &[],
        verbs: &["create"],
    },
    Rule {
        why: "whether they may; whether a collector's ServiceAccount may do what its components need",
        groups: &["authorization.k8s.io"],
        resources: &["subjectaccessreviews"],
        names: &[],
        verbs: &["create"],
    },
];

/// What names in the table stand for in this installation.
fn named(name: &str, options: &Options) -> String {
    match name {
        MUTATING => options.names.mutating.clone(),
        VALIDATING => options.names.validating.clone(),
        _ => name.to_owned(),
    }
}

pub(super) fn rules(rules: &[Rule], options: &Options) -> Vec<Value> {
    let written = rules.iter().map(|rule| {
        let mut written = json!({"apiGroups": rule.groups, "resources": rule.resources, "verbs": rule.verbs});
        if !rule.names.is_empty() {
            written["resourceNames"] = rule.names.iter().map(|name| named(name, options)).collect();
        }
        written
    });
    written.collect()
}

/// Service account, roles and bindings.
pub(super) fn objects(options: &Options) -> Vec<Value> {
    let role = |name: &str, table: &[Rule]| json!({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": metadata(name, None), "rules": rules(table, options)});
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(SERVICE_ACCOUNT, Some(options))}),
        json!({
            "apiVersion": RBAC,
            "kind": "Role",
            "metadata": metadata("opentelemetry-operator-manager-role", Some(options)),
            "rules": rules(OWN_NAMESPACE, options),
        }),
        role("opentelemetry-operator-manager-role", CLUSTER),
        json!({
            "apiVersion": RBAC,
            "kind": "ClusterRole",
            "metadata": metadata(METRICS_READER, None),
            "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
        }),
        role("opentelemetry-operator-proxy-role", METRICS),
        binding(
            "RoleBinding",
            "Role",
            "opentelemetry-operator-manager-rolebinding",
            "opentelemetry-operator-manager-role",
            options,
        ),
        binding(
            "ClusterRoleBinding",
            "ClusterRole",
            "opentelemetry-operator-manager-rolebinding",
            "opentelemetry-operator-manager-role",
            options,
        ),
        binding(
            "ClusterRoleBinding",
            "ClusterRole",
            "opentelemetry-operator-proxy-rolebinding",
            "opentelemetry-operator-proxy-role",
            options,
        ),
    ];
    if options.create_rbac_permissions {
        objects.push(role(GRANT_ROLE, grant::RULES));
        objects.push(binding(
            "ClusterRoleBinding",
            "ClusterRole",
            "opentelemetry-operator-grant-rolebinding",
            GRANT_ROLE,
            options,
        ));
    }
    objects
}

const GRANT_ROLE: &str = "opentelemetry-operator-grant-role";

const RBAC: &str = "rbac.authorization.k8s.io/v1";

fn binding(kind: &str, role_kind: &str, name: &str, role: &str, options: &Options) -> Value {
    json!({
        "apiVersion": RBAC,
        "kind": kind,
        "metadata": metadata(name, (kind == "RoleBinding").then_some(options)),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": options.namespace}],
    })
}
