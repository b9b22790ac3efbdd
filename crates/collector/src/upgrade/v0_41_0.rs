//! 0.41.0: CORS settings of OTLP over HTTP are in a map called `cors`.

use serde_json::{Map, Value};

use super::Draft;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    let mut changed = Vec::new();
    for (id, http) in draft.protocols("otlp", "http") {
        for (old, new) in
            [("cors_allowed_origins", "allowed_origins"), ("cors_allowed_headers", "allowed_headers")]
        {
            let Some(value) = http.remove(old) else { continue };
            let cors = http.entry("cors").or_insert(Value::Null);
            if cors.is_null() {
                *cors = Value::Object(Map::new());
            }
            if let Some(cors) = cors.as_object_mut() {
                cors.entry(new).or_insert(value);
            }
            changed.push(format!(
                "upgrade to v0.41.0 has re-structured the {old} inside otlp receiver {id} config"
            ));
        }
    }
    changed.into_iter().for_each(|text| draft.note(text));
    Ok(())
}
