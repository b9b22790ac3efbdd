//! The Deployment of the process, the Services in front of it, and what keeps it available and reachable.

use serde_json::{Value, json};

use super::{CONTROL_PLANE_LABEL, Certificates, NAME_LABEL, Options, SERVICE_ACCOUNT, metadata};

pub(super) const DEPLOYMENT: &str = "opentelemetry-operator-controller-manager";
pub(super) const METRICS_SERVICE: &str = "opentelemetry-operator-controller-manager-metrics-service";
/// Name of the NetworkPolicy; the reference makes one of this name when it starts.
const NETWORK_POLICY: &str = "opentelemetry-operator";
/// Where cert-manager puts a certificate, for those who prefer it to the process's own.
pub(super) const CERTIFICATE_SECRET: &str = "opentelemetry-operator-controller-manager-service-cert";
const CERTIFICATE_FOLDER: &str = "/tmp/k8s-webhook-server/serving-certs";

const WEBHOOK_PORT: u16 = 9443;
const METRICS_PORT: u16 = 8443;
const HEALTH_PORT: u16 = 8081;

/// Services, Deployment, PodDisruptionBudget and NetworkPolicy.
pub(super) fn objects(options: &Options) -> Vec<Value> {
    let labels = labels();
    let labelled = |name: &str| {
        let mut metadata = metadata(name, Some(options));
        metadata["labels"] = labels.clone();
        metadata
    };
    let service = |name: &str, port: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": labelled(name), "spec": {"ports": [port], "selector": labels}});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": labelled(DEPLOYMENT),
        "spec": {
            "replicas": options.replicas,
            "selector": {"matchLabels": labels},
            // A pod that cannot become ready never replaces one that serves the webhooks.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": pod(options)},
        },
    });
    vec![
        service(
            METRICS_SERVICE,
            json!({"name": "https", "port": METRICS_PORT, "protocol": "TCP", "targetPort": "https"}),
        ),
        service(
            &options.names.webhook_service,
            json!({"port": 443, "protocol": "TCP", "targetPort": WEBHOOK_PORT}),
        ),
        deployment,
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": labelled(DEPLOYMENT),
            // Not minAvailable: with one replica that would keep its node from ever being drained.
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": labelled(NETWORK_POLICY),
            "spec": network_policy(&labels),
        }),
    ]
}

/// The labels of everything that belongs to the pods, and the selector of the Deployment.
pub(super) fn labels() -> Value {
    json!({NAME_LABEL.0: NAME_LABEL.1, CONTROL_PLANE_LABEL.0: CONTROL_PLANE_LABEL.1})
}

/// Who may connect. Where the process itself connects to is left open: the API server's addresses change, are not what
/// the pod dials, and differ by network plugin; a list of them has cut off operators from their cluster.
fn network_policy(labels: &Value) -> Value {
    let port = |port: u16| json!({"port": port, "protocol": "TCP"});
    json!({
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [port(WEBHOOK_PORT), port(METRICS_PORT), port(HEALTH_PORT)]}],
    })
}

fn pod(options: &Options) -> Value {
    json!({
        "serviceAccountName": SERVICE_ACCOUNT,
        // Longer than the process takes to finish what it has begun.
        "terminationGracePeriodSeconds": 30,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "affinity": apart(),
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container(options)],
        "volumes": [{
            "name": "cert",
            "secret": {
                "secretName": CERTIFICATE_SECRET,
                // With the process's own certificates there is none; one that somebody provides is used.
                "optional": options.certificates == Certificates::Own,
                "defaultMode": 0o440,
            },
        }],
    })
}

/// Replicas on different nodes where there are several; on one node both run.
fn apart() -> Value {
    json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
        "weight": 100,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": labels()},
        },
    }]}})
}

fn container(options: &Options) -> Value {
    let from_field =
        |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let probe = |path: &str, delay: u32, period: u32| {
        json!({
            "httpGet": {"path": path, "port": HEALTH_PORT},
            "initialDelaySeconds": delay,
            "periodSeconds": period,
            "timeoutSeconds": 5,
        })
    };
    json!({
        "name": "manager",
        "image": options.image,
        "args": ["--zap-log-level=info", "--zap-time-encoding=rfc3339nano"],
        "env": [
            from_field("SERVICE_ACCOUNT_NAME", "spec.serviceAccountName"),
            from_field("NAMESPACE", "metadata.namespace"),
            {"name": "METRICS_ADDR", "value": format!(":{METRICS_PORT}")},
            {"name": "METRICS_SECURE", "value": "true"},
            {"name": "ENABLE_LEADER_ELECTION", "value": "true"},
            {"name": "ENABLE_NGINX_AUTO_INSTRUMENTATION", "value": "true"},
        ],
        "ports": [
            {"name": "webhook-server", "containerPort": WEBHOOK_PORT, "protocol": "TCP"},
            {"name": "https", "containerPort": METRICS_PORT, "protocol": "TCP"},
            {"name": "healthz", "containerPort": HEALTH_PORT, "protocol": "TCP"},
        ],
        "livenessProbe": probe("/healthz", 15, 20),
        "readinessProbe": probe("/readyz", 1, 5),
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "cert", "mountPath": CERTIFICATE_FOLDER, "readOnly": true}],
    })
}
