//! The webhook configurations: which requests the API server sends here.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Options, metadata};
use crate::webhook::{DEFAULT_PATH, VALIDATE_PATH, collector, pod};

/// Name of the MutatingWebhookConfiguration.
pub const MUTATING: &str = "opentelemetry-operator-mutating-webhook-configuration";
/// Name of the ValidatingWebhookConfiguration.
pub const VALIDATING: &str = "opentelemetry-operator-validating-webhook-configuration";

/// Name of the entry for the pods of all namespaces but the excluded ones.
pub(super) const PODS: &str = "mpod.kb.io";

/// With `enabled`, this label on kube-system or on the operator's namespace lets their pods be instrumented.
pub const OPT_IN_LABEL: &str = "instrumentation.opentelemetry.io/webhook";

/// With `true` on a namespace, its pods are refused rather than created uninstrumented while the webhook cannot be reached.
pub const FAIL_CLOSED_LABEL: &str = "instrumentation.opentelemetry.io/fail-closed";

/// What the names of the webhooks that are asked about pods begin with.
const POD_WEBHOOK: &str = "mpod";

/// Whether the webhook of this name is asked about pods.
pub fn is_about_pods(webhook: &str) -> bool {
    webhook.starts_with(POD_WEBHOOK)
}

/// How long the API server waits, in seconds. A process that hangs delays each pod by this much; the deadline inside
/// the process is far below it.
const TIMEOUT: u32 = 5;

/// Injecting twice equals injecting once, so the webhook may be asked again when a later one changed the pod (added a
/// sidecar, say).
const POD_REINVOCATION: &str = "IfNeeded";

/// The namespace that keeps a cluster alive.
const KUBE_SYSTEM: &str = "kube-system";
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Both configurations.
pub fn objects(options: &Options) -> Vec<Value> {
    let excluded = json!([KUBE_SYSTEM, options.namespace]);
    let everywhere_else = |fail_closed: &str| {
        json!({"matchExpressions": [
            {"key": NAMESPACE_NAME, "operator": "NotIn", "values": excluded},
            {"key": FAIL_CLOSED_LABEL, "operator": fail_closed, "values": ["true"]},
        ]})
    };
    let opted_in = json!({
        "matchExpressions": [{"key": NAMESPACE_NAME, "operator": "In", "values": excluded}],
        "matchLabels": {OPT_IN_LABEL: "enabled"},
    });
    let pods = |name: &str, failure_policy: &str, selector: &Value| {
        let rule = rule("", "v1", "pods", &["CREATE"]);
        let mut webhook = webhook(options, name, pod::PATH, failure_policy, &rule);
        webhook["reinvocationPolicy"] = POD_REINVOCATION.into();
        webhook["namespaceSelector"] = selector.clone();
        webhook
    };
    let instrumentations = |operations: &[&str]| {
        rule(
            api::instrumentation::GROUP,
            api::instrumentation::VERSION,
            api::instrumentation::PLURAL,
            operations,
        )
    };
    let written = instrumentations(&["CREATE", "UPDATE"]);
    let deleted = instrumentations(&["DELETE"]);
    let collectors = |operations: &[&str]| {
        rule(api::instrumentation::GROUP, "v1beta1", "opentelemetrycollectors", operations)
    };
    let collector_written = collectors(&["CREATE", "UPDATE"]);
    let collector_deleted = collectors(&["DELETE"]);
    let mut configurations = vec![
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": metadata(&options.names.mutating, None),
            "webhooks": [
                webhook(options, "minstrumentation.kb.io", DEFAULT_PATH, "Fail", &written),
                webhook(options, "mopentelemetrycollectorbeta.kb.io", collector::DEFAULT_PATH, "Fail", &collector_written),
                pods(PODS, "Ignore", &everywhere_else("NotIn")),
                // Whoever rather has no pod than one without instrumentation.
                pods("mpodfailclosed.kb.io", "Fail", &everywhere_else("In")),
                // A selector cannot say "or", so the excluded namespaces that want it have an entry of their own. None of
                // them can fail closed: the operator must be able to come back.
                pods("mpodoptedin.kb.io", "Ignore", &opted_in),
            ],
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": metadata(&options.names.validating, None),
            "webhooks": [
                webhook(options, "vinstrumentationcreateupdate.kb.io", VALIDATE_PATH, "Fail", &written),
                webhook(options, "vinstrumentationdelete.kb.io", VALIDATE_PATH, "Ignore", &deleted),
                webhook(
                    options,
                    "vopentelemetrycollectorcreateupdatebeta.kb.io",
                    collector::VALIDATE_PATH,
                    "Fail",
                    &collector_written,
                ),
                webhook(
                    options,
                    "vopentelemetrycollectordeletebeta.kb.io",
                    collector::VALIDATE_PATH,
                    "Ignore",
                    &collector_deleted,
                ),
            ],
        }),
    ];
    for configuration in &mut configurations {
        super::cert_manager::annotate(configuration, options);
    }
    configurations
}

/// Where the API server finds a path of ours.
pub(super) fn client_config(options: &Options, path: &str) -> Value {
    let mut client = match &options.webhook_url {
        Some(url) => json!({"url": format!("{url}{path}")}),
        None => {
            json!({"service": {"name": options.names.webhook_service, "namespace": options.namespace, "path": path}})
        }
    };
    if let Some(ca) = &options.ca {
        client["caBundle"] = STANDARD.encode(ca).into();
    }
    client
}

fn webhook(options: &Options, name: &str, path: &str, failure_policy: &str, rule: &Value) -> Value {
    json!({
        "name": name,
        "clientConfig": client_config(options, path),
        "rules": [rule],
        "failurePolicy": failure_policy,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": TIMEOUT,
    })
}

fn rule(group: &str, version: &str, resource: &str, operations: &[&str]) -> Value {
    json!({"apiGroups": [group], "apiVersions": [version], "resources": [resource], "operations": operations, "scope": "Namespaced"})
}
