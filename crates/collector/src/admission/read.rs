//! Reading fields of a raw object. What is absent, null or of another type reads as nothing: the schema refuses wrong types.

use serde_json::{Map, Value};

/// The value at a path of keys; none if it is absent or null.
pub(super) fn field<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// The text at a path, empty if there is none.
pub(super) fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    field(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a path.
pub(super) fn number(object: &Value, path: &[&str]) -> Option<i64> {
    field(object, path).and_then(Value::as_i64)
}

/// Whether the flag at a path is on.
pub(super) fn flag(object: &Value, path: &[&str]) -> bool {
    field(object, path).and_then(Value::as_bool) == Some(true)
}

/// Whether there is something at a path: no null, no empty text, list or map.
pub(super) fn is_set(object: &Value, path: &[&str]) -> bool {
    match field(object, path) {
        None => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(_) => true,
    }
}

/// The items of the list at a path.
pub(super) fn items<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    field(object, path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The member as a map, made when absent; none when it is something else.
pub(super) fn member<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let value = map.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}
