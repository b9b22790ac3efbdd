//! 0.57.2: the port of the health check is part of its endpoint.

use serde_json::{Value, json};

use super::Draft;
use crate::{component::Kind, config::endpoint};

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    for id in draft.ids(Kind::Extension, "health_check") {
        let Some(body) = draft.body(Kind::Extension, &id) else { continue };
        let Some(port) = body.remove("port") else { continue };
        let port = port.as_str().map_or_else(|| port.to_string(), str::to_owned);
        let host = body.get("endpoint").and_then(Value::as_str).unwrap_or_default();
        let host = if host.is_empty() { "0.0.0.0" } else { host };
        if endpoint::port(host).is_none() {
            let full = format!("{host}:{port}");
            body.insert("endpoint".to_owned(), json!(full));
        }
        draft.note(format!(
            "upgrade to v0.57.2 migrated the property port to endpoint for extension \"{id}\""
        ));
    }
    Ok(())
}
