//! What a pass found, as status and events; written only when it is news.

use std::time::Duration;

use api::collector::v1beta1::{OpenTelemetryCollector, OpenTelemetryCollectorStatus};
use collector::{
    label::Labels,
    status::{self, Outcome, READY},
};
use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::{
    api::{Patch, PatchParams},
    runtime::events::{Event, EventType, Recorder},
};
use serde_json::{Value, json};
use tracing::warn;

use super::{
    apply::MANAGER,
    reconcile::{Context, End, Trouble},
};

/// A new collector's status waits this long for its workload to report, so that it is written once and not twice.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something went wrong that has no word of its own.
pub(super) fn failed(message: String) -> Outcome {
    Outcome::Failed { reason: "ReconcileError".to_owned(), message }
}

/// Writes the status if it changed. Whether the condition is news.
pub(super) async fn status(
    context: &Context,
    collector: &OpenTelemetryCollector,
    outcome: &Outcome,
    selector: Option<&Labels>,
    workload: Option<&Value>,
) -> Result<bool, String> {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let version = context.version.to_string();
    let status = status::status(collector, outcome, selector, workload, &version, &now);
    if status == collector.status {
        return Ok(false);
    }
    let news = is_news(&collector.status, &status);
    write(context, &collector.metadata.namespace, &collector.metadata.name, &status).await?;
    Ok(news)
}

/// Records how the pass ended.
pub(super) async fn outcome(context: &Context, collector: &OpenTelemetryCollector, outcome: &Outcome) {
    match outcome {
        Outcome::Reconciled => {
            event(context, collector, EventType::Normal, "Info", "applied status changes").await
        }
        Outcome::Failed { message, .. } => {
            event(context, collector, EventType::Warning, "Error", message).await
        }
    }
}

/// Whether the condition tells something else than before: a reader of events wants no line for each pod that becomes ready.
fn is_news(before: &OpenTelemetryCollectorStatus, now: &OpenTelemetryCollectorStatus) -> bool {
    let ready = |status: &OpenTelemetryCollectorStatus| {
        let ready = status.conditions.iter().find(|c| c.kind == READY);
        ready.map(|c| (c.status.clone(), c.reason.clone(), c.message.clone(), c.observed_generation))
    };
    ready(before) != ready(now)
}

/// How long the first status of a new collector waits for its workload, whose controller reports within milliseconds.
pub(super) fn too_early(collector: &OpenTelemetryCollector, workload: &Value) -> Option<Duration> {
    let made: Timestamp = collector.metadata.creation_timestamp.as_deref()?.parse().ok()?;
    too_early_at(collector, workload, Timestamp::now().duration_since(made).try_into().ok()?)
}

fn too_early_at(collector: &OpenTelemetryCollector, workload: &Value, age: Duration) -> Option<Duration> {
    let status = &workload["status"];
    let wished = &workload["spec"]["replicas"];
    let has_reported = !status["observedGeneration"].is_null()
        && (wished.is_null() || *wished == 0 || status["replicas"] == *wished);
    let is_first = collector.status.observed_generation.is_none();
    (is_first && !has_reported).then(|| PATIENCE.checked_sub(age)).flatten()
}

/// An object that could not be understood, as far as it could, and what is to be said about it.
pub(super) fn unreadable(
    raw: &Value,
    error: &serde_json::Error,
) -> (OpenTelemetryCollector, Result<End, Trouble>) {
    let metadata = serde_json::from_value(raw["metadata"].clone()).unwrap_or_default();
    let status = serde_json::from_value(raw["status"].clone()).unwrap_or_default();
    let collector = OpenTelemetryCollector { metadata, status, ..OpenTelemetryCollector::default() };
    let message = format!("the object cannot be read: {error}; correct that field");
    (collector, Err(Trouble::Refused { reason: "ReconcileError", message }))
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

/// Records an event on the collector.
pub(super) async fn event(
    context: &Context,
    collector: &OpenTelemetryCollector,
    kind: EventType,
    reason: &str,
    note: &str,
) {
    let metadata = &collector.metadata;
    let of = reference(&metadata.namespace, &metadata.name, &metadata.uid);
    record(&context.recorder, of, kind, reason, note).await;
}

/// What events are about.
pub(super) fn reference(namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("opentelemetry.io/v1beta1".to_owned()),
        kind: Some("OpenTelemetryCollector".to_owned()),
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// Records an event. A lost one is a lost line, not a failure.
pub(super) async fn record(
    recorder: &Recorder,
    of: ObjectReference,
    kind: EventType,
    reason: &str,
    note: &str,
) {
    let event = Event {
        type_: kind,
        reason: reason.to_owned(),
        note: Some(note.chars().take(1024).collect()),
        action: reason.to_owned(),
        secondary: None,
    };
    if let Err(error) = recorder.publish(&event, &of).await {
        warn!(target: "controllers.OpenTelemetryCollector", "an event could not be recorded: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_status_waits_for_the_workload_and_not_for_ever() {
        let mut collector = OpenTelemetryCollector::default();
        let early = Duration::from_millis(500);
        let new = json!({"spec": {"replicas": 2}, "status": {}});
        assert_eq!(too_early_at(&collector, &new, early), Some(Duration::from_millis(1500)));
        assert_eq!(too_early_at(&collector, &new, Duration::from_secs(3)), None);
        let reported = json!({"spec": {"replicas": 2}, "status": {"observedGeneration": 1, "replicas": 2}});
        assert_eq!(too_early_at(&collector, &reported, early), None);
        let daemons = json!({"spec": {}, "status": {"observedGeneration": 1, "desiredNumberScheduled": 0}});
        assert_eq!(too_early_at(&collector, &daemons, early), None);
        collector.status.observed_generation = Some(1);
        assert_eq!(too_early_at(&collector, &new, early), None, "only the first one waits");
    }
}
