//! Webhook configurations: ours as they must be, and those of other operators.

use operator::{
    manifest::{Options, webhook},
    webhook::pod,
};
use serde_json::Value;

use super::{Seen, catalogue::Check, items, selector, sheet::Sheet, text, title};
use crate::cluster::{self, Cluster};

/// A longer timeout of the pods' webhook is worth a word, in seconds.
const LONG: i64 = 10;
/// What every cluster lives on.
const KUBE_SYSTEM: &str = "kube-system";

/// The path that a webhook is called at.
pub(super) fn path(webhook: &Value) -> &str {
    let of_url = || {
        let url = text(webhook, "/clientConfig/url");
        let (_, rest) = url.split_once("://")?;
        rest.find('/').map(|at| rest[at..].split('?').next().unwrap_or_default())
    };
    match text(webhook, "/clientConfig/service/path") {
        "" => of_url().unwrap_or_default(),
        path => path,
    }
}

/// Whether it receives pods for us.
pub(super) fn is_of_pods(webhook: &Value) -> bool {
    path(webhook) == pod::PATH
}

/// Whether a configuration is that of an OpenTelemetry operator. (The path of pods alone is not enough: many operators have it.)
pub(super) fn is_of_opentelemetry(configuration: &Value) -> bool {
    items(configuration, "/webhooks").iter().any(|webhook| path(webhook).contains("opentelemetry-io"))
}

/// Webhooks of other operators of this kind.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn others(cluster: &Cluster, seen: &Seen, sheet: &mut Sheet) -> anyhow::Result<()> {
    sheet.made(Check::OtherOperator, "");
    sheet.made(Check::StaleWebhook, "");
    for configuration in seen.mutating.iter().chain(&seen.validating) {
        let name = text(configuration, "/metadata/name");
        let ours =
            seen.own_configurations().into_iter().flatten().any(|own| text(own, "/metadata/name") == name);
        let Some(first) = items(configuration, "/webhooks").first() else { continue };
        if ours || !is_of_opentelemetry(configuration) {
            continue;
        }
        let (namespace, service) =
            (text(first, "/clientConfig/service/namespace"), text(first, "/clientConfig/service/name"));
        if service.is_empty() {
            let message =
                format!("webhook configuration {name} sends objects to {}", text(first, "/clientConfig/url"));
            sheet.error(Check::OtherOperator, "", message, "");
            continue;
        }
        let named = format!("webhook configuration {name} names Service {namespace}/{service}");
        if cluster.exists(&cluster::core(namespace, "services", service)?)? {
            sheet.error(Check::OtherOperator, "", format!("{named}: a second operator is installed"), "");
        } else {
            let fix = format!(
                "kubectl delete {}/{name}",
                if seen.mutating.contains(configuration) {
                    "mutatingwebhookconfiguration"
                } else {
                    "validatingwebhookconfiguration"
                }
            );
            sheet.error(Check::StaleWebhook, "", format!("{named}, which does not exist"), fix);
        }
    }
    Ok(())
}

/// Our own, compared with those of this release.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn check(cluster: &Cluster, seen: &Seen, sheet: &mut Sheet) -> anyhow::Result<()> {
    for made in [
        Check::WebhookConfigurationMissing,
        Check::WebhookMissing,
        Check::WebhookRules,
        Check::FailurePolicy,
        Check::WebhookTimeout,
        Check::NamespaceExcluded,
    ] {
        sheet.made(made, "");
    }
    for (wanted, found) in webhook::objects(&Options::default()).iter().zip(seen.own_configurations()) {
        let Some(found) = found else {
            let message =
                format!("{} {} does not exist", text(wanted, "/kind"), text(wanted, "/metadata/name"));
            sheet.error(Check::WebhookConfigurationMissing, "", message, "");
            continue;
        };
        let name = text(found, "/metadata/name");
        for webhook in items(wanted, "/webhooks") {
            compare(name, webhook, found, seen, sheet);
        }
    }
    services(cluster, seen, sheet)?;
    excluded(seen, sheet);
    Ok(())
}

