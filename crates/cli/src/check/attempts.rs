//! Trying it: objects that the API server does not store go through all webhooks.

use api::{Settings, annotation, instrumentation};
use serde_json::{Value, json};

use super::{Seen, catalogue::Check, selector, sheet::Sheet, text, webhooks};
use crate::cluster::{Answer, Cluster, segment};

/// The beginning of the names of what is tried.
const NAME: &str = "otel-operator-check-";

/// What became of an attempt.
enum Outcome {
    /// The webhook did its work.
    Good,
    /// The API server met this.
    Failed(String),
    /// It is not known, because of this.
    Unknown(String),
}

/// Sends a pod, an Instrumentation and a collector of the old version.
///
/// # Errors
///
/// When the cluster cannot be reached.
pub(super) fn check(
    cluster: &Cluster,
    seen: &Seen,
    settings: &Settings,
    sheet: &mut Sheet,
) -> anyhow::Result<()> {
    let Some(namespace) = namespace(seen) else {
        for check in [Check::PodWebhook, Check::InstrumentationWebhook, Check::CollectorWebhook] {
            sheet.skip(check, "there is no namespace whose pods the webhook is asked about");
        }
        return Ok(());
    };
    let namespace = segment(namespace)?;
    let custom = |version: &str, plural: &str| {
        format!("/apis/opentelemetry.io/{version}/namespaces/{namespace}/{plural}?dryRun=All")
    };
    let instrumentation = json!({
        "apiVersion": instrumentation::API_VERSION,
        "kind": instrumentation::KIND,
        "metadata": {"generateName": NAME},
        "spec": {"exporter": {"endpoint": "http://collector:4318"}},
    });
    let path = custom(instrumentation::VERSION, instrumentation::PLURAL);
    let of_instrumentation = outcome(&cluster.post(&path, &instrumentation)?, |_| true);
    let collector = json!({
        "apiVersion": api::collector::OLD_API_VERSION,
        "kind": api::collector::KIND,
        "metadata": {"generateName": NAME},
        "spec": {"config": "receivers: {otlp: {protocols: {grpc: {}}}}\nexporters: {debug: {}}\nservice: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n"},
    });
    let path = custom(api::collector::OLD_VERSION, api::collector::PLURAL);
    let of_collector = outcome(&cluster.post(&path, &collector)?, |_| true);
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": NAME,
            // No Instrumentation has such a name, so the answer is the same whatever there is in the namespace.
            "annotations": {format!("{}java", annotation::INJECT_PREFIX): "otel-operator.check/none"},
        },
        "spec": {
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "check",
                "image": "otel-operator/check",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    });
    let answer = cluster.post(&format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"), &pod)?;
    let of_pod = outcome(&answer, |answer| {
        let verdict = answer.body.pointer("/metadata/annotations").and_then(|a| a.get(annotation::VERDICT));
        // Without the annotation it is still told in a warning.
        verdict.is_some() || answer.warnings.iter().any(|warning| warning.contains(annotation::PREFIX))
    });
    let reason = match &of_instrumentation {
        Outcome::Failed(why) => Some(why.clone()),
        _ => None,
    };
    let annotated = if settings.verdict_annotation { "with no verdict" } else { "without a warning" };
    let of_pod = match of_pod {
        Outcome::Failed(why) if why.is_empty() => Outcome::Failed(match reason {
            Some(reason) => format!(
                "a pod that asks for injection came back {annotated}; of another webhook the API server says: {reason}"
            ),
            None => format!("a pod that asks for injection came back {annotated}"),
        }),
        other => other,
    };
    for (check, outcome) in [
        (Check::PodWebhook, of_pod),
        (Check::InstrumentationWebhook, of_instrumentation),
        (Check::CollectorWebhook, of_collector),
    ] {
        match outcome {
            Outcome::Good => sheet.made(check, ""),
            Outcome::Failed(why) => sheet.error(check, "", why, ""),
            Outcome::Unknown(why) => sheet.skip(check, why),
        }
    }
    Ok(())
}

fn outcome(answer: &Answer, was_seen: impl Fn(&Answer) -> bool) -> Outcome {
    match answer.code {
        _ if answer.is_ok() && was_seen(answer) => Outcome::Good,
        _ if answer.is_ok() => Outcome::Failed(String::new()),
        // Another webhook, a quota or a missing permission: nothing that this is about.
        403 => Outcome::Unknown(answer.message().to_owned()),
        404 => Outcome::Failed("the API server does not know the resource".to_owned()),
        _ => Outcome::Failed(answer.message().to_owned()),
    }
}

/// A namespace whose pods the webhook is asked about: `default` if it is one.
fn namespace(seen: &Seen) -> Option<&str> {
    let selectors: Vec<Option<&Value>> = seen
        .own_webhooks()
        .map(|(_, webhook)| webhook)
        .filter(|webhook| webhooks::is_of_pods(webhook))
        .map(|webhook| webhook.get("namespaceSelector"))
        .collect();
    let fits = |namespace: &Value| {
        let labels = selector::labels(namespace);
        text(namespace, "/status/phase") != "Terminating"
            && selectors.iter().any(|selector| selector::matches(*selector, &labels))
    };
    let default = seen.namespaces.get("default").filter(|namespace| fits(namespace));
    let found = default.or_else(|| seen.namespaces.values().find(|namespace| fits(namespace)));
    Some(text(found?, "/metadata/name"))
}
