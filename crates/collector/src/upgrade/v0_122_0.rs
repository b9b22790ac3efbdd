//! 0.122.0: the address of the collector's own metrics becomes a reader. Everything else in the telemetry stays.

use serde_json::{Value, json};

use super::Draft;
use crate::config::telemetry::{metrics_endpoint, prometheus, reader};

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    let address = draft.get("/spec/config/service/telemetry/metrics/address").and_then(Value::as_str);
    let Some(address) = address.filter(|address| !address.is_empty()).map(str::to_owned) else {
        return Ok(());
    };
    let endpoint = match metrics_endpoint(Some(&json!({"metrics": {"address": address}}))) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            draft.warn(format!(
                "upgrade to v0.122.0 left service.telemetry.metrics.address as it is: {error}; write a reader instead of it"
            ));
            return Ok(());
        }
    };
    let Some(metrics) = draft.telemetry("metrics") else { return Ok(()) };
    let readers = metrics.entry("readers").or_insert(Value::Null);
    if readers.is_null() {
        *readers = json!([]);
    }
    let Some(readers) = readers.as_array_mut() else { return Ok(()) };
    let same =
        |exporter: &Value| exporter["host"] == endpoint.host.as_str() && exporter["port"] == endpoint.port;
    if !readers.iter().filter_map(prometheus).any(same) {
        readers.push(reader(&endpoint));
    }
    metrics.remove("address");
    Ok(())
}
