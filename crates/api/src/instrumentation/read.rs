//! Reading raw objects whose types nobody has checked yet.

use serde_json::Value;

/// The value at this path; none where it is absent or `null`, which mean the same in the Kubernetes API, or where
/// something on the way is no object.
pub(super) fn field<'a>(raw: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(raw, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// The text at this path; empty where there is none.
pub(super) fn text<'a>(raw: &'a Value, path: &[&str]) -> &'a str {
    field(raw, path).and_then(Value::as_str).unwrap_or_default()
}
