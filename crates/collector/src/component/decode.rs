//! The narrow view of a component's body that the operator looks at.
//!
//! Strict about types, since a wrong type would stop the collector as well; keys in any case; unknown keys and nulls ignored.
//! A value that is an environment reference as a whole may be anything and counts as absent.

use std::fmt;

use serde_json::{Map, Value};

use crate::config::{Path, environment::is_reference};

/// Why a component cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The Go operator's text.
    pub message: String,
    /// Where, from the top of the configuration.
    pub path: Path,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.fix)
    }
}

impl std::error::Error for Problem {}

/// The member of a map: exactly this key, or else one that differs in case alone.
pub(crate) fn field<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    let found = map.get(key).or_else(|| {
        // Bodies have few keys; the exact key is what nearly everybody writes.
        map.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    });
    found.filter(|value| !value.is_null() && !value.as_str().is_some_and(is_reference))
}

/// The body as a map; none if it is absent.
pub(crate) fn map<'a>(
    value: Option<&'a Value>,
    path: impl FnOnce() -> Path,
    name: &str,
) -> Result<Option<&'a Map<String, Value>>, Problem> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(Value::String(text)) if is_reference(text) => Ok(None),
        Some(other) => {
            let path = path();
            Err(Problem {
                message: format!("'{name}' expected a map, got '{}'", go_kind(other)),
                fix: format!("make {path} a map of settings"),
                path,
            })
        }
    }
}

/// A member that is a string; empty if it is absent.
pub(crate) fn text<'a>(
    map: &'a Map<String, Value>,
    key: &str,
    path: impl FnOnce() -> Path,
) -> Result<&'a str, Problem> {
    match map.get(key).filter(|v| !v.is_null()).or_else(|| field(map, key)) {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => {
            let path = path().join(key);
            Err(Problem {
                message: format!(
                    "'{key}' expected type 'string', got unconvertible type '{}', value: '{other}'",
                    go_kind(other)
                ),
                fix: format!("write the value of {path} in quotes"),
                path,
            })
        }
    }
}

/// A member that is a list; none if it is absent.
pub(crate) fn list<'a>(
    map: &'a Map<String, Value>,
    key: &str,
    path: impl FnOnce() -> Path,
) -> Result<Option<&'a Vec<Value>>, Problem> {
    match field(map, key) {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => {
            let path = path().join(key);
            Err(Problem {
                message: format!("'{key}': source data must be an array or slice, got {}", go_kind(other)),
                fix: format!("make {path} a list"),
                path,
            })
        }
    }
}

/// A member that is a list of strings.
pub(crate) fn strings<'a>(
    map: &'a Map<String, Value>,
    key: &str,
    path: impl Fn() -> Path,
) -> Result<Vec<&'a str>, Problem> {
    let items = list(map, key, &path)?;
    let item = |(index, item): (usize, &'a Value)| match item {
        Value::String(text) => Ok(text.as_str()),
        other => {
            let path = path().join(key).join(index);
            Err(Problem {
                message: format!(
                    "'{key}[{index}]' expected type 'string', got unconvertible type '{}', value: '{other}'",
                    go_kind(other)
                ),
                fix: format!("write the value of {path} in quotes"),
                path,
            })
        }
    };
    items.into_iter().flatten().enumerate().map(item).collect()
}

/// The kind of a value in the words of the Go operator's messages.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}
