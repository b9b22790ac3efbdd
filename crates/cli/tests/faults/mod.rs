//! What is planted: each fault with the id by which it must be found.

use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use kube::Client;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use testkit::Cluster;

/// A fault.
pub(crate) struct Fault {
    /// The check that must find it.
    pub(crate) id: &'static str,
    steps: Vec<Step>,
}

enum Step {
    /// Objects are there that should not be.
    Add(String),
    /// A pod that is instrumented.
    Injected(String),
    /// An object is changed.
    Edit(&'static str, Box<dyn Fn(&mut Value)>),
    /// An object is missing.
    Remove(&'static str),
}

/// How a step is taken back.
pub(crate) enum Undo {
    Delete(String),
    Put(&'static str, Value),
    Create(&'static str, Value),
}

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/opentelemetry-operator-mutating-webhook-configuration";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/opentelemetry-operator-validating-webhook-configuration";
const COLLECTORS: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/opentelemetrycollectors.opentelemetry.io";
const COLLECTORS_STATUS: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/opentelemetrycollectors.opentelemetry.io/status";
const SETTINGS: &str =
    "/api/v1/namespaces/opentelemetry-operator-system/configmaps/opentelemetry-operator-settings";
const EXTRA: &str = "/apis/opentelemetry.io/v1alpha1/namespaces/lonely/instrumentations/extra";
const LONELY: &str = "/api/v1/namespaces/lonely";

/// Nobody listens here.
const NOWHERE: &str = "https://127.0.0.1:9";
/// The operator leaves the `caBundle` of what carries this to cert-manager.
const CERT_MANAGER: &str = "cert-manager.io/inject-ca-from";

fn add(yaml: impl Into<String>) -> Step {
    Step::Add(yaml.into())
}

fn edit(path: &'static str, change: impl Fn(&mut Value) + 'static) -> Step {
    Step::Edit(path, Box::new(change))
}

/// A change of one webhook.
fn webhook(path: &'static str, name: &'static str, change: impl Fn(&mut Value) + 'static) -> Step {
    edit(path, move |configuration| {
        let webhooks = configuration["webhooks"].as_array_mut().unwrap();
        change(webhooks.iter_mut().find(|webhook| webhook["name"] == name).unwrap());
    })
}

fn pods(change: impl Fn(&mut Value) + 'static) -> Step {
    webhook(MUTATING, "mpod.kb.io", change)
}

/// An Instrumentation in the namespace that has none.
fn instrumentation(spec: &str) -> Step {
    add(format!(
        "{{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {{name: extra, namespace: lonely}}, spec: {spec}}}"
    ))
}

/// A Deployment whose pods have these annotations.
fn deployment(namespace: &str, annotations: &str) -> Step {
    add(format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: planted, namespace: {namespace}}}, spec: {{selector: {{matchLabels: {{app: planted}}}}, \
         template: {{metadata: {{labels: {{app: planted}}, annotations: {annotations}}}, spec: {{containers: [{{name: app, image: 'registry.example/app:1'}}]}}}}}}}}"
    ))
}

fn collector(spec: &str) -> Step {
    add(format!(
        "{{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {{name: planted, namespace: lonely}}, spec: {spec}}}"
    ))
}

/// The operator's own Deployment, as an installation in the cluster has it; nothing runs its pods here.
fn operator(image: &str) -> Step {
    add(format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: operator, namespace: opentelemetry-operator-system, labels: {{app.kubernetes.io/name: opentelemetry-operator}}}}, \
         spec: {{selector: {{matchLabels: {{app: operator}}}}, template: {{metadata: {{labels: {{app: operator}}}}, spec: {{serviceAccountName: nobody, containers: [{{name: manager, image: '{image}'}}]}}}}}}}}"
    ))
}

/// A webhook configuration as another operator of this kind leaves it, asked about nothing.
fn other_operator(service: &str) -> Step {
    add(format!(
        "{{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {{name: other-opentelemetry-operator-mutation}}, webhooks: [\
         {{name: minstrumentation.kb.io, failurePolicy: Ignore, sideEffects: None, admissionReviewVersions: [v1], objectSelector: {{matchLabels: {{no: object}}}}, \
         clientConfig: {{service: {{name: {service}, namespace: shop, path: /mutate-opentelemetry-io-v1alpha1-instrumentation}}}}, \
         rules: [{{apiGroups: [opentelemetry.io], apiVersions: [v1alpha1], operations: [CREATE], resources: [instrumentations]}}]}}]}}"
    ))
}

