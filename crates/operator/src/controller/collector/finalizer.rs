//! The finalizer: ClusterRoles and ClusterRoleBindings have no owner that takes them along (collector.md 14.4).

use api::collector::v1beta1::OpenTelemetryCollector;
use collector::Available;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, TestOperation, jsonptr::PointerBuf};
use serde_json::json;

use tracing::warn;

use super::{
    prune,
    reconcile::{Context, Trouble, patch_collector},
};

/// Its name, as the Go operator writes it.
pub(super) const FINALIZER: &str = "opentelemetrycollector.opentelemetry.io/finalizer";

/// Adds the finalizer when there may be something to clean up. When roles may not be managed any more it goes, after an attempt to
/// delete what is left (WS4): nobody would do it later.
pub(super) async fn keep(
    context: &Context,
    collector: &OpenTelemetryCollector,
    available: &Available,
) -> Result<(), Trouble> {
    let finalizers = &collector.metadata.finalizers;
    let has = finalizers.iter().any(|f| f == FINALIZER);
    match (available.cluster_roles, has) {
        (true, false) => {
            let path = PointerBuf::from_tokens(["metadata", "finalizers"]);
            let operation = if finalizers.is_empty() {
                AddOperation { path, value: json!([FINALIZER]) }
            } else {
                AddOperation {
                    path: PointerBuf::from_tokens(["metadata", "finalizers", "-"]),
                    value: json!(FINALIZER),
                }
            };
            patch_collector(
                context,
                collector,
                json_patch::Patch(vec![version(collector), PatchOperation::Add(operation)]),
            )
            .await
        }
        (false, true) => {
            sweep(context, collector).await;
            remove(context, collector).await
        }
        _ => Ok(()),
    }
}

/// Deletes what the garbage collector does not, then lets the collector go.
pub(super) async fn clean_up(
    context: &Context,
    collector: &OpenTelemetryCollector,
    available: &Available,
) -> Result<(), Trouble> {
    if !collector.metadata.finalizers.iter().any(|f| f == FINALIZER) {
        return Ok(());
    }
    if available.cluster_roles {
        for (key, stored) in prune::of_cluster(&context.children, collector) {
            prune::delete(&context.client, &context.children, &key, &stored).await.map_err(|error| {
                Trouble::Failed(format!("{} {} cannot be deleted: {error}", key.1, key.2))
            })?;
        }
    } else {
        sweep(context, collector).await;
    }
    remove(context, collector).await
}

/// An attempt: what is not allowed must not hold the collector.
async fn sweep(context: &Context, collector: &OpenTelemetryCollector) {
    let metadata = &collector.metadata;
    for error in prune::sweep(&context.client, collector).await {
        warn!(target: "controllers.OpenTelemetryCollector", namespace = metadata.namespace, name = metadata.name,
            "left behind, delete it yourself if it exists: {error}");
    }
}

async fn remove(context: &Context, collector: &OpenTelemetryCollector) -> Result<(), Trouble> {
    let Some(at) = collector.metadata.finalizers.iter().position(|f| f == FINALIZER) else { return Ok(()) };
    let path = PointerBuf::from_tokens(["metadata".to_owned(), "finalizers".to_owned(), at.to_string()]);
    let test = PatchOperation::Test(TestOperation { path: path.clone(), value: json!(FINALIZER) });
    let remove = PatchOperation::Remove(RemoveOperation { path });
    patch_collector(context, collector, json_patch::Patch(vec![test, remove])).await
}

/// The patch is meant for the object that was looked at.
fn version(collector: &OpenTelemetryCollector) -> PatchOperation {
    PatchOperation::Test(TestOperation {
        path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
        value: json!(collector.metadata.resource_version),
    })
}
