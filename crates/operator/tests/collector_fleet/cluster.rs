//! A cluster of one's own, requests as they are, and everything that a collector owns.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use http_body_util::BodyExt;
use hyper::Request;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
};
use operator::controller::collector::kind::{KINDS, Kind};
use serde_json::{Value, json};
use testkit::{Cluster, ControlPlane, Operator, OperatorOptions, Options};

use crate::{api_server, record::Children};

pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
pub(crate) const V1BETA1: &str = "v1beta1";
pub(crate) const V1ALPHA1: &str = "v1alpha1";

/// One cluster at a time: each is three processes, and most of them do nothing but wait.
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// An answer of the API server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    /// The object, if there is one.
    pub(crate) fn object(self) -> Result<Value> {
        ensure!(self.code < 300, "{} {}", self.code, self.message());
        Ok(self.body)
    }

    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// One request, without anything that a client adds.
pub(crate) async fn send(client: &Client, method: &str, path: &str, body: &Value) -> Result<Answer> {
    let content_type = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
    let request = Request::builder().method(method).uri(path).header("content-type", content_type);
    let response = client.send(request.body(bytes.into())?).await?;
    let code = response.status().as_u16();
    let warnings = response.headers().get_all("warning").iter();
    // `299 - "text"`, with quotes and backslashes escaped.
    let warnings = warnings
        .filter_map(|w| Some(w.to_str().ok()?.split_once('"')?.1.trim_end_matches('"').replace("\\\"", "\"")))
        .collect();
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(Answer { code, body: serde_json::from_slice(&bytes).unwrap_or_default(), warnings })
}

/// Where collectors of a namespace are.
pub(crate) fn collectors(version: &str, namespace: &str) -> String {
    format!("/apis/opentelemetry.io/{version}/namespaces/{namespace}/opentelemetrycollectors")
}

/// Where a collector is.
pub(crate) fn collector(version: &str, namespace: &str, name: &str) -> String {
    format!("{}/{name}", collectors(version, namespace))
}

pub(crate) async fn get(client: &Client, path: &str) -> Result<Value> {
    send(client, "GET", path, &Value::Null).await?.object()
}

pub(crate) async fn namespace(client: &Client, name: &str) -> Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    send(client, "POST", "/api/v1/namespaces", &namespace).await?.object()?;
    let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
    testkit::wait_for(&format!("the service account of {name}"), PATIENCE, async || {
        Ok(Some(get(client, &account).await?))
    })
    .await?;
    Ok(())
}

/// A control plane that has the definitions of monitors and HTTPRoutes.
pub(crate) async fn with_definitions(options: Options) -> Result<ControlPlane> {
    let control_plane = ControlPlane::start_with(options).await?;
    define(&control_plane).await?;
    Ok(control_plane)
}

/// Applies the definitions of monitors and HTTPRoutes.
pub(crate) async fn define(cluster: &Cluster) -> Result<()> {
    let client = cluster.client().await?;
    for text in tokio::task::spawn_blocking(testkit::custom_resource_definitions).await?? {
        testkit::apply_yaml(&client, &text, "default").await?;
    }
    for kind in KINDS
        .iter()
        .filter(|kind| kind.api_version.contains("monitoring") || kind.api_version.contains("gateway"))
    {
        let path = format!("/apis/{}/{}", kind.api_version, kind.plural);
        testkit::wait_for(&path, PATIENCE, async || Ok(Some(get(&client, &path).await?))).await?;
    }
    Ok(())
}

/// An operator on a cluster of its own.
pub(crate) async fn start(cluster: &Cluster, args: &[&str]) -> Result<Operator> {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let operator = Operator::start(cluster, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    served(&cluster.client().await?).await?;
    Ok(operator)
}

/// Waits until both versions of collectors are served, which is a moment after they are defined.
pub(crate) async fn served(client: &Client) -> Result<()> {
    for version in [V1BETA1, V1ALPHA1] {
        let path = collectors(version, "default");
        testkit::wait_for(&path, PATIENCE, async || Ok(Some(get(client, &path).await?))).await?;
    }
    Ok(())
}

/// Removes the webhook configurations, for objects that are to be stored as they are. Conversion goes on.
pub(crate) async fn without_admission(client: &Client) -> Result<()> {
    for (plural, kind) in [
        ("mutatingwebhookconfigurations", operator::manifest::webhook::MUTATING),
        ("validatingwebhookconfigurations", operator::manifest::webhook::VALIDATING),
    ] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}/{kind}");
        send(client, "DELETE", &path, &Value::Null).await?.object()?;
    }
    Ok(())
}

async fn list(client: &Client, kind: &Kind, namespace: &str) -> Result<Vec<(String, Value)>> {
    let resource = kind.resource();
    let api: Api<DynamicObject> = match kind.cluster {
        true => Api::all_with(client.clone(), &resource),
        false => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let items = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("listing {}", kind.plural)),
    };
    let name =
        |object: &DynamicObject| format!("{}/{}", kind.kind, object.metadata.name.as_deref().unwrap_or("?"));
    items.iter().map(|object| Ok((name(object), serde_json::to_value(object)?))).collect()
}

/// Everything that the operator made in a namespace, and what has no namespace but is labelled for it, by `Kind/name`.
pub(crate) async fn everything(client: &Client, namespace: &str) -> Result<Children> {
    let lists = try_join_all(KINDS.iter().map(|kind| list(client, kind, namespace))).await?;
    let ours = |object: &Value| {
        let metadata = &object["metadata"];
        // Long instances are cut; the names of roles hold the whole namespace.
        let name = metadata["name"].as_str().unwrap_or_default();
        metadata["labels"]["app.kubernetes.io/managed-by"] == "opentelemetry-operator"
            && (!metadata["namespace"].is_null() || name.contains(&format!("-{namespace}-")))
    };
    Ok(lists.into_iter().flatten().filter(|(_, object)| ours(object)).collect())
}

/// The form in which an object of this cluster is compared: without what differs by run, or comes from a controller.
pub(crate) fn comparable(name: &str, object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().map(|object| object.remove("status"));
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata
            .retain(|key, _| matches!(key.as_str(), "name" | "labels" | "annotations" | "ownerReferences"));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("deployment.kubernetes.io/revision");
            annotations.remove("deprecated.daemonset.template.generation");
        }
    }
    for owner in object["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        owner["uid"] = json!("<subject>");
    }
    if object["spec"]["clusterIP"].as_str().is_some_and(|ip| ip.contains('.')) {
        object["spec"]["clusterIP"] = json!("<ip>");
    }
    api_server::comparable(name.split('/').next().unwrap_or_default(), &mut object);
    object
}

pub(crate) fn all_comparable(children: &Children) -> Children {
    children.iter().map(|(name, object)| (name.clone(), comparable(name, object))).collect()
}

/// Waits until the operator has said something about the present state of a collector; the collector then.
pub(crate) async fn settled(client: &Client, namespace: &str, name: &str) -> Result<Value> {
    let path = collector(V1BETA1, namespace, name);
    testkit::wait_for(&format!("collector {namespace}/{name} to settle"), PATIENCE, async || {
        let collector = get(client, &path).await?;
        let condition = &collector["status"]["conditions"][0];
        let current = condition["observedGeneration"] == collector["metadata"]["generation"];
        Ok(current.then_some(collector))
    })
    .await
}

/// Resource versions by name. `moving` leaves out what controllers of Kubernetes change by themselves.
pub(crate) fn versions(children: &Children) -> BTreeMap<String, String> {
    let version =
        |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    children.iter().map(|(name, object)| (name.clone(), version(object))).collect()
}