/// The certificate of an authority that signed nothing, in base64.
fn authority(expired: bool) -> String {
    let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(if expired { 2021 } else { 4000 }, 1, 1);
    STANDARD.encode(parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().pem())
}

/// Another authority in all webhooks.
fn bundle(path: &'static str, bundle: String) -> Step {
    edit(path, move |object| {
        object["metadata"]["annotations"][CERT_MANAGER] = "somewhere/certificate".into();
        for webhook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
            webhook["clientConfig"]["caBundle"] = bundle.as_str().into();
        }
        if let Some(conversion) = object.pointer_mut("/spec/conversion/webhook/clientConfig") {
            conversion["caBundle"] = bundle.as_str().into();
        }
    })
}

fn to_service(name: &'static str) -> Step {
    pods(move |webhook| {
        webhook["clientConfig"] = json!({"service": {"name": name, "namespace": "shop", "path": "/mutate-v1-pod"}, "caBundle": webhook["clientConfig"]["caBundle"]});
    })
}

/// Every fault.
pub(crate) fn all() -> Vec<Fault> {
    const JAVA: &str = "instrumentation.opentelemetry.io/inject-java";
    let ask = |value: &str| format!("{{{JAVA}: '{value}'}}");
    let one = |id, step| Fault { id, steps: vec![step] };
    let two = |id, first, second| Fault { id, steps: vec![first, second] };
    vec![
        one("other-operator", other_operator("collector")),
        one("stale-webhook", other_operator("gone")),
        one(
            "definition-version",
            edit(COLLECTORS, |crd| {
                let versions = crd["spec"]["versions"].as_array_mut().unwrap();
                versions.iter_mut().find(|v| v["name"] == "v1alpha1").unwrap()["served"] = false.into();
            }),
        ),
        one(
            "conversion-webhook",
            edit(COLLECTORS, |crd| crd["spec"]["conversion"] = json!({"strategy": "None"})),
        ),
        one("conversion-ca-bundle", bundle(COLLECTORS, authority(false))),
        one(
            "stored-versions",
            edit(COLLECTORS_STATUS, |crd| {
                crd["status"]["storedVersions"] = json!(["v1alpha1", "v1beta1"]);
            }),
        ),
        one("webhook-configuration-missing", Step::Remove(VALIDATING)),
        one(
            "webhook-missing",
            edit(MUTATING, |configuration| {
                configuration["webhooks"]
                    .as_array_mut()
                    .unwrap()
                    .retain(|webhook| webhook["name"] != "mpod.kb.io");
            }),
        ),
        one("webhook-rules", pods(|webhook| webhook["rules"][0]["resources"] = json!(["podtemplates"]))),
        one("failure-policy", pods(|webhook| webhook["failurePolicy"] = "Fail".into())),
        one("webhook-timeout", pods(|webhook| webhook["timeoutSeconds"] = 30.into())),
        one(
            "namespace-excluded",
            pods(|webhook| {
                webhook["namespaceSelector"] = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}]});
            }),
        ),
        one("webhook-ca-bundle", bundle(MUTATING, authority(false))),
        one("certificate-expiry", bundle(MUTATING, authority(true))),
        one("webhook-service", to_service("gone")),
        one("webhook-endpoints", to_service("empty")),
        one(
            "pod-webhook",
            pods(|webhook| webhook["clientConfig"]["url"] = format!("{NOWHERE}/mutate-v1-pod").into()),
        ),
        one(
            "instrumentation-webhook",
            webhook(MUTATING, "minstrumentation.kb.io", |webhook| {
                webhook["clientConfig"]["url"] =
                    format!("{NOWHERE}/mutate-opentelemetry-io-v1alpha1-instrumentation").into();
            }),
        ),
        one(
            "collector-webhook",
            webhook(VALIDATING, "vopentelemetrycollectorcreateupdatebeta.kb.io", |webhook| {
                webhook["clientConfig"]["url"] =
                    format!("{NOWHERE}/validate-opentelemetry-io-v1beta1-opentelemetrycollector").into();
            }),
        ),
        one("operator-available", operator("registry.example/opentelemetry-operator:0.158.0")),
        one("operator-permissions", operator("registry.example/opentelemetry-operator:0.158.0")),
        one("operator-version", operator("registry.example/opentelemetry-operator:0.100.0")),
        one(
            "leader-gone",
            add(
                "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: 9f7554c3.opentelemetry.io, namespace: opentelemetry-operator-system}, \
             spec: {holderIdentity: gone_1, leaseDurationSeconds: 137, renewTime: '2026-01-01T00:00:00.000000Z'}}",
            ),
        ),
        one("settings-unknown", Step::Remove(SETTINGS)),
        two(
            "instrumentation-invalid",
            Step::Remove(VALIDATING),
            instrumentation(
                "{exporter: {endpoint: 'http://collector.shop:4318'}, sampler: {type: traceidratio, argument: '2'}}",
            ),
        ),
        one("endpoint-missing", instrumentation("{}")),
        one("endpoint-invalid", instrumentation("{exporter: {endpoint: 'collector.shop:4318'}}")),
        one("endpoint-service", instrumentation("{exporter: {endpoint: 'http://nobody:4318'}}")),
        one("endpoint-port", instrumentation("{exporter: {endpoint: 'http://collector.shop:9999'}}")),
        one("endpoint-not-ready", instrumentation("{exporter: {endpoint: 'http://empty.shop:4318'}}")),
        two(
            "endpoint-protocol",
            instrumentation("{exporter: {endpoint: 'http://collector.shop:4317'}}"),
            deployment("lonely", "{instrumentation.opentelemetry.io/inject-python: 'true'}"),
        ),
        one(
            "agent-image-tag",
            instrumentation(
                "{exporter: {endpoint: 'http://collector.shop:4318'}, java: {image: 'registry.example/java:latest'}}",
            ),
        ),
        one(
            "agent-image-old",
            add(
                "{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: extra, namespace: lonely, \
             annotations: {instrumentation.opentelemetry.io/default-auto-instrumentation-java-image: 'registry.example/java:1'}}, \
             spec: {exporter: {endpoint: 'http://collector.shop:4318'}, java: {image: 'registry.example/java:1'}}}",
            ),
        ),
        one(
            "misplaced-annotation",
            add(format!(
                "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: planted, namespace: shop, annotations: {}}}, spec: {{replicas: 0, serviceName: x, selector: {{matchLabels: {{app: planted}}}}, \
             template: {{metadata: {{labels: {{app: planted}}}}, spec: {{containers: [{{name: app, image: a}}]}}}}}}}}",
                ask("true")
            )),
        ),
        one(
            "misspelled-annotation",
            deployment("shop", "{instrumentation.opentelemetry.io/inject_java: 'true'}"),
        ),
        one("annotation-value", deployment("shop", &ask("yes"))),
        one("no-instrumentation", deployment("lonely", &ask("true"))),
        Fault {
            id: "several-instrumentations",
            steps: vec![
                instrumentation("{exporter: {endpoint: 'http://collector.shop:4318'}}"),
                add(
                    "{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: second, namespace: lonely}, spec: {exporter: {endpoint: 'http://collector.shop:4318'}}}",
                ),
                deployment("lonely", &ask("true")),
            ],
        },
        one("instrumentation-not-found", deployment("shop", &ask("absent"))),
        one(
            "language-disabled",
            deployment("shop", "{instrumentation.opentelemetry.io/inject-nginx: 'true'}"),
        ),
        one(
            "restricted-namespace",
            deployment(
                "restricted",
                "{instrumentation.opentelemetry.io/inject-go: shop/main, instrumentation.opentelemetry.io/otel-go-auto-target-exe: /app}",
            ),
        ),
        one(
            "declined",
            deployment(
                "shop",
                "{instrumentation.opentelemetry.io/inject-java: 'true', instrumentation.opentelemetry.io/container-names: absent}",
            ),
        ),
        one("sidecar-missing", deployment("lonely", "{sidecar.opentelemetry.io/inject: 'true'}")),
        one(
            "namespace-without-instrumentation",
            edit(LONELY, |namespace| {
                namespace["metadata"]["annotations"][JAVA] = "true".into();
            }),
        ),
        two(
            "not-injected",
            add(format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: early, namespace: lonely, annotations: {}}}, spec: {{containers: [{{name: app, image: a}}]}}}}",
                ask("true")
            )),
            instrumentation("{exporter: {endpoint: 'http://collector.shop:4318'}}"),
        ),
        Fault {
            id: "outdated",
            steps: vec![
                instrumentation("{exporter: {endpoint: 'http://collector.shop:4318'}}"),
                Step::Injected(format!(
                    "{{apiVersion: v1, kind: Pod, metadata: {{name: old, namespace: lonely, annotations: {}}}, spec: {{containers: [{{name: app, image: a}}]}}}}",
                    ask("true")
                )),
                edit(EXTRA, |instrumentation| {
                    instrumentation["spec"]["exporter"]["endpoint"] = "http://collector.shop:4317".into()
                }),
            ],
        },
        one(
            "collector-not-ready",
            collector(
                "{mode: statefulset, targetAllocator: {enabled: true}, config: {receivers: {prometheus: {config: {scrape_configs: [{job_name: a}]}}}, exporters: {debug: {}}, service: {pipelines: {metrics: {receivers: [prometheus], exporters: [debug]}}}}}",
            ),
        ),
        one(
            "collector-configuration",
            collector(
                "{config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [absent]}}}}}",
            ),
        ),
        one(
            "monitors-missing",
            collector(
                "{observability: {metrics: {enableMetrics: true}}, config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}}",
            ),
        ),
    ]
}

