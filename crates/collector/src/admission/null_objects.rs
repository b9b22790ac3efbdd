//! The warning about components and settings without a value.

use serde_json::Value;

use super::defaulting::KINDS;

/// Kustomize and `kubectl edit` drop what is null.
pub(super) fn warning(config: &Value) -> Option<String> {
    let mut found = Vec::new();
    for kind in KINDS {
        if let Some(section) = config.get(kind.section()) {
            let mut path = kind.section().to_owned();
            collect(section, &mut path, &mut found);
        }
    }
    found.sort();
    (!found.is_empty()).then(|| {
        format!(
            "Collector config spec.config has null objects: {}. For compatibility with other tooling, such as kustomize and kubectl \
             edit, it is recommended to use empty objects e.g. batch: {{}}.",
            found.join(", ")
        )
    })
}

fn collect(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let Some(map) = value.as_object() else { return };
    for (key, value) in map {
        let length = path.len();
        path.push('.');
        path.push_str(key);
        if value.is_null() {
            found.push(format!("{path}:"));
        } else {
            collect(value, path, found);
        }
        path.truncate(length);
    }
}
