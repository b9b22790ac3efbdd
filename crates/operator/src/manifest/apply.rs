//! Server-side apply of our own objects.

use anyhow::{Context, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::Value;
use tracing::info;

use super::FIELD_MANAGER;

/// What the API server says of a `clientConfig` that has both, or neither.
const SERVICE_AND_URL: &str = "exactly one of url or service is required";

/// Applies objects, one after the other.
///
/// # Errors
/// With the object's kind and name, when the API server refuses one.
pub async fn apply(client: &Client, objects: &[Value]) -> Result<()> {
    for object in objects {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, name, namespace) = (text("/kind"), text("/metadata/name"), text("/metadata/namespace"));
        let (group, version) = text("/apiVersion").rsplit_once('/').unwrap_or(("", text("/apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match namespace {
            "" => Api::all_with(client.clone(), &resource),
            namespace => Api::namespaced_with(client.clone(), namespace, &resource),
        };
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let mut answer = api.patch(name, &parameters, &Patch::Apply(object)).await;
        if matches!(&answer, Err(kube::Error::Api(status)) if status.message.contains(SERVICE_AND_URL)) {
            redirect(&api, name, object).await.with_context(|| format!("cannot redirect {kind} {name}"))?;
            answer = api.patch(name, &parameters, &Patch::Apply(object)).await;
        }
        answer.with_context(|| format!("cannot apply {kind} {name}"))?;
        info!(target: "setup", kind, name, "applied");
    }
    Ok(())
}

/// Gives the webhooks of a stored object the addresses of `wanted`. An installation that somebody else applied may lead
/// to a Service where this one leads to a URL, and an apply would merge the two into something that is neither.
async fn redirect(api: &Api<DynamicObject>, name: &str, wanted: &Value) -> Result<()> {
    const CONVERSION: &str = "/spec/conversion/webhook/clientConfig";
    let mut stored = api.get(name).await?;
    if let (Some(config), Some(wanted)) = (stored.data.pointer_mut(CONVERSION), wanted.pointer(CONVERSION)) {
        *config = wanted.clone();
    }
    let webhooks =
        |object: &Value| object.get("webhooks").and_then(Value::as_array).cloned().unwrap_or_default();
    let wanted = webhooks(wanted);
    for webhook in stored.data.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(wanted) = wanted.iter().find(|wanted| wanted["name"] == webhook["name"]) {
            webhook["clientConfig"] = wanted["clientConfig"].clone();
        }
    }
    api.replace(
        name,
        &PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() },
        &stored,
    )
    .await?;
    Ok(())
}
