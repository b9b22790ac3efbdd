//! The bundle for the Operator Lifecycle Manager, from the same objects as every other installation.
//!
//! OLM makes the Service, the certificate and the webhook configurations itself, and mounts the certificate where the
//! process looks for one.

use serde_json::{Value, json};

use super::{Options, SERVICE_ACCOUNT, deployment, rbac, webhook, yaml};

const PACKAGE: &str = "opentelemetry-operator";
const CHANNEL: &str = "alpha";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = "https://github.com/open-telemetry/opentelemetry-operator";
/// The oldest Kubernetes that this operator supports.
const OLDEST_KUBERNETES: &str = "1.25.0";

/// Path in the bundle and content of each file.
///
/// # Errors
/// When the YAML writer refuses a value.
pub fn files() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    let options = Options::default();
    let mut files = vec![
        (
            format!("manifests/{PACKAGE}.clusterserviceversion.yaml"),
            yaml(&[cluster_service_version(&options)])?,
        ),
        ("metadata/annotations.yaml".to_owned(), yaml(&[json!({"annotations": annotations()})])?),
    ];
    for crd in super::crds() {
        files.push((format!("manifests/{}.yaml", super::plural(&crd)), yaml(&[crd])?));
    }
    let beside = [
        ("Service", deployment::METRICS_SERVICE),
        ("ClusterRole", rbac::METRICS_READER),
        ("PodDisruptionBudget", deployment::DEPLOYMENT),
    ];
    for mut object in super::all(&options) {
        let is = |(kind, name): &(&str, &str)| object["kind"] == *kind && object["metadata"]["name"] == *name;
        let Some((kind, name)) = beside.iter().find(|wanted| is(wanted)) else { continue };
        if let Some(metadata) = object["metadata"].as_object_mut() {
            // Bundles say no namespace: it is that of the subscription.
            metadata.remove("namespace");
        }
        files.push((format!("manifests/{name}_{}.yaml", kind.to_lowercase()), yaml(&[object])?));
    }
    Ok(files)
}

fn annotations() -> Value {
    let prefix = "operators.operatorframework.io";
    json!({
        format!("{prefix}.bundle.mediatype.v1"): "registry+v1",
        format!("{prefix}.bundle.manifests.v1"): "manifests/",
        format!("{prefix}.bundle.metadata.v1"): "metadata/",
        format!("{prefix}.bundle.package.v1"): PACKAGE,
        format!("{prefix}.bundle.channels.v1"): CHANNEL,
        format!("{prefix}.bundle.channel.default.v1"): CHANNEL,
    })
}

fn cluster_service_version(options: &Options) -> Value {
    let examples = serde_json::to_string_pretty(&examples()).unwrap_or_default();
    let cluster = [rbac::rules(rbac::CLUSTER, options), rbac::rules(rbac::METRICS, options)].concat();
    let account = |rules: Vec<Value>| json!([{"serviceAccountName": SERVICE_ACCOUNT, "rules": rules}]);
    let mode = |name: &str, supported: bool| json!({"type": name, "supported": supported});
    json!({
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": format!("{PACKAGE}.v{VERSION}"),
            "annotations": {
                "alm-examples": examples,
                "capabilities": "Deep Insights",
                "categories": "Logging & Tracing,Monitoring",
                "containerImage": options.image,
                "description": "Instruments applications that ask for it by annotation, and runs OpenTelemetry Collectors.",
                "repository": REPOSITORY,
                "support": "OpenTelemetry Community",
            },
        },
        "spec": {
            "displayName": "Community OpenTelemetry Operator",
            "description": DESCRIPTION,
            "keywords": ["opentelemetry", "tracing", "logging", "metrics", "monitoring", "troubleshooting"],
            "icon": [{"base64data": base64(ICON), "mediatype": "image/svg+xml"}],
            "links": [{"name": "OpenTelemetry Operator", "url": REPOSITORY}],
            "provider": {"name": "OpenTelemetry Community"},
            "maintainers": [
                {"name": "OpenTelemetry Community", "email": "cncf-opentelemetry-community@lists.cncf.io"},
            ],
            "maturity": "alpha",
            "minKubeVersion": OLDEST_KUBERNETES,
            "version": VERSION,
            "installModes": [
                mode("OwnNamespace", false),
                mode("SingleNamespace", false),
                mode("MultiNamespace", false),
                mode("AllNamespaces", true),
            ],
            "customresourcedefinitions": {"owned": owned()},
            "install": {"strategy": "deployment", "spec": {
                "clusterPermissions": account(cluster),
                "permissions": account(rbac::rules(rbac::OWN_NAMESPACE, options)),
                "deployments": [deployment_of_olm(options)],
            }},
            "webhookdefinitions": webhooks(options),
        },
    })
}

