//! What a pass found, as status and events; written only when it is news.

use api::collector::v1beta1::{OpenTelemetryCollector, OpenTelemetryCollectorStatus};
use collector::{
    label::Labels,
    status::{self, Outcome, READY},
};
use kube::{
    api::{Patch, PatchParams},
    runtime::events::EventType,
};
use serde_json::{Value, json};

use super::{
    apply::MANAGER,
    reconcile::{Context, event},
};

/// Version of the collectors that this operator makes.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Writes the status if it changed, and an event when the outcome did.
pub(super) async fn status(
    context: &Context,
    collector: &OpenTelemetryCollector,
    outcome: &Outcome,
    selector: Option<&Labels>,
    workload: Option<&Value>,
) -> Result<(), String> {
    let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let status = status::status(collector, outcome, selector, workload, VERSION, &now);
    if status == collector.status {
        return Ok(());
    }
    let news = is_news(&collector.status, &status);
    write(context, &collector.metadata.namespace, &collector.metadata.name, &status).await?;
    if news {
        match outcome {
            Outcome::Reconciled => {
                event(context, collector, EventType::Normal, "Info", "applied status changes").await
            }
            Outcome::Failed { message, .. } => {
                event(context, collector, EventType::Warning, "Error", message).await
            }
        }
    }
    Ok(())
}

/// Whether the condition tells something else than before: a reader of events wants no line for each pod that becomes ready.
fn is_news(before: &OpenTelemetryCollectorStatus, now: &OpenTelemetryCollectorStatus) -> bool {
    let ready = |status: &OpenTelemetryCollectorStatus| {
        let ready = status.conditions.iter().find(|c| c.kind == READY);
        ready.map(|c| (c.status.clone(), c.reason.clone(), c.message.clone(), c.observed_generation))
    };
    ready(before) != ready(now)
}

/// Says that an object could not be understood, which only its author can mend.
pub(super) async fn unreadable(
    context: &Context,
    raw: &Value,
    error: &serde_json::Error,
) -> Result<(), String> {
    let metadata = serde_json::from_value(raw["metadata"].clone()).unwrap_or_default();
    let status = serde_json::from_value(raw["status"].clone()).unwrap_or_default();
    let collector = OpenTelemetryCollector { metadata, status, ..OpenTelemetryCollector::default() };
    let message = format!("the object cannot be read: {error}; correct that field");
    let outcome = Outcome::Failed { reason: "ReconcileError".to_owned(), message };
    self::status(context, &collector, &outcome, None, None).await
}

async fn write(
    context: &Context,
    namespace: &str,
    name: &str,
    status: &OpenTelemetryCollectorStatus,
) -> Result<(), String> {
    let api = super::collectors(&context.client, Some(namespace));
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    match api.patch_status(name, &parameters, &Patch::Merge(json!({"status": status}))).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(format!("failed to apply status changes to the OpenTelemetry CR: {error}")),
    }
}
