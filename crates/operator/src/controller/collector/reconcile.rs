//! One pass over one collector: dereference → validate → build → apply → prune → status.

use std::{sync::Arc, time::Duration};

use api::collector::v1beta1::{ManagementState, Mode, OpenTelemetryCollector};
use collector::{
    Available, Child, ExistingWorkload, Given, Namespace, Pods, Settings, label, status::Outcome,
};
use futures::future::join_all;
use k8s_openapi::api::core::v1;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    runtime::events::{EventType, Recorder},
};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{
    apply::{Applier, MANAGER, api, key},
    children::{Children, Key, Stored},
    finalizer, report,
};

/// What a pass needs beside the collector.
pub struct Context {
    /// The client.
    pub client: Client,
    /// What there is.
    pub children: Arc<Children>,
    /// The operator's settings.
    pub settings: Settings,
    /// Where events go.
    pub recorder: Recorder,
}

/// No single pass takes longer; the next one begins anew.
pub const LONGEST_PASS: Duration = Duration::from_secs(60);

/// Brings a collector about. An error is worth another attempt; what only the user can mend is said in the status and is no error.
///
/// # Errors
/// What the API server said.
pub async fn reconcile(context: &Context, raw: &Value, available: &Available) -> Result<(), String> {
    let collector: OpenTelemetryCollector = match serde_json::from_value(raw.clone()) {
        Ok(collector) => collector,
        Err(error) => return report::unreadable(context, raw, &error).await,
    };
    if collector.metadata.deletion_timestamp.is_some() {
        return finalizer::clean_up(context, &collector, available).await;
    }
    if collector.spec.management_state == ManagementState::Unmanaged {
        return Ok(());
    }
    finalizer::keep(context, &collector, available).await?;

    let existing = workload(context, &collector);
    let existing_workload =
        existing.as_ref().map(|(_, stored)| ExistingWorkload::read(&stored.value(), MANAGER));
    let namespace = namespace(context, &collector, available).await?;
    let given = Given {
        collector: &collector,
        settings: &context.settings,
        available,
        namespace: &namespace,
        existing: existing_workload.as_ref(),
    };
    let built = match collector::build(&given) {
        Ok(built) => built,
        Err(error) => {
            let outcome = Outcome::Failed { reason: error.reason().to_owned(), message: error.to_string() };
            return report::status(context, &collector, &outcome, None, None).await;
        }
    };
    let mut children = built.children;
    if built.pods == Pods::KeptIfDifferent
        && let Some(workload) = children.last_mut()
    {
        // Whether our template really differs is not worth a question: kept pods change with the next change of the spec.
        *workload = workload.with_pods_kept();
    }
    own(&collector, &mut children);
    let errors = apply(context, &collector, &children).await;
    let errors = match errors.is_empty() {
        true => prune(context, &collector, &children, available).await,
        false => {
            vec![format!("failed to create objects for {}: {}", collector.metadata.name, errors.join("; "))]
        }
    };
    let outcome = match errors.is_empty() {
        true => Outcome::Reconciled,
        false => Outcome::Failed { reason: "ReconcileError".to_owned(), message: errors.join("; ") },
    };
    let workload = children.iter().find(|c| c.is_workload()).and_then(|c| context.children.get(&key(c)));
    let selector = workload.as_ref().map(|w| ExistingWorkload::read(&w.value(), MANAGER).selector);
    let workload = workload.map(|w| w.value());
    report::status(context, &collector, &outcome, selector.as_ref(), workload.as_ref()).await?;
    if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
}

/// The controller reference, by which children are found and go with their collector.
fn own(collector: &OpenTelemetryCollector, children: &mut [Child]) {
    let metadata = &collector.metadata;
    for child in children.iter_mut().filter(|c| c.namespace().is_some()) {
        child.object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "opentelemetry.io/v1beta1",
            "kind": "OpenTelemetryCollector",
            "name": metadata.name,
            "uid": metadata.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }]);
    }
}

/// Applies what pods need, all at once, then the workload. The messages of what failed.
async fn apply(context: &Context, collector: &OpenTelemetryCollector, children: &[Child]) -> Vec<String> {
    let applier =
        Applier { client: &context.client, children: &context.children, uid: &collector.metadata.uid };
    let (workloads, others): (Vec<_>, Vec<_>) = children.iter().partition(|c| c.is_workload());
    let mut errors = Vec::new();
    for group in [others, workloads] {
        for (child, result) in
            group.iter().zip(join_all(group.iter().map(|child| applier.apply(child))).await)
        {
            match result {
                Ok(true) => {
                    info!(target: "controllers.OpenTelemetryCollector", namespace = collector.metadata.namespace,
                    name = collector.metadata.name, kind = child.kind, child = child.name, "applied")
                }
                Ok(false) => {}
                Err(error) => errors.push(error.to_string()),
            }
        }
    }
    errors
}