/// OLM mounts the certificate itself, at the same path.
fn deployment_of_olm(options: &Options) -> Value {
    let mut spec = deployment::objects(options)
        .into_iter()
        .find(|object| object["kind"] == "Deployment")
        .map(|mut deployment| deployment["spec"].take())
        .unwrap_or_default();
    let pod = &mut spec["template"]["spec"];
    pod["containers"][0]["volumeMounts"] = json!([]);
    pod["volumes"] = json!([]);
    json!({"name": deployment::DEPLOYMENT, "label": deployment::labels(), "spec": spec})
}

/// The admission webhooks and the conversion, as OLM wants them said.
///
/// OLM has no namespace selectors. So entries that are only right with one (a namespace that opts in, or that wants its
/// pods refused rather than uninstrumented) are left out, and the pods of all namespaces are sent.
fn webhooks(options: &Options) -> Vec<Value> {
    let mut definitions = Vec::new();
    for configuration in webhook::objects(options) {
        let kind = configuration["kind"].as_str().unwrap_or_default().replace("Configuration", "");
        for entry in configuration["webhooks"].as_array().into_iter().flatten() {
            let of_pods = entry["rules"][0]["resources"][0] == "pods";
            if of_pods && entry["name"] != webhook::PODS {
                continue;
            }
            let mut definition = json!({
                "generateName": entry["name"],
                "type": kind,
                "deploymentName": deployment::DEPLOYMENT,
                "containerPort": 443,
                "targetPort": 9443,
                "webhookPath": entry["clientConfig"]["service"]["path"],
            });
            let same = [
                "rules",
                "failurePolicy",
                "sideEffects",
                "timeoutSeconds",
                "admissionReviewVersions",
                "reinvocationPolicy",
            ];
            for field in same.into_iter().filter(|field| !entry[*field].is_null()) {
                definition[field] = entry[field].clone();
            }
            definitions.push(definition);
        }
    }
    definitions.push(json!({
        "generateName": "copentelemetrycollectors.kb.io",
        "type": "ConversionWebhook",
        "deploymentName": deployment::DEPLOYMENT,
        "containerPort": 443,
        "targetPort": 9443,
        "webhookPath": crate::webhook::collector::CONVERT_PATH,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1", "v1beta1"],
        "conversionCRDs": ["opentelemetrycollectors.opentelemetry.io"],
    }));
    definitions
}

/// Every served version of every custom resource.
fn owned() -> Vec<Value> {
    let mut owned = Vec::new();
    for crd in super::crds() {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default();
        for version in crd["spec"]["versions"].as_array().into_iter().flatten() {
            owned.push(json!({
                "name": crd["metadata"]["name"],
                "kind": kind,
                "version": version["name"],
                "displayName": match kind {
                    "OpenTelemetryCollector" => "OpenTelemetry Collector",
                    "Instrumentation" => "OpenTelemetry Instrumentation",
                    other => other,
                },
                "description": match kind {
                    "OpenTelemetryCollector" => "An OpenTelemetry Collector that the operator runs.",
                    "Instrumentation" => "How applications of a namespace are instrumented.",
                    other => other,
                },
            }));
        }
    }
    owned
}

fn examples() -> Value {
    let collector = |version: &str, config: Value| {
        json!({
            "apiVersion": format!("opentelemetry.io/{version}"),
            "kind": "OpenTelemetryCollector",
            "metadata": {"name": "otel"},
            "spec": {"config": config},
        })
    };
    let config = json!({
        "receivers": {"otlp": {"protocols": {"grpc": {}, "http": {}}}},
        "exporters": {"debug": {}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}},
    });
    // A JSON text is YAML, too.
    let text = config.to_string();
    json!([
        {
            "apiVersion": "opentelemetry.io/v1alpha1",
            "kind": "Instrumentation",
            "metadata": {"name": "instrumentation"},
            "spec": {
                "exporter": {"endpoint": "http://otel-collector:4318"},
                "propagators": ["tracecontext", "baggage"],
                "sampler": {"type": "parentbased_traceidratio", "argument": "0.25"},
            },
        },
        collector("v1alpha1", text.into()),
        collector("v1beta1", config),
    ])
}

fn base64(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

const DESCRIPTION: &str = "\
The operator instruments applications that ask for it by an annotation, and runs OpenTelemetry Collectors.

Annotate the pod template of a workload with `instrumentation.opentelemetry.io/inject-java: \"true\"` (or `nodejs`, `python`, `dotnet`, `go`,
`apache-httpd`, `nginx`, `sdk`), and its pods come out instrumented, as an Instrumentation of its namespace says. An OpenTelemetryCollector
becomes a Deployment, DaemonSet, StatefulSet or sidecar with its Services, accounts and probes.

Each pod carries in an annotation what was decided about it, and why.";

const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\"><circle cx=\"32\" cy=\"32\" r=\"28\" fill=\"#425cc7\"/><path d=\"M14 40l12-14 10 10 14-18\" fill=\"none\" stroke=\"#f5a800\" stroke-width=\"6\"/></svg>";
