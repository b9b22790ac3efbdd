//! Every value of the chart, set to something else than its default, and where it goes.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    chart::{data, render},
    find,
};

#[test]
fn each_value_does_what_its_name_says() -> Result<()> {
    let objects = render(&["--values", &data("chart-values.yaml").to_string_lossy()])?;
    let mut wrong = Vec::new();
    for (kind, name, pointer, wanted) in table() {
        let object = objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
        let found = object.and_then(|object| object.pointer(pointer)).cloned().unwrap_or_default();
        if found != wanted {
            wrong.push(format!("{kind} {name} {pointer}: {found}, not {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let deployment = find(&objects, "Deployment", "op");
    let args: Vec<&str> = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for wanted in ARGUMENTS {
        assert!(args.contains(wanted), "{wanted} is not among {args:#?}");
    }
    for object in objects.iter().filter(|o| o["kind"] != "Pod" && o["metadata"]["name"] != "extra-otel") {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["team"], "platform", "{metadata}");
        assert!(metadata["namespace"].is_null() || metadata["namespace"] == "over", "{metadata}");
    }
    assert!(deployment["spec"]["template"]["metadata"]["annotations"]["rollme"].is_string());
    assert!(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"].is_string());
    Ok(())
}

const ARGUMENTS: &[&str] = &[
    "--metrics-addr=:1443",
    "--webhook-port=2443",
    "--health-probe-addr=:3081",
    "--metrics-secure=false",
    "--metrics-tls-cert-file=/a.crt",
    "--metrics-tls-key-file=/a.key",
    "--enable-leader-election=false",
    "--webhook-service=op-webhook",
    "--mutating-webhook-configuration=prefix-op-mutation",
    "--validating-webhook-configuration=prefix-op-validation",
    "--collector-image=registry.example/collector:1",
    "--target-allocator-image=registry.example/allocator:2",
    "--operator-opamp-bridge-image=registry.example/bridge:3",
    "--auto-instrumentation-java-image=registry.example/java:4",
    "--auto-instrumentation-nodejs-image=registry.example/nodejs:4",
    "--auto-instrumentation-python-image=registry.example/python:4",
    "--auto-instrumentation-dotnet-image=registry.example/dotnet:4",
    "--auto-instrumentation-apache-httpd-image=registry.example/apache:4",
    "--auto-instrumentation-nginx-image=registry.example/nginx:4",
    "--auto-instrumentation-go-image=registry.example/go:4",
    "--enable-go-instrumentation=true",
    "--ignore-missing-collector-crds=true",
    "--feature-gates=-operand.networkpolicy,operator.networkpolicy",
    "--config-file=/etc/opentelemetry-operator/config.yaml",
    "--zap-log-level=debug",
];

/// Kind and name of an object, a field, and what it is with the values of `chart-values.yaml`.
fn table() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let mutating = "prefix-op-mutation";
    let collectors = "opentelemetrycollectors.opentelemetry.io";
    let deployment = |field: &'static str, value: Value| ("Deployment", "op", field, value);
    vec![
        deployment("/spec/replicas", json!(5)),
        deployment("/spec/revisionHistoryLimit", json!(3)),
        deployment("/spec/minReadySeconds", json!(7)),
        deployment("/metadata/annotations/a", json!("deployment")),
        deployment("/spec/template/metadata/annotations/a", json!("pod")),
        deployment("/spec/template/metadata/labels/l", json!("pod")),
        deployment("/spec/template/spec/imagePullSecrets", json!([{"name": "pull"}])),
        deployment("/spec/template/spec/tolerations", json!([{"operator": "Exists"}])),
        deployment("/spec/template/spec/nodeSelector/disk", json!("ssd")),
        deployment("/spec/template/spec/topologySpreadConstraints/0/topologyKey", json!("zone")),
        deployment("/spec/template/spec/affinity/podAntiAffinity", Value::Null),
        deployment("/spec/template/spec/hostNetwork", json!(true)),
        deployment("/spec/template/spec/priorityClassName", json!("important")),
        deployment("/spec/template/spec/securityContext/runAsUser", json!(7)),
        deployment("/spec/template/spec/serviceAccountName", json!("account")),
        deployment("/spec/template/spec/automountServiceAccountToken", json!(false)),
        deployment("/spec/template/spec/volumes/0/secret/secretName", json!("mine")),
        deployment("/spec/template/spec/volumes/1/configMap/name", json!("op-config")),
        deployment(
            "/spec/template/spec/volumes/2/projected/sources/0/serviceAccountToken/path",
            json!("token"),
        ),
        deployment("/spec/template/spec/containers/0/image", json!("registry.example/operator:9")),
        deployment("/spec/template/spec/containers/0/imagePullPolicy", json!("Always")),
        deployment("/spec/template/spec/containers/0/resources/limits/memory", json!("1Gi")),
        deployment("/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem", json!(false)),
        deployment("/spec/template/spec/containers/0/ports/0/containerPort", json!(2443)),
        deployment("/spec/template/spec/containers/0/env/2/name", json!("ENABLE_NGINX_AUTO_INSTRUMENTATION")),
        deployment("/spec/template/spec/containers/0/env/3/name", json!("ENABLE_WEBHOOKS")),
        deployment("/spec/template/spec/containers/0/env/4/name", json!("MORE")),
        ("ConfigMap", "op-config", "/data/config.yaml", json!("labels-filter:\n- .*secret.*\n")),
        ("ConfigMap", "extra-otel", "/kind", json!("ConfigMap")),
        ("PodDisruptionBudget", "op", "/spec/minAvailable", json!(2)),
        ("PodDisruptionBudget", "op", "/spec/maxUnavailable", Value::Null),
        ("NetworkPolicy", "op", "/spec/ingress/0/ports/0/port", json!(2443)),
        ("ServiceAccount", "account", "/metadata/annotations/a", json!("account")),
        ("ClusterRole", "op-grant", "/rules/0/apiGroups/0", json!("rbac.authorization.k8s.io")),
        ("ClusterRoleBinding", "op-grant", "/subjects/0/namespace", json!("over")),
        ("Service", "op", "/metadata/annotations/a", json!("service")),
        ("Service", "op", "/spec/ports/0/port", json!(1443)),
        ("Service", "op-webhook", "/metadata/annotations/a", json!("webhook")),
        ("Service", "op-webhook", "/spec/ports/0/port", json!(444)),
        ("ServiceMonitor", "op", "/metadata/labels/release", json!("prometheus")),
        ("ServiceMonitor", "op", "/metadata/annotations/a", json!("monitor")),
        ("ServiceMonitor", "op", "/spec/endpoints/0/relabelings/0/action", json!("keep")),
        ("ServiceMonitor", "op", "/spec/endpoints/0/metricRelabelings/0/action", json!("drop")),
        ("ServiceMonitor", "op", "/spec/endpoints/0/port", json!("metrics")),
        ("PrometheusRule", "op", "/metadata/labels/l", json!("rules")),
        ("PrometheusRule", "op", "/metadata/annotations/a", json!("rules")),
        ("PrometheusRule", "op", "/spec/groups/0/name", json!("mine")),
        ("PrometheusRule", "op", "/spec/groups/1/rules/0/alert", json!("ReconcileErrors")),
        ("PrometheusRule", "op", "/spec/groups/1/rules/0/for", json!("9m")),
        ("PrometheusRule", "op", "/spec/groups/1/rules/0/labels/l", json!("rule")),
        ("PrometheusRule", "op", "/spec/groups/1/rules/0/annotations/a", json!("rule")),
        (
            "PrometheusRule",
            "op",
            "/spec/groups/1/rules/0/annotations/runbook_url",
            json!("https://runbooks.example/ReconcileErrors"),
        ),
        ("VerticalPodAutoscaler", "op", "/spec/updatePolicy/updateMode", json!("Initial")),
        ("VerticalPodAutoscaler", "op", "/spec/updatePolicy/minReplicas", json!(4)),
        (
            "VerticalPodAutoscaler",
            "op",
            "/spec/resourcePolicy/containerPolicies/0/maxAllowed/memory",
            json!("2Gi"),
        ),
        (
            "VerticalPodAutoscaler",
            "op",
            "/spec/resourcePolicy/containerPolicies/0/minAllowed/memory",
            json!("32Mi"),
        ),
        (
            "VerticalPodAutoscaler",
            "op",
            "/spec/resourcePolicy/containerPolicies/0/controlledResources",
            json!(["memory"]),
        ),
        ("MutatingWebhookConfiguration", mutating, "/webhooks/0/failurePolicy", json!("Ignore")),
        ("MutatingWebhookConfiguration", mutating, "/webhooks/0/timeoutSeconds", json!(3)),
        ("MutatingWebhookConfiguration", mutating, "/webhooks/0/clientConfig/service/port", json!(444)),
        (
            "MutatingWebhookConfiguration",
            mutating,
            "/webhooks/0/clientConfig/service/namespace",
            json!("over"),
        ),
        ("MutatingWebhookConfiguration", mutating, "/webhooks/2/failurePolicy", json!("Fail")),
        (
            "MutatingWebhookConfiguration",
            mutating,
            "/webhooks/2/namespaceSelector/matchLabels",
            json!({"mine": "1"}),
        ),
        (
            "MutatingWebhookConfiguration",
            mutating,
            "/webhooks/2/namespaceSelector/matchExpressions",
            json!([
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "over"]},
                // Those have a webhook of their own, which does not let pods through unseen.
                {"key": "instrumentation.opentelemetry.io/fail-closed", "operator": "NotIn", "values": ["true"]},
                {"key": "x", "operator": "Exists"},
            ]),
        ),
        (
            "MutatingWebhookConfiguration",
            mutating,
            "/webhooks/2/objectSelector/matchLabels",
            json!({"o": "1"}),
        ),
        (
            "ValidatingWebhookConfiguration",
            "prefix-op-validation",
            "/webhooks/1/failurePolicy",
            json!("Ignore"),
        ),
        ("CustomResourceDefinition", collectors, "/metadata/annotations/a", json!("crd")),
        (
            "CustomResourceDefinition",
            collectors,
            "/spec/conversion/webhook/clientConfig/service",
            json!({"name": "op-webhook", "namespace": "over", "path": "/convert", "port": 444}),
        ),
        ("Pod", "op-test-webhook", "/spec/containers/0/image", json!("registry.example/box:5")),
        ("Pod", "op-test-webhook", "/spec/containers/0/resources/limits/cpu", json!("10m")),
        ("Pod", "op-test-metrics", "/spec/containers/0/securityContext/runAsUser", json!(11)),
    ]
}
