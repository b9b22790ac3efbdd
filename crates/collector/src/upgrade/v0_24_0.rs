//! 0.24.0: the health check has an endpoint instead of a port.

use serde_json::json;

use super::Draft;
use crate::component::Kind;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    for id in draft.ids(Kind::Extension, "health_check") {
        let Some(body) = draft.body(Kind::Extension, &id) else { continue };
        if body.contains_key("endpoint") {
            continue;
        }
        if let Some(port) = body.remove("port") {
            let port = port.as_str().map_or_else(|| port.to_string(), str::to_owned);
            body.insert("endpoint".to_owned(), json!(format!("0.0.0.0:{port}")));
            draft.note(format!(
                "upgrade to v0.24.0 migrated the property port to endpoint for extension \"{id}\""
            ));
        }
    }
    Ok(())
}
