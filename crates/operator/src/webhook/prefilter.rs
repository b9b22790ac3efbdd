//! `--webhook-prefilter`: keeps the `matchConditions` of the pod webhooks such that the API server asks only about pods
//! that can be concerned. For the leader to do; without the setting it takes an old condition away.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, pin_mut};
use inject::prefilter;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::{manifest::webhook::is_about_pods, store::Store};

/// Name of the condition; others are left alone.
pub const CONDITION: &str = "concerned.opentelemetry.io";
/// Pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Namespaces that change at once are written once.
const GATHER: Duration = Duration::from_millis(20);

/// Takes an old condition away: what a process with the setting left behind.
pub async fn remove(client: Client, configuration: String) {
    let api = Api::<MutatingWebhookConfiguration>::all(client);
    loop {
        let removed = async {
            let Some(object) = api.get_opt(&configuration).await? else { return Ok(()) };
            let Some(patch) = patch(&object, None) else { return Ok(()) };
            api.patch(&configuration, &PatchParams::default(), &Patch::<Value>::Json(patch)).await?;
            info!(target: "prefilter", "took the matchConditions of the pod webhooks away");
            Ok::<_, kube::Error>(())
        };
        match removed.await {
            Ok(()) => return,
            Err(error) => {
                warn!(target: "prefilter", "cannot look at the matchConditions of {configuration}, trying again: {error}");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// Keeps the conditions of the configuration of this name. Never returns.
pub async fn keep(client: Client, store: Arc<Store>, configuration: String) {
    store.namespaces.filled().await;
    let api = Api::<MutatingWebhookConfiguration>::all(client);
    let by_name = watcher::Config::default().fields(&format!("metadata.name={configuration}"));
    let events = watcher::watcher(api.clone(), by_name).default_backoff();
    pin_mut!(events);
    let mut namespaces = store.namespaces.changes();
    let mut known: Option<MutatingWebhookConfiguration> = None;
    let mut failed = false;
    let mut complained = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object))) => known = Some(object),
                Some(Ok(watcher::Event::Delete(_))) => known = None,
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    if !std::mem::replace(&mut complained, true) {
                        warn!(target: "prefilter", "cannot watch MutatingWebhookConfiguration {configuration}, trying again: {error}");
                    }
                }
                None => return,
            },
            changed = namespaces.changed() => {
                if changed.is_err() { return }
                tokio::time::sleep(GATHER).await;
                namespaces.mark_unchanged();
            }
            () = tokio::time::sleep(AFTER_FAILURE), if failed => {}
        }
        failed = false;
        let wish = wish(&store);
        let Some(patch) = known.as_ref().and_then(|object| patch(object, wish.as_deref())) else { continue };
        match api.patch(&configuration, &PatchParams::default(), &Patch::<Value>::Json(patch)).await {
            Ok(object) => {
                info!(target: "prefilter", condition = wish.as_deref().unwrap_or("none"), "wrote the matchConditions of the pod webhooks");
                known = Some(object);
                complained = false;
            }
            Err(error) => {
                failed = true;
                if !std::mem::replace(&mut complained, true) {
                    warn!(target: "prefilter", "cannot write the matchConditions of {configuration}, trying again: {error}");
                }
            }
        }
    }
}

/// The condition by what is known now; none when every pod has to be sent.
fn wish(store: &Store) -> Option<String> {
    let namespaces = store.namespaces.in_namespace("");
    let asking = namespaces.iter().filter(|namespace| prefilter::asks(namespace));
    prefilter::expression(asking.map(|namespace| namespace.name.as_str()))
}

/// The JSON patch that gives each pod webhook this condition, or none; none when all are so.
fn patch(object: &MutatingWebhookConfiguration, wish: Option<&str>) -> Option<json_patch::Patch> {
    let ours = wish
        .map(|expression| MatchCondition { name: CONDITION.to_owned(), expression: expression.to_owned() });
    let webhooks = object.webhooks.as_deref().unwrap_or_default();
    let changes: Vec<Value> = webhooks
        .iter()
        .enumerate()
        .filter(|(_, webhook)| is_about_pods(&webhook.name))
        .filter_map(|(i, webhook)| {
            let conditions = with(webhook, ours.as_ref());
            let path = format!("/webhooks/{i}/matchConditions");
            let present = webhook.match_conditions.as_deref().unwrap_or_default();
            if present == conditions {
                None
            } else if conditions.is_empty() {
                Some(json!({"op": "remove", "path": path}))
            } else {
                Some(json!({"op": "add", "path": path, "value": conditions}))
            }
        })
        .collect();
    if changes.is_empty() {
        return None;
    }
    // The indices are those of the object that was read, so it must not have changed since.
    let version = object.resource_version().unwrap_or_default();
    let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
    serde_json::from_value(std::iter::once(test).chain(changes).collect()).ok()
}

/// The conditions that a webhook should have: those of others, and ours.
fn with(webhook: &MutatingWebhook, ours: Option<&MatchCondition>) -> Vec<MatchCondition> {
    let others = webhook.match_conditions.iter().flatten().filter(|condition| condition.name != CONDITION);
    others.chain(ours).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(conditions: Value) -> MutatingWebhookConfiguration {
        let webhook = |name: &str| {
            json!({
                "name": name, "clientConfig": {}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "matchConditions": conditions,
            })
        };
        let webhooks = [webhook("minstrumentation.kb.io"), webhook("mpod.kb.io")];
        serde_json::from_value(json!({"metadata": {"resourceVersion": "7"}, "webhooks": webhooks})).unwrap()
    }

    #[test]
    fn only_pod_webhooks_are_written_and_others_conditions_stay() {
        let other = json!({"name": "theirs", "expression": "true"});
        let found = patch(&configuration(json!([other])), Some("x")).unwrap();
        let found = serde_json::to_value(found).unwrap();
        assert_eq!(found.as_array().unwrap().len(), 2);
        assert_eq!(found[1]["path"], "/webhooks/1/matchConditions");
        assert_eq!(found[1]["value"], json!([other, {"name": CONDITION, "expression": "x"}]));
    }

    #[test]
    fn at_rest_nothing_is_written_and_switched_off_ours_goes() {
        let ours = json!([{"name": CONDITION, "expression": "x"}]);
        assert_eq!(patch(&configuration(ours.clone()), Some("x")), None);
        assert_eq!(patch(&configuration(json!([])), None), None);
        let found = serde_json::to_value(patch(&configuration(ours), None).unwrap()).unwrap();
        assert_eq!(found[1]["op"], "remove");
    }
}