async fn request(client: &Client, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)?;
    client.request::<Value>(request).await.with_context(|| path.to_owned())
}

/// Creates a pod, again and again until the operator knows what it is to be instrumented with.
async fn injected(cluster: &Cluster, yaml: &str) -> Result<()> {
    testkit::wait_for("the pod to be instrumented", Duration::from_secs(20), async || {
        let pod = cluster.kubectl(&["create", "-o", "yaml", "-f", "-"], yaml)?;
        if pod.contains("=Injected(") {
            return Ok(Some(()));
        }
        cluster.kubectl(&["delete", "-f", "-"], yaml)?;
        Ok(None)
    })
    .await
}

/// Plants a fault; what is returned heals it.
pub(crate) async fn plant(cluster: &Cluster, client: &Client, fault: &Fault) -> Result<Vec<Undo>> {
    let mut undo = Vec::new();
    for step in &fault.steps {
        undo.push(match step {
            Step::Add(yaml) => {
                cluster.kubectl(&["create", "-f", "-"], yaml)?;
                Undo::Delete(yaml.clone())
            }
            Step::Injected(yaml) => {
                injected(cluster, yaml).await?;
                Undo::Delete(yaml.clone())
            }
            Step::Edit(path, change) => {
                let old = request(client, Method::GET, path, None).await?;
                let mut new = old.clone();
                change(&mut new);
                request(client, Method::PUT, path, Some(&new)).await?;
                Undo::Put(path, old)
            }
            Step::Remove(path) => {
                let old = request(client, Method::GET, path, None).await?;
                request(client, Method::DELETE, path, None).await?;
                Undo::Create(path, old)
            }
        });
    }
    undo.reverse();
    Ok(undo)
}

/// Heals what was planted.
pub(crate) async fn heal(cluster: &Cluster, client: &Client, planted: Vec<Undo>) -> Result<()> {
    for undo in planted {
        match undo {
            Undo::Delete(yaml) => {
                cluster
                    .kubectl(&["delete", "-f", "-", "--ignore-not-found", "--cascade=foreground"], &yaml)?;
            }
            Undo::Put(path, mut old) => {
                // The operator may have written meanwhile.
                let now = request(client, Method::GET, path, None).await?;
                old["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
                request(client, Method::PUT, path, Some(&old)).await?;
            }
            Undo::Create(path, mut old) => {
                let metadata = old["metadata"].as_object_mut().context("it has no metadata")?;
                for key in ["resourceVersion", "uid", "creationTimestamp", "managedFields"] {
                    metadata.remove(key);
                }
                let list = path.rsplit_once('/').context("it is no path of an object")?.0;
                request(client, Method::POST, list, Some(&old)).await?;
            }
        }
    }
    Ok(())
}
