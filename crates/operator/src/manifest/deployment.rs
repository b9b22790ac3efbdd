//! The Deployment of the process and the Services in front of it.

use serde_json::{Value, json};

use super::{CONTROL_PLANE_LABEL, NAME_LABEL, Options, SERVICE_ACCOUNT, WEBHOOK_SERVICE, metadata};

const DEPLOYMENT: &str = "opentelemetry-operator-controller-manager";
const METRICS_SERVICE: &str = "opentelemetry-operator-controller-manager-metrics-service";
/// Where cert-manager puts a certificate, for those who prefer it to the process's own.
const CERTIFICATE_SECRET: &str = "opentelemetry-operator-controller-manager-service-cert";
const CERTIFICATE_FOLDER: &str = "/tmp/k8s-webhook-server/serving-certs";

/// Services and Deployment.
pub(super) fn objects(options: &Options) -> Vec<Value> {
    let labels = json!({NAME_LABEL.0: NAME_LABEL.1, CONTROL_PLANE_LABEL.0: CONTROL_PLANE_LABEL.1});
    let service = |name: &str, port: Value| {
        let mut metadata = metadata(name, Some(options));
        metadata["labels"] = labels.clone();
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port], "selector": labels}})
    };
    let mut deployment_metadata = metadata(DEPLOYMENT, Some(options));
    deployment_metadata["labels"] = labels.clone();
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": deployment_metadata,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod(options)},
        },
    });
    vec![
        service(
            METRICS_SERVICE,
            json!({"name": "https", "port": 8443, "protocol": "TCP", "targetPort": "https"}),
        ),
        service(WEBHOOK_SERVICE, json!({"port": 443, "protocol": "TCP", "targetPort": 9443})),
        deployment,
    ]
}

fn pod(options: &Options) -> Value {
    let from_field =
        |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let probe = |path: &str, delay: u32, period: u32| json!({"httpGet": {"path": path, "port": 8081}, "initialDelaySeconds": delay, "periodSeconds": period});
    json!({
        "serviceAccountName": SERVICE_ACCOUNT,
        // Longer than the process takes to finish what it has begun.
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "manager",
            "image": options.image,
            "args": ["--zap-log-level=info", "--zap-time-encoding=rfc3339nano"],
            "env": [
                from_field("SERVICE_ACCOUNT_NAME", "spec.serviceAccountName"),
                from_field("NAMESPACE", "metadata.namespace"),
                {"name": "METRICS_ADDR", "value": ":8443"},
                {"name": "METRICS_SECURE", "value": "true"},
                {"name": "ENABLE_LEADER_ELECTION", "value": "true"},
                {"name": "ENABLE_NGINX_AUTO_INSTRUMENTATION", "value": "true"},
            ],
            "ports": [
                {"name": "webhook-server", "containerPort": 9443, "protocol": "TCP"},
                {"name": "https", "containerPort": 8443, "protocol": "TCP"},
            ],
            "livenessProbe": probe("/healthz", 15, 20),
            "readinessProbe": probe("/readyz", 1, 5),
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
            "securityContext": {
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "cert", "mountPath": CERTIFICATE_FOLDER, "readOnly": true}],
        }],
        "volumes": [{"name": "cert", "secret": {"secretName": CERTIFICATE_SECRET, "optional": true, "defaultMode": 420}}],
    })
}
