//! `service.telemetry`: where the collector's own metrics are, and the reader that is added when nobody configured one.

use serde_json::{Map, Value, json};

use super::{environment, path::Path};

/// Port of the collector's own metrics when nobody says another one.
pub const DEFAULT_PORT: i32 = 8888;
/// Host of the collector's own metrics when nobody says another one: all addresses, so that the monitoring Service reaches it.
pub const DEFAULT_HOST: &str = "0.0.0.0";

/// Where the collector offers its own metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsEndpoint {
    /// Host or address to listen on.
    pub host: String,
    /// TCP port.
    pub port: i32,
}

impl Default for MetricsEndpoint {
    fn default() -> Self {
        MetricsEndpoint { host: DEFAULT_HOST.to_owned(), port: DEFAULT_PORT }
    }
}

/// The endpoint of a configuration's `service.telemetry`. Readers take precedence over the older `address`.
///
/// # Errors
/// If the port cannot be known or is none; the text is the Go operator's.
pub fn metrics_endpoint(telemetry: Option<&Value>) -> Result<MetricsEndpoint, String> {
    let metrics = telemetry.and_then(|t| t.get("metrics"));
    let readers = metrics.and_then(|m| m.get("readers")).and_then(Value::as_array);
    if let Some(readers) = readers.filter(|readers| !readers.is_empty()) {
        let Some(prometheus) = readers.iter().find_map(prometheus) else {
            return Ok(MetricsEndpoint::default());
        };
        let host = prometheus.get("host").and_then(Value::as_str).filter(|host| !host.is_empty());
        let port = match prometheus.get("port") {
            Some(Value::Number(port)) => whole(port),
            _ => None,
        };
        let port = port.unwrap_or(i64::from(DEFAULT_PORT));
        let Some(valid) = i32::try_from(port).ok().filter(|port| (0..=65535).contains(port)) else {
            return Err(format!("invalid prometheus metrics port: {port}"));
        };
        return Ok(MetricsEndpoint { host: host.unwrap_or(DEFAULT_HOST).to_owned(), port: valid });
    }
    let address = metrics.and_then(|m| m.get("address")).and_then(Value::as_str).unwrap_or_default();
    address_endpoint(address)
}

fn address_endpoint(address: &str) -> Result<MetricsEndpoint, String> {
    if address.is_empty() {
        return Ok(MetricsEndpoint::default());
    }
    if let Some(start) = address.rfind(":${")
        && environment::is_reference(&address[start + 1..])
    {
        return Err(format!("couldn't determine metrics port from configuration: {address}"));
    }
    if let Some((host, port)) = address.rsplit_once(':')
        && let Ok(port) = port.parse::<u16>()
    {
        return Ok(MetricsEndpoint { host: host.to_owned(), port: port.into() });
    }
    Ok(MetricsEndpoint { host: address.to_owned(), port: DEFAULT_PORT })
}

fn whole(number: &serde_json::Number) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only whole numbers far inside the range of i64 get here"
    )]
    number
        .as_i64()
        .or_else(|| number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 1e15).map(|f| f as i64))
}

/// The Prometheus pull exporter of a reader.
pub(crate) fn prometheus(reader: &Value) -> Option<&Value> {
    reader.get("pull")?.get("exporter")?.get("prometheus")
}

/// What [`add_default_reader`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultReader {
    /// Somebody configured the metrics already.
    Configured,
    /// A reader for this endpoint was added.
    Added(MetricsEndpoint),
    /// The section is nothing that the operator understands; it was left as it is.
    NotUnderstood(Path),
}

/// Adds the Prometheus reader that the monitoring Service and monitors look for, unless there is an address or a reader.
/// Nothing is taken away.
pub fn add_default_reader(config: &mut Value) -> DefaultReader {
    let mut path = Path::default();
    let mut map = match object(config) {
        Some(map) => map,
        None => return DefaultReader::NotUnderstood(path),
    };
    for key in ["service", "telemetry", "metrics"] {
        path = path.join(key);
        map = match object(map.entry(key).or_insert(Value::Null)) {
            Some(map) => map,
            None => return DefaultReader::NotUnderstood(path),
        };
    }
    match (map.get("address"), map.get("readers")) {
        (Some(Value::String(address)), _) if !address.is_empty() => return DefaultReader::Configured,
        (_, Some(Value::Array(readers))) if !readers.is_empty() => return DefaultReader::Configured,
        (None | Some(Value::Null | Value::String(_)), None | Some(Value::Null | Value::Array(_))) => {}
        (_, None | Some(Value::Null | Value::Array(_))) => {
            return DefaultReader::NotUnderstood(path.join("address"));
        }
        _ => return DefaultReader::NotUnderstood(path.join("readers")),
    }
    let endpoint = MetricsEndpoint::default();
    map.insert("readers".to_owned(), json!([reader(&endpoint)]));
    DefaultReader::Added(endpoint)
}

/// The reader that offers metrics at an endpoint.
pub fn reader(endpoint: &MetricsEndpoint) -> Value {
    json!({"pull": {"exporter": {"prometheus": {"host": endpoint.host, "port": endpoint.port}}}})
}

fn object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(telemetry: Value) -> Result<(String, i32), String> {
        metrics_endpoint(Some(&telemetry)).map(|e| (e.host, e.port))
    }

    #[test]
    fn endpoints() {
        let found = |host: &str, port| Ok((host.to_owned(), port));
        assert_eq!(endpoint(json!({})), found("0.0.0.0", 8888));
        assert_eq!(endpoint(json!({"metrics": {"address": "localhost:9090"}})), found("localhost", 9090));
        assert_eq!(endpoint(json!({"metrics": {"address": "localhost"}})), found("localhost", 8888));
        assert_eq!(
            endpoint(json!({"metrics": {"address": "localhost:${env:PORT}"}})),
            Err("couldn't determine metrics port from configuration: localhost:${env:PORT}".to_owned())
        );
        let readers = |port: Value| {
            json!({"metrics": {"address": "x:1", "readers": [
                {"periodic": {"exporter": {"otlp": {}}}},
                {"pull": {"exporter": {"prometheus": {"host": "localhost", "port": port}}}},
            ]}})
        };
        assert_eq!(endpoint(readers(json!(3333))), found("localhost", 3333));
        assert_eq!(endpoint(readers(json!("${env:PORT}"))), found("localhost", 8888));
        assert_eq!(endpoint(readers(json!(70000))), Err("invalid prometheus metrics port: 70000".to_owned()));
        assert_eq!(endpoint(json!({"metrics": {"readers": [{"periodic": {}}]}})), found("0.0.0.0", 8888));
    }
}
