//! Collectors that an older operator left are moved to this version, in place (collector.md 15).

use api::collector::v1beta1::OpenTelemetryCollector;
use collector::upgrade::{Note, Upgrade};
use json_patch::{PatchOperation, TestOperation, jsonptr::PointerBuf};
use kube::{
    api::{Patch, PatchParams},
    runtime::events::EventType,
};
use serde_json::{Value, json};
use tracing::info;

use super::{
    apply::MANAGER,
    reconcile::{Context, Trouble},
    report,
};

/// Reason and action of the events.
const UPGRADE: &str = "Upgrade";

/// Writes what an upgrade changes. The change comes back through the watch, and the collector is brought about then.
pub(super) async fn apply(
    context: &Context,
    raw: &Value,
    collector: &OpenTelemetryCollector,
    upgrade: Upgrade,
) -> Result<(), Trouble> {
    if let Some(error) = upgrade.error {
        return Err(Trouble::Upgrade { error, notes: upgrade.notes });
    }
    let metadata = &collector.metadata;
    let api = super::collectors(&context.client, Some(&metadata.namespace));
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let failed = |error: kube::Error| Trouble::of("the collector cannot be upgraded", error);
    if !upgrade.patch.is_empty() {
        let version = PatchOperation::Test(TestOperation {
            path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
            value: raw["metadata"]["resourceVersion"].clone(),
        });
        let patch = json_patch::Patch(std::iter::once(version).chain(upgrade.patch).collect());
        api.patch(&metadata.name, &parameters, &Patch::Json::<()>(patch)).await.map_err(failed)?;
    }
    if let Some(version) = upgrade.version {
        info!(target: "controllers.OpenTelemetryCollector", namespace = metadata.namespace, name = metadata.name,
            from = collector.status.version, to = version, "upgraded");
        let status = Patch::Merge(json!({"status": {"version": version}}));
        api.patch_status(&metadata.name, &parameters, &status).await.map_err(failed)?;
    }
    tell(context, collector, &upgrade.notes).await;
    Ok(())
}

/// Records the notes as events.
pub(super) async fn tell(context: &Context, collector: &OpenTelemetryCollector, notes: &[Note]) {
    for note in notes {
        let kind = if note.warning { EventType::Warning } else { EventType::Normal };
        report::event(context, collector, kind, UPGRADE, &note.text).await;
    }
}
