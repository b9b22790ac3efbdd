//! Comparing a child with the part of it that a case tells.

use serde_json::Value;

/// Where `actual` is not as `expected` says: what is listed must be there, `null` must be absent, lists are complete.
pub(crate) fn problems(expected: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(expected, actual, "", &mut found);
    found
}

fn compare(expected: &Value, actual: &Value, path: &str, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(fields), Value::Object(_)) => {
            for (key, value) in fields {
                compare(value, &actual[key], &format!("{path}.{key}"), found);
            }
        }
        (Value::Array(items), Value::Array(actual)) if items.len() == actual.len() => {
            for (index, (item, actual)) in items.iter().zip(actual).enumerate() {
                compare(item, actual, &format!("{path}[{index}]"), found);
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{path}: expected {expected}, found {actual}")),
    }
}
