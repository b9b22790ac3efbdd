//! 0.43.0: arguments about the collector's own metrics are settings of the telemetry.

use serde_json::json;

use super::Draft;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    let address = draft.take_argument("metrics-addr");
    let level = draft.take_argument("metrics-level");
    if address.is_none() && level.is_none() {
        return Ok(());
    }
    if draft.has_telemetry("metrics") {
        draft.note("upgrade to v0.43.0 dropped the deprecated metrics arguments, since service.telemetry.metrics is configured");
        return Ok(());
    }
    let Some(metrics) = draft.telemetry("metrics") else { return Ok(()) };
    for (key, value) in [("address", address), ("level", level)] {
        if let Some(value) = value {
            metrics.insert(key.to_owned(), json!(value));
        }
    }
    draft.note("upgrade to v0.43.0 dropped the deprecated metrics arguments and migrated them to service.telemetry.metrics");
    Ok(())
}