/// Deletes what was the collector's and is not wished any more. The messages of what failed.
async fn prune(
    context: &Context,
    collector: &OpenTelemetryCollector,
    children: &[Child],
    available: &Available,
) -> Vec<String> {
    let metadata = &collector.metadata;
    let owned = context.children.owned(&metadata.namespace, &metadata.uid);
    let history = history(&owned, collector.spec.config_versions);
    let wished: Vec<Key> = children.iter().map(key).collect();
    let mut gone: Vec<(Key, Stored)> =
        owned.into_iter().filter(|(key, _)| !wished.contains(key) && !history.contains(key)).collect();
    if available.cluster_roles {
        gone.extend(
            cluster_children(context, collector).into_iter().filter(|(key, _)| !wished.contains(key)),
        );
    }
    let mut errors = Vec::new();
    for (key, stored) in gone {
        if let Err(error) = delete(context, &key, &stored).await {
            errors
                .push(format!("failed to prune objects for {}: {} {}: {error}", metadata.name, key.1, key.2));
        }
    }
    errors
}

/// Deletes a child, if it is still the one that we know.
pub async fn delete(context: &Context, key: &Key, stored: &Stored) -> Result<(), kube::Error> {
    let uid = stored.value()["metadata"]["uid"].as_str().map(str::to_owned);
    let parameters = DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        ..DeleteParams::background()
    };
    match api(&context.client, key.1, Some(&key.0)).delete(&key.2, &parameters).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error),
    }
    context.children.remove(key);
    Ok(())
}

/// The ClusterRoles and ClusterRoleBindings of a collector: they have no owner, so labels tell.
pub fn cluster_children(context: &Context, collector: &OpenTelemetryCollector) -> Vec<(Key, Stored)> {
    let instance = label::instance(&collector.metadata);
    let reference = label::instance_as_reference(&collector.metadata);
    let selector = label::selector(&instance);
    let mine = |stored: &Stored| {
        let labels = &stored.value()["metadata"]["labels"];
        selector.iter().all(|(key, value)| {
            labels[key] == *value
                || key == label::INSTANCE && labels[key] == reference && reference == instance
        })
    };
    context.children.of_cluster().into_iter().filter(|(_, stored)| mine(stored)).collect()
}

/// The ConfigMaps of earlier configurations that are kept: the newest `configVersions` and one more (collector.md 11.2).
fn history(owned: &[(Key, Stored)], versions: Option<i32>) -> Vec<Key> {
    let mut maps: Vec<_> = owned.iter().filter(|(key, _)| key.1 == "ConfigMap").collect();
    let made = |stored: &Stored| stored.value()["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
    maps.sort_by_cached_key(|(_, stored)| std::cmp::Reverse((made(stored), stored.version)));
    let count = usize::try_from(versions.unwrap_or(3).max(1)).unwrap_or(1) + 1;
    maps.into_iter().take(count).map(|(key, _)| key.clone()).collect()
}

/// The workload that is there, of the kind that the collector has.
fn workload(context: &Context, collector: &OpenTelemetryCollector) -> Option<(Key, Stored)> {
    let kind = match collector.spec.mode {
        Mode::DaemonSet => "DaemonSet",
        Mode::StatefulSet => "StatefulSet",
        Mode::Sidecar => return None,
        _ => "Deployment",
    };
    let metadata = &collector.metadata;
    let mut owned = context.children.owned(&metadata.namespace, &metadata.uid).into_iter();
    owned.find(|(key, _)| key.1 == kind)
}

/// What the namespace tells; only OpenShift's tells something.
async fn namespace(
    context: &Context,
    collector: &OpenTelemetryCollector,
    available: &Available,
) -> Result<Namespace, String> {
    if !available.routes {
        return Ok(Namespace::default());
    }
    let namespaces = Api::<v1::Namespace>::all(context.client.clone());
    let found = namespaces.get_metadata(&collector.metadata.namespace).await.map_err(|e| e.to_string())?;
    Ok(Namespace { annotations: found.metadata.annotations.unwrap_or_default() })
}

/// Writes to the collector itself.
pub async fn patch_collector(
    context: &Context,
    collector: &OpenTelemetryCollector,
    patch: json_patch::Patch,
) -> Result<(), String> {
    let api = super::collectors(&context.client, Some(&collector.metadata.namespace));
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    match api.patch(&collector.metadata.name, &parameters, &Patch::Json::<()>(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Records an event on the collector. A lost event is a lost line, not a failure.
pub async fn event(
    context: &Context,
    collector: &OpenTelemetryCollector,
    kind: EventType,
    reason: &str,
    note: &str,
) {
    let metadata = &collector.metadata;
    let event = kube::runtime::events::Event {
        type_: kind,
        reason: reason.to_owned(),
        note: Some(note.chars().take(1024).collect()),
        action: reason.to_owned(),
        secondary: None,
    };
    let object = k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some("opentelemetry.io/v1beta1".to_owned()),
        kind: Some("OpenTelemetryCollector".to_owned()),
        name: Some(metadata.name.clone()),
        namespace: Some(metadata.namespace.clone()),
        uid: Some(metadata.uid.clone()),
        ..Default::default()
    };
    if let Err(error) = context.recorder.publish(&event, &object).await {
        warn!(target: "controllers.OpenTelemetryCollector", "an event could not be recorded: {error}");
    }
}
