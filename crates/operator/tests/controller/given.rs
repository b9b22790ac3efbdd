//! Collectors and what became of them.

use std::time::Duration;

use anyhow::Result;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use testkit::Operator;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace on the control plane and under the operator that tests share.
pub(crate) async fn start(prefix: &str) -> Result<(Client, String)> {
    Operator::shared().await?;
    let client = testkit::shared().await?.client().await?;
    let namespace = testkit::namespace(&client, prefix).await?;
    Ok((client, namespace))
}

fn resource(group_version: &str, kind: &str) -> ApiResource {
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

pub(crate) fn api(client: &Client, namespace: &str, group_version: &str, kind: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(group_version, kind))
}

pub(crate) fn of_cluster(client: &Client, group_version: &str, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &resource(group_version, kind))
}

pub(crate) fn collectors(client: &Client, namespace: &str) -> Api<DynamicObject> {
    api(client, namespace, "opentelemetry.io/v1beta1", "OpenTelemetryCollector")
}

pub(crate) fn deployments(client: &Client, namespace: &str) -> Api<DynamicObject> {
    api(client, namespace, "apps/v1", "Deployment")
}

/// A collector with one pipeline; `spec` overrides.
pub(crate) fn collector(name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": name},
        "spec": {"config": config(&json!({}))},
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

/// The configuration of that pipeline, with these processors.
pub(crate) fn config(processors: &Value) -> Value {
    let names: Vec<&String> = processors.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!({
        "receivers": {"otlp": {"protocols": {"grpc": {}}}},
        "processors": processors,
        "exporters": {"debug": {}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp"], "processors": names, "exporters": ["debug"]}}},
    })
}

/// Creates a collector and waits until it is ready.
pub(crate) async fn ready_collector(
    client: &Client,
    namespace: &str,
    name: &str,
    spec: &Value,
) -> Result<DynamicObject> {
    testkit::create(client, collector(name, spec), namespace).await?;
    ready(client, namespace, name).await
}

/// Changes a collector and waits until it is ready again.
pub(crate) async fn change(
    client: &Client,
    namespace: &str,
    name: &str,
    change: Value,
) -> Result<DynamicObject> {
    let api = collectors(client, namespace);
    api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await?;
    ready(client, namespace, name).await
}

/// The condition's status, reason, message and observed generation.
pub(crate) fn condition(collector: &DynamicObject) -> (&str, &str, &str, Option<i64>) {
    let condition = &collector.data["status"]["conditions"][0];
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    (text("status"), text("reason"), text("message"), condition["observedGeneration"].as_i64())
}

/// Waits until the collector says that everything is there, at its present generation.
pub(crate) async fn ready(client: &Client, namespace: &str, name: &str) -> Result<DynamicObject> {
    let api = collectors(client, namespace);
    testkit::wait_for(&format!("collector {name} to be ready"), PATIENCE, async || {
        let collector = api.get(name).await?;
        let (status, _, message, generation) = condition(&collector);
        if status == "False" {
            anyhow::bail!("not ready: {message}");
        }
        Ok((status == "True" && generation == collector.metadata.generation).then_some(collector))
    })
    .await
}

/// Waits until the collector says that something is wrong; the reason and the message.
pub(crate) async fn failed(client: &Client, namespace: &str, name: &str) -> Result<(String, String)> {
    let api = collectors(client, namespace);
    testkit::wait_for(&format!("collector {name} to fail"), PATIENCE, async || {
        let collector = api.get(name).await?;
        let (status, reason, message, _) = condition(&collector);
        Ok((status == "False").then(|| (reason.to_owned(), message.to_owned())))
    })
    .await
}

/// Waits until an object is gone.
pub(crate) async fn gone(api: &Api<DynamicObject>, name: &str) -> Result<()> {
    testkit::wait_for(&format!("{name} to go"), PATIENCE, async || {
        Ok(api.get_opt(name).await?.is_none().then_some(()))
    })
    .await
}

/// Waits until an object is as it should be.
pub(crate) async fn until(
    api: &Api<DynamicObject>,
    name: &str,
    what: &str,
    is: impl Fn(&DynamicObject) -> bool,
) -> Result<DynamicObject> {
    testkit::wait_for(&format!("{name}: {what}"), PATIENCE, async || {
        Ok(api.get_opt(name).await?.filter(|object| is(object)))
    })
    .await
}

/// Type, reason and note of the events about an object.
pub(crate) async fn events(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Vec<(String, String, String)>> {
    let events = api(client, namespace, "events.k8s.io/v1", "Event").list(&ListParams::default()).await?;
    let about = events.items.into_iter().filter(|event| event.data["regarding"]["name"] == name);
    let text = |event: &DynamicObject, key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
    Ok(about.map(|event| (text(&event, "type"), text(&event, "reason"), text(&event, "note"))).collect())
}

/// Waits until an event about an object with this reason is there; its type and note.
pub(crate) async fn event(
    client: &Client,
    namespace: &str,
    name: &str,
    reason: &str,
) -> Result<(String, String)> {
    testkit::wait_for(&format!("an event {reason} about {name}"), PATIENCE, async || {
        let events = events(client, namespace, name).await?;
        Ok(events.into_iter().find(|(_, r, _)| r == reason).map(|(kind, _, note)| (kind, note)))
    })
    .await
}
