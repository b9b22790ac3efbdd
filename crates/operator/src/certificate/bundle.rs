//! Telling the API server which CA to trust: `caBundle` in our webhook configurations and in the definition whose objects we convert.
//!
//! Each of the three objects is watched by its name: somebody may apply the manifest again, or the CA may change. At rest nothing is sent.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::join_all, pin_mut};
use k8s_openapi::{ClusterResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tracing::{info, warn};

use super::{
    Current, Served,
    trust::{CERT_MANAGER, wanted},
};
use crate::{manifest::Names, store::lean::LeanMetadata};

/// Pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// What carries a bundle.
fn bundled(names: &Names) -> [(&'static str, &'static str, &'static str, &str); 3] {
    [
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            &names.mutating,
        ),
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            &names.validating,
        ),
        (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "opentelemetrycollectors.opentelemetry.io",
        ),
    ]
}

/// The objects that carry a bundle, by name.
pub fn objects(names: &Names) -> Vec<(ApiResource, String)> {
    bundled(names)
        .map(|(group, kind, plural, name)| {
            let kind = GroupVersionKind::gvk(group, "v1", kind);
            (ApiResource::from_gvk_with_plural(&kind, plural), name.to_owned())
        })
        .into()
}

/// Keeps the bundles equal to the CA in use. Never returns.
pub async fn keep(client: Client, current: Arc<Current>, names: Names) {
    let objects = objects(&names);
    let untold = AtomicUsize::new(objects.len());
    join_all(objects.into_iter().map(|(resource, name)| {
        let (client, current, untold) = (client.clone(), current.clone(), &untold);
        async move { follow(client, resource, &name, &current, untold).await }
    }))
    .await;
}

/// Keeps the bundle of one object equal to the CA in use.
///
/// `untold`: of how many objects it is not known yet that they have their bundle, or that it is not for this process to
/// write.
async fn follow(client: Client, resource: ApiResource, name: &str, current: &Current, untold: &AtomicUsize) {
    let kind = resource.kind.clone();
    let watched = Api::<Trusting>::all_with(client.clone(), &resource);
    let by_name = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher::watcher(watched, by_name).default_backoff();
    pin_mut!(events);
    let mut changes = current.changes();
    let mut object: Option<Trusting> = None;
    let mut complained = false;
    let mut failed = false;
    let mut listed = false;
    let mut told = false;
    let mut tell = || {
        if !std::mem::replace(&mut told, true) && untold.fetch_sub(1, Ordering::Relaxed) == 1 {
            current.told();
        }
    };
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(Event::InitApply(known) | Event::Apply(known))) => object = Some(known),
                Some(Ok(Event::Init | Event::Delete(_))) => object = None,
                Some(Ok(Event::InitDone)) => listed = true,
                Some(Err(error)) => {
                    // Where the rights are missing, somebody else is meant to write it.
                    if is_forbidden(&error) {
                        tell();
                    }
                    if !std::mem::replace(&mut complained, true) {
                        warn!(target: "certificate", "cannot watch {kind} {name}, trying again: {error}");
                    }
                }
                None => return,
            },
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AFTER_FAILURE), if failed => {}
        }
        failed = false;
        let patch = || object.as_ref()?.patch(current.served().as_deref()?);
        if patch().is_none() {
            if listed {
                tell();
            }
            continue;
        }
        current.refresh().await;
        let Some(patch) = patch() else { continue };
        let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
        match api.patch(name, &PatchParams::default(), &Patch::<Value>::Json(patch)).await {
            Ok(_) => {
                info!(target: "certificate", "wrote the caBundle of {kind} {name}");
                // The watch brings what was written; until then nothing is known.
                object = None;
                complained = false;
                tell();
            }
            Err(error) => {
                failed = true;
                if matches!(&error, kube::Error::Api(status) if status.code == 403) {
                    tell();
                }
                if !std::mem::replace(&mut complained, true) {
                    warn!(target: "certificate", "cannot write the caBundle of {kind} {name}, trying again: {error}");
                }
            }
        }
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    matches!(
        error,
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) if status.code == 403
    )
}

/// An object with client configurations, reduced to what matters here while it is parsed: a definition alone is half a megabyte.
#[derive(Clone, Debug)]
struct Trusting {
    metadata: ObjectMeta,
    /// JSON pointers of the client configurations, with the bundle of each.
    clients: Vec<(String, Option<String>)>,
}

