//! JSON objects of which only what is said is written: what server-side apply does not get, it leaves to others.

use serde::Serialize;
use serde_json::{Map, Value};

/// The fields of an object.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn new() -> Self {
        Fields::default()
    }

    /// Writes `value`, whatever it is.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Writes `value` if there is one; `null`, `{}` and `[]` are none.
    pub(crate) fn option(&mut self, key: &str, value: Option<impl Into<Value>>) {
        let Some(value) = value.map(Into::into) else { return };
        let empty = match &value {
            Value::Null => true,
            Value::Object(fields) => fields.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !empty {
            self.0.insert(key.to_owned(), value);
        }
    }

    /// Writes what the user gave, `{}` too: in pods it is not the same as nothing.
    pub(crate) fn given(&mut self, key: &str, value: Option<&Value>) {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.set(key, passed_on(value));
        }
    }

    /// Writes `value` unless it is empty.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.set(key, value);
        }
    }

    /// Writes `value` if it is true.
    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.set(key, true);
        }
    }

    /// Writes a list or a map unless it is empty.
    pub(crate) fn all<T: Serialize>(&mut self, key: &str, values: T) {
        // Only maps with keys that are no text fail, and there are none.
        self.option(key, serde_json::to_value(values).ok());
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Value {
        Value::Object(fields.0)
    }
}

/// `value` without the fields that only say that nothing was said (`null`, and what clients of typed languages add: an empty
/// `status`): what users give us to pass on.
pub(crate) fn passed_on(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), passed_on(v))).collect()
        }
        Value::Array(items) => items.iter().map(passed_on).collect(),
        other => other.clone(),
    }
}
