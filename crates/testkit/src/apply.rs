//! Objects from YAML, of any kind that the API server knows.

use std::time::Duration;

use anyhow::{Context, bail};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    discovery::{self, Scope},
};
use serde_json::Value;

use crate::wait::wait_for;

/// The kind of a custom resource is served a moment after its definition.
const SERVED_WITHIN: Duration = Duration::from_secs(20);

/// The documents of a YAML text, with the rules of YAML that Kubernetes has: `yes` is a boolean, the last of two
/// equal keys counts.
///
/// # Errors
/// When the text is not YAML.
pub fn documents(text: &str) -> anyhow::Result<Vec<Value>> {
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    Ok(serde_saphyr::from_multiple_with_options(text, options)?)
}

/// Applies every document on the server's side, in order, taking over fields of other managers. Objects of a
/// namespaced kind that name no namespace go to `namespace`.
///
/// # Errors
/// When a document is no object or the API server refuses it; names the object.
pub async fn apply_yaml(client: &Client, text: &str, namespace: &str) -> anyhow::Result<Vec<DynamicObject>> {
    apply(client, documents(text)?, namespace).await
}

/// [`apply_yaml`] of objects.
pub(crate) async fn apply(
    client: &Client,
    objects: Vec<Value>,
    namespace: &str,
) -> anyhow::Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for document in objects {
        let (api, object) = prepare(client, document, namespace).await?;
        let name = object.metadata.name.clone().unwrap_or_default();
        let result = api.patch(&name, &PatchParams::apply("testkit").force(), &Patch::Apply(&object)).await;
        applied.push(result.with_context(|| describe(&object))?);
    }
    Ok(applied)
}

/// Creates every document, in order: what a client-side `kubectl apply` of new objects sends. Unlike with a
/// server-side apply, mutating webhooks see an object before its schema is checked.
///
/// # Errors
/// When a document is no object, exists, or is refused by the API server; names the object.
pub async fn create_yaml(client: &Client, text: &str, namespace: &str) -> anyhow::Result<Vec<DynamicObject>> {
    let mut created = Vec::new();
    for document in documents(text)? {
        created.push(create(client, document, namespace).await?);
    }
    Ok(created)
}

/// Creates one object, in `namespace` if it is of a namespaced kind and names none.
///
/// # Errors
/// As [`create_yaml`].
pub async fn create(client: &Client, object: Value, namespace: &str) -> anyhow::Result<DynamicObject> {
    let (api, object) = prepare(client, object, namespace).await?;
    api.create(&PostParams::default(), &object).await.with_context(|| describe(&object))
}

async fn prepare(
    client: &Client,
    document: Value,
    namespace: &str,
) -> anyhow::Result<(Api<DynamicObject>, DynamicObject)> {
    let object: DynamicObject =
        serde_json::from_value(document).context("a document is no Kubernetes object")?;
    let Some(types) = &object.types else { bail!("a document has no apiVersion and kind") };
    let kind = GroupVersionKind::try_from(types).with_context(|| describe(&object))?;
    let (resource, scope) = find_kind(client, &kind).await?;
    let api = match scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
    };
    Ok((api, object))
}

async fn find_kind(client: &Client, kind: &GroupVersionKind) -> anyhow::Result<(ApiResource, Scope)> {
    let what = format!("the API server to serve {} {}", kind.api_version(), kind.kind);
    let found =
        wait_for(&what, SERVED_WITHIN, async || Ok(Some(discovery::pinned_kind(client, kind).await?)));
    let (resource, capabilities) = found.await?;
    Ok((resource, capabilities.scope))
}

fn describe(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |t| &t.kind);
    format!("{kind} {}", object.metadata.name.as_deref().unwrap_or("without a name"))
}
