//! Server-side apply of our own objects.

use anyhow::{Context, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::Value;
use tracing::info;

use super::FIELD_MANAGER;

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
        api.patch(name, &parameters, &Patch::Apply(object))
            .await
            .with_context(|| format!("cannot apply {kind} {name}"))?;
        info!(target: "setup", kind, name, "applied");
    }
    Ok(())
}
