//! Telling the API server which CA to trust: `caBundle` in our webhook configurations and in the definition whose objects we convert.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::{
    Api, Client, Resource,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::Current;
use crate::manifest::webhook::{MUTATING, VALIDATING};

/// How often the configurations are looked at: somebody may apply the manifest again.
const EVERY: Duration = Duration::from_secs(15);
/// Pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// What carries a bundle.
const BUNDLED: [(&str, &str, &str); 3] = [
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", MUTATING),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", VALIDATING),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "opentelemetrycollectors.opentelemetry.io"),
];

/// cert-manager writes the bundle of objects that carry this annotation.
const CERT_MANAGER: &str = "cert-manager.io/inject-ca-from";

/// Keeps the bundle of both configurations equal to the CA in use. Never returns.
pub async fn keep(client: Client, current: Arc<Current>) {
    let mut complained = false;
    loop {
        let ca = current.served().and_then(|served| served.ca.clone());
        let mut pause = EVERY;
        if let Some(ca) = ca {
            for (group, kind, name) in BUNDLED {
                if let Err(e) = write(&client, group, kind, name, &ca).await {
                    if !std::mem::replace(&mut complained, true) {
                        warn!(target: "certificate", "cannot write the caBundle of {kind} {name}, trying again: {e}");
                    }
                    pause = AFTER_FAILURE;
                }
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Writes the bundle into one configuration, if it is there, is not cert-manager's and differs.
async fn write(client: &Client, group: &str, kind: &str, name: &str, ca: &str) -> Result<(), kube::Error> {
    let resource = ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, "v1", kind));
    let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let Some(configuration) = api.get_opt(name).await? else { return Ok(()) };
    if configuration.meta().annotations.as_ref().is_some_and(|a| a.contains_key(CERT_MANAGER)) {
        return Ok(());
    }
    let Some(patch) = patch(&configuration.data, configuration.meta().resource_version.as_deref(), ca) else {
        return Ok(());
    };
    match api
        .patch(
            name,
            &PatchParams::default(),
            &Patch::<Value>::Json(serde_json::from_value(patch).unwrap_or_default()),
        )
        .await
    {
        Ok(_) => {
            info!(target: "certificate", "wrote the caBundle of {kind} {name}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The JSON patch that sets the bundle where it differs; none when nothing does.
fn patch(configuration: &Value, resource_version: Option<&str>, ca: &str) -> Option<Value> {
    let bundle = STANDARD.encode(ca);
    let webhooks = configuration.get("webhooks").and_then(Value::as_array).map_or(0, Vec::len);
    let conversion =
        configuration.pointer("/spec/conversion/webhook").map(|_| "/spec/conversion/webhook".to_owned());
    let clients = (0..webhooks).map(|i| format!("/webhooks/{i}")).chain(conversion);
    let changes: Vec<Value> = clients
        .map(|client| format!("{client}/clientConfig/caBundle"))
        .filter(|path| configuration.pointer(path).and_then(Value::as_str) != Some(&bundle))
        .map(|path| json!({"op": "add", "path": path, "value": bundle}))
        .collect();
    if changes.is_empty() {
        return None;
    }
    // The indices are those of the object that was read, so it must not have changed since.
    let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": resource_version.unwrap_or_default()});
    Some(Value::Array(std::iter::once(test).chain(changes).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differing_entries_are_written() {
        let good = STANDARD.encode("ca");
        let configuration = json!({"webhooks": [
            {"name": "a", "clientConfig": {"caBundle": good}},
            {"name": "b", "clientConfig": {}},
        ]});
        let patch = patch(&configuration, Some("7"), "ca").unwrap();
        assert_eq!(patch[1]["path"], "/webhooks/1/clientConfig/caBundle");
        assert_eq!(patch.as_array().unwrap().len(), 2);
        let configuration = json!({"webhooks": [{"name": "a", "clientConfig": {"caBundle": good}}]});
        assert_eq!(super::patch(&configuration, Some("7"), "ca"), None);
    }
}