fn compare(configuration: &str, wanted: &Value, found: &Value, seen: &Seen, sheet: &mut Sheet) {
    let name = text(wanted, "/name");
    let object = format!("{configuration}, webhook {name}");
    let Some(found) = items(found, "/webhooks").iter().find(|webhook| text(webhook, "/name") == name) else {
        return sheet.error(Check::WebhookMissing, "", format!("{configuration} has no webhook {name}"), "");
    };
    for rule in items(wanted, "/rules") {
        if !items(found, "/rules").iter().any(|there| covers(there, rule)) {
            let list =
                |key: &str| items(rule, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
            let message = format!("no rule for {} of {}", list("/operations"), list("/resources"));
            sheet.error(Check::WebhookRules, object.clone(), message, "");
        }
    }
    if !is_of_pods(found) {
        return;
    }
    let fails = |webhook: &Value| text(webhook, "/failurePolicy") == "Fail";
    if fails(found) && !fails(wanted) {
        let selector = found.get("namespaceSelector");
        let system = seen.namespaces.get(KUBE_SYSTEM).map(selector::labels).unwrap_or_default();
        if selector::matches(selector, &system) {
            let message = "failurePolicy is Fail, in kube-system too: a cluster without the operator does not come up again";
            sheet.error(Check::FailurePolicy, object.clone(), message, "");
        } else {
            let message = "failurePolicy is Fail: without the operator no pod is created";
            sheet.warn(Check::FailurePolicy, object.clone(), message, "");
        }
    }
    if let Some(seconds) =
        found.get("timeoutSeconds").and_then(Value::as_i64).filter(|seconds| *seconds >= LONG)
    {
        sheet.warn(Check::WebhookTimeout, object, format!("timeoutSeconds is {seconds}"), "");
    }
}

/// Whether a rule takes everything that another one takes.
fn covers(rule: &Value, wanted: &Value) -> bool {
    ["/apiGroups", "/resources", "/operations", "/apiVersions"].iter().all(|key| {
        let there = items(rule, key);
        there.contains(&Value::from("*")) || items(wanted, key).iter().all(|value| there.contains(value))
    })
}

/// The Services that webhooks name, and who is behind them.
fn services(cluster: &Cluster, seen: &Seen, sheet: &mut Sheet) -> anyhow::Result<()> {
    let conversions = seen
        .definitions
        .iter()
        .filter_map(|d| Some((text(d, "/metadata/name"), d.pointer("/spec/conversion/webhook")?)));
    let mut named = 0;
    for (object, webhook) in seen.own_webhooks().chain(conversions) {
        let (namespace, name) =
            (text(webhook, "/clientConfig/service/namespace"), text(webhook, "/clientConfig/service/name"));
        if name.is_empty() {
            continue;
        }
        named += 1;
        let port = webhook.pointer("/clientConfig/service/port").and_then(Value::as_i64).unwrap_or(443);
        let Some(service) = cluster.get(&cluster::core(namespace, "services", name)?)? else {
            sheet.error(
                Check::WebhookService,
                object,
                format!("Service {namespace}/{name} does not exist"),
                "",
            );
            continue;
        };
        let has_port = items(&service, "/spec/ports")
            .iter()
            .any(|p| p.get("port").and_then(Value::as_i64) == Some(port));
        if !has_port {
            sheet.error(
                Check::WebhookService,
                object,
                format!("Service {namespace}/{name} has no port {port}"),
                "",
            );
        }
        if !ready(cluster, namespace, name)? {
            sheet.error(Check::WebhookEndpoints, title("Service", &service), "no pod behind it is ready", "");
        }
    }
    if named == 0 {
        let why = "the webhooks are reached by URL, not through a Service";
        sheet.skip(Check::WebhookService, why);
        sheet.skip(Check::WebhookEndpoints, why);
    } else {
        sheet.made(Check::WebhookService, "");
        sheet.made(Check::WebhookEndpoints, "");
    }
    Ok(())
}

/// Whether anybody is ready behind a Service.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn ready(cluster: &Cluster, namespace: &str, service: &str) -> anyhow::Result<bool> {
    let (namespace, service) = (cluster::segment(namespace)?, cluster::segment(service)?);
    let slices = cluster.list(&format!(
        "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{service}"
    ))?;
    let mut endpoints = slices.iter().flat_map(|slice| items(slice, "/endpoints"));
    // Absent means ready.
    Ok(endpoints.any(|e| {
        e.pointer("/conditions/ready") != Some(&Value::Bool(false)) && !items(e, "/addresses").is_empty()
    }))
}

/// Namespaces whose workloads ask, and which no webhook of ours selects.
fn excluded(seen: &Seen, sheet: &mut Sheet) {
    let webhooks: Vec<&Value> =
        seen.own_webhooks().map(|(_, webhook)| webhook).filter(|w| is_of_pods(w)).collect();
    if webhooks.is_empty() {
        return;
    }
    for workload in &seen.workloads {
        let Some(template) = super::workloads::template(workload) else { continue };
        let namespace = text(workload, "/metadata/namespace");
        if !super::workloads::asks(template) {
            continue;
        }
        let of_namespace = seen.namespaces.get(namespace).map(selector::labels).unwrap_or_default();
        let of_pod = selector::labels(template);
        let selected = webhooks.iter().any(|webhook| {
            selector::matches(webhook.get("namespaceSelector"), &of_namespace)
                && selector::matches(webhook.get("objectSelector"), &of_pod)
        });
        if !selected {
            let message = format!(
                "asks for injection, and no webhook's selectors take pods of namespace {namespace} with its labels"
            );
            sheet.error(Check::NamespaceExcluded, title(text(workload, "/kind"), workload), message, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_path_of_a_webhook_is_that_of_its_service_or_url() {
        assert_eq!(path(&json!({"clientConfig": {"service": {"path": "/a"}}})), "/a");
        assert_eq!(path(&json!({"clientConfig": {"url": "https://[::1]:9443/b?timeout=1s"}})), "/b");
        assert_eq!(path(&json!({"clientConfig": {}})), "");
    }

    #[test]
    fn a_rule_covers_what_is_wanted_or_more() {
        let rule = |operations: &[&str], resources: &[&str]| json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": resources});
        let wanted = rule(&["CREATE"], &["pods"]);
        assert!(covers(&wanted, &wanted) && covers(&rule(&["*"], &["pods", "services"]), &wanted));
        assert!(!covers(&rule(&["UPDATE"], &["pods"]), &wanted));
    }
}
