//! What the API server says about an object by the CRD's schema alone, for objects that never reach one: the static
//! Instrumentation of the configuration file, and files given to the command line.
//!
//! It knows the keywords that `crd.yaml` uses, and speaks like the API server.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;
use serde_json::{Map, Value};

use super::crd::open_api_schema;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, for example `spec.propagators[1]`.
    pub field: String,
    /// What is wrong, in the API server's words.
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

/// Every pattern of the schema, compiled once.
static PATTERNS: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    fn collect(schema: &'static Value, found: &mut HashMap<&'static str, Regex>) {
        if let Some(pattern) = schema["pattern"].as_str()
            && !found.contains_key(pattern)
            && let Ok(regex) = Regex::new(pattern)
        {
            found.insert(pattern, regex);
        }
        let below = schema["properties"].as_object().into_iter().flat_map(Map::values);
        let below = below.chain([&schema["items"], &schema["additionalProperties"]]);
        below.filter(|schema| schema.is_object()).for_each(|schema| collect(schema, found));
    }
    let mut found = HashMap::new();
    collect(open_api_schema(), &mut found);
    found
});

/// Where the schema and an Instrumentation disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The API server refuses the object for each of these.
    pub violations: Vec<Violation>,
    /// Fields that the schema does not know; the API server drops them silently.
    pub unknown: Vec<String>,
}

/// Compares an Instrumentation with the schema.
pub fn check(raw: &Value) -> Findings {
    let mut findings = Findings::default();
    findings.visit(open_api_schema(), raw, "");
    findings
}

impl Findings {
    fn refuse(&mut self, field: &str, message: String) {
        self.violations.push(Violation { field: field.to_owned(), message });
    }

    fn visit(&mut self, schema: &Value, value: &Value, path: &str) {
        if !has_type(schema, value) {
            let found = type_of(value);
            let wanted = schema["type"].as_str().unwrap_or("integer,string");
            let message =
                format!("Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\"");
            return self.refuse(path, message);
        }
        match value {
            Value::Object(members) => self.visit_object(schema, members, path),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.visit(&schema["items"], item, &format!("{path}[{i}]"));
                }
            }
            Value::String(text) => self.visit_text(schema, text, path),
            _ => {}
        }
    }

    fn visit_object(&mut self, schema: &Value, members: &Map<String, Value>, path: &str) {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if members.get(key).is_none_or(Value::is_null) {
                self.refuse(&below(key), "Required value".to_owned());
            }
        }
        let (known, any) = (&schema["properties"], &schema["additionalProperties"]);
        for (key, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            match known.get(key) {
                Some(schema) => self.visit(schema, value, &below(key)),
                None if any.is_object() => self.visit(any, value, &below(key)),
                // Kinds without any listed field, such as the metadata, are checked elsewhere.
                None if known.is_object() => self.unknown.push(below(key)),
                None => {}
            }
        }
    }

    fn visit_text(&mut self, schema: &Value, text: &str, path: &str) {
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.iter().any(|value| value == text)
        {
            let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
            let message = format!("Unsupported value: {text:?}: supported values: {}", allowed.join(", "));
            self.refuse(path, message);
        }
        let too_long = schema["maxLength"].as_u64().filter(|max| text.chars().count() as u64 > *max);
        if let Some(max) = too_long {
            self.refuse(path, format!("Too long: may not be more than {max} bytes"));
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && !PATTERNS.get(pattern).is_some_and(|regex| regex.is_match(text))
        {
            self.refuse(path, format!("Invalid value: {text:?}: {path} in body should match '{pattern}'"));
        }
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => true,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
