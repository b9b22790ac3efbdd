//! 0.111.0: the address of the collector's own metrics is written down, since the collector's default became localhost.

use serde_json::{Value, json};

use super::Draft;
use crate::config::telemetry::metrics_endpoint;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    let readers = draft.get("/spec/config/service/telemetry/metrics/readers");
    if readers.is_some_and(|readers| readers.as_array().is_none_or(|readers| !readers.is_empty())) {
        return Ok(());
    }
    // A port that nobody can know is that of an address, which stays.
    let Ok(endpoint) = metrics_endpoint(draft.get("/spec/config/service/telemetry")) else { return Ok(()) };
    if let Some(metrics) = draft.telemetry("metrics") {
        let address = metrics.entry("address").or_insert(Value::Null);
        if address.is_null() || address.as_str() == Some("") {
            *address = json!(format!("{}:{}", endpoint.host, endpoint.port));
        }
    }
    Ok(())
}