impl Trusting {
    /// The JSON patch that sets the bundle where it differs; none when nothing does, or when it is cert-manager's to set.
    fn patch(&self, served: &Served) -> Option<json_patch::Patch> {
        if self.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(CERT_MANAGER)) {
            return None;
        }
        let now = OffsetDateTime::now_utc();
        let changes: Vec<Value> = self
            .clients
            .iter()
            .filter_map(|(at, known)| {
                let bundle = wanted(known.as_deref(), served, now)?;
                Some(json!({"op": "add", "path": format!("{at}/caBundle"), "value": bundle}))
            })
            .collect();
        if changes.is_empty() {
            return None;
        }
        // The indices are those of the object that was read, so it must not have changed since.
        let version = self.metadata.resource_version.as_deref().unwrap_or_default();
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
        serde_json::from_value(std::iter::once(test).chain(changes).collect()).ok()
    }
}

impl<'de> Deserialize<'de> for Trusting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct ClientConfig {
            ca_bundle: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Webhook {
            client_config: Option<ClientConfig>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Conversion {
            webhook: Option<Webhook>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Spec {
            conversion: Option<Conversion>,
        }
        #[derive(Deserialize)]
        struct Object {
            #[serde(default)]
            metadata: LeanMetadata,
            #[serde(default)]
            webhooks: Vec<Webhook>,
            #[serde(default)]
            spec: Spec,
        }
        let object = Object::deserialize(deserializer)?;
        let conversion = object.spec.conversion.and_then(|c| c.webhook);
        let webhooks =
            object.webhooks.into_iter().enumerate().map(|(i, webhook)| (format!("/webhooks/{i}"), webhook));
        let all = webhooks.chain(conversion.map(|webhook| ("/spec/conversion/webhook".to_owned(), webhook)));
        let clients = all.filter_map(|(at, webhook)| {
            Some((format!("{at}/clientConfig"), webhook.client_config?.ca_bundle))
        });
        Ok(Trusting { clients: clients.collect(), metadata: object.metadata.into() })
    }
}

impl Resource for Trusting {
    type DynamicType = ApiResource;
    type Scope = ClusterResourceScope;

    fn kind(of: &ApiResource) -> Cow<'_, str> {
        (&of.kind).into()
    }
    fn group(of: &ApiResource) -> Cow<'_, str> {
        (&of.group).into()
    }
    fn version(of: &ApiResource) -> Cow<'_, str> {
        (&of.version).into()
    }
    fn plural(of: &ApiResource) -> Cow<'_, str> {
        (&of.plural).into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Authority;
    use base64::{Engine, engine::general_purpose::STANDARD};

    /// Somebody who serves, and the bundle for it.
    fn served() -> (Arc<Served>, String) {
        let names = ["localhost".to_owned()].into();
        let authority = Authority::create(&names, OffsetDateTime::now_utc()).unwrap();
        let current = Current::default();
        let ca = authority.ca_certificate.clone();
        current.serve(&authority.certificate, &authority.key, Some(ca), false).unwrap();
        (current.served().unwrap(), STANDARD.encode(&authority.ca_certificate))
    }

    fn patch(object: &Value, served: &Served) -> Option<Value> {
        let trusting: Trusting = serde_json::from_value(object.clone()).unwrap();
        trusting.patch(served).map(|patch| serde_json::to_value(patch).unwrap())
    }

    #[test]
    fn only_differing_entries_are_written() {
        let (served, good) = served();
        let mut configuration = json!({"metadata": {"resourceVersion": "7"}, "webhooks": [
            {"name": "a", "clientConfig": {"caBundle": good}},
            {"name": "b", "clientConfig": {"url": "https://b"}},
        ]});
        let found = patch(&configuration, &served).unwrap();
        assert_eq!(found[0]["value"], "7");
        assert_eq!(found[1]["path"], "/webhooks/1/clientConfig/caBundle");
        assert_eq!(found.as_array().unwrap().len(), 2);
        configuration["webhooks"][1]["clientConfig"]["caBundle"] = json!(good);
        assert_eq!(patch(&configuration, &served), None);
    }

    #[test]
    fn a_definition_has_its_client_below_conversion_and_may_have_none() {
        let definition =
            |conversion: Value| json!({"metadata": {}, "spec": {"group": "x", "conversion": conversion}});
        let webhook = json!({"strategy": "Webhook", "webhook": {"clientConfig": {"service": {}}}});
        let found = patch(&definition(webhook), &served().0).unwrap();
        assert_eq!(found[1]["path"], "/spec/conversion/webhook/clientConfig/caBundle");
        assert_eq!(patch(&definition(json!({"strategy": "None"})), &served().0), None);
    }

    #[test]
    fn what_cert_manager_writes_is_left_to_it() {
        let configuration =
            json!({"metadata": {"annotations": {CERT_MANAGER: "a/b"}}, "webhooks": [{"clientConfig": {}}]});
        assert_eq!(patch(&configuration, &served().0), None);
    }
}
