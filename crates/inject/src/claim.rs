//! What the API server wants of the template of a volume claim, beyond modes and size.

use serde_json::Value;

use crate::syntax::{dns_subdomain, label_value, qualified_name};

/// What is wrong with `volumeClaimTemplate`.
pub(crate) fn check(template: &Value) -> Result<(), String> {
    metadata(template.get("metadata").unwrap_or(&Value::Null))?;
    let spec = template.get("spec").unwrap_or(&Value::Null);
    let wrong =
        |field: &str, value: &Value| Err(format!("volumeClaimTemplate.spec.{field} is not valid: {value}"));
    for field in ["storageClassName", "volumeAttributesClassName"] {
        match spec.get(field).and_then(Value::as_str) {
            Some(name) if !name.is_empty() && !dns_subdomain(name) => return wrong(field, &spec[field]),
            _ => {}
        }
    }
    if let Some(mode) = spec.get("volumeMode").and_then(Value::as_str)
        && !matches!(mode, "Filesystem" | "Block")
    {
        return wrong("volumeMode", &spec["volumeMode"]);
    }
    for field in ["dataSource", "dataSourceRef"] {
        let Some(source) = spec.get(field).filter(|s| !s.is_null()) else { continue };
        let text = |key: &str| source.get(key).and_then(Value::as_str).unwrap_or_default();
        let of_the_core = text("apiGroup").is_empty();
        if text("name").is_empty()
            || text("kind").is_empty()
            || of_the_core && text("kind") != "PersistentVolumeClaim"
        {
            return wrong(field, source);
        }
    }
    selector(spec.get("selector").unwrap_or(&Value::Null))
        .map_or(Ok(()), |problem| Err(format!("volumeClaimTemplate.spec.selector: {problem}")))
}

fn metadata(metadata: &Value) -> Result<(), String> {
    for (field, value) in metadata.as_object().into_iter().flatten() {
        let empty = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let known = matches!(field.as_str(), "labels" | "annotations");
        if !known && !empty {
            return Err(format!("volumeClaimTemplate.metadata.{field} cannot be set"));
        }
        for (key, text) in value.as_object().into_iter().flatten().filter(|_| known) {
            let key_ok =
                if field == "labels" { qualified_name(key) } else { qualified_name(&key.to_lowercase()) };
            let value_ok = field == "annotations" || label_value(text.as_str().unwrap_or_default());
            if !key_ok || !value_ok {
                return Err(format!(
                    "volumeClaimTemplate.metadata.{field} has no valid entry {key:?}: {text}"
                ));
            }
        }
    }
    Ok(())
}

fn selector(selector: &Value) -> Option<String> {
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        if !qualified_name(key) || !label_value(value.as_str().unwrap_or_default()) {
            return Some(format!("{key:?}: {value} is no label"));
        }
    }
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    expressions.into_iter().flatten().find_map(|expression| {
        let values = expression.get("values").and_then(Value::as_array).map_or(0, Vec::len);
        let ok = match expression.get("operator").and_then(Value::as_str) {
            Some("In" | "NotIn") => values > 0,
            Some("Exists" | "DoesNotExist") => values == 0,
            _ => false,
        };
        let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
        (!ok || !qualified_name(key)).then(|| format!("{expression} is no requirement"))
    })
}
