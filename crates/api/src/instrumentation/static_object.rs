//! The one Instrumentation of the configuration file (`instrumentations`), for clusters without the CRD (spec 12.3).
//!
//! It is read like an object from the API: by the fields' own names, checked by the schema, defaulted and validated.
//! The Go operator read it with a YAML library that knew the fields by other names (its own, in lower case) and dropped
//! the rest silently; what worked there works here, with a warning.

use serde_json::{Map, Value};

use super::{Instrumentation, crd::open_api_schema, default, schema, validate};
use crate::Settings;

/// Old names that are more than a lower-cased field name: where, old name, field.
const OLD_NAMES: &[(&str, &str, &str)] = &[
    ("", "objectmeta", "metadata"),
    ("spec.exporter.tls", "ca", "ca_file"),
    ("spec.exporter.tls", "cert", "cert_file"),
    ("spec.exporter.tls", "key", "key_file"),
    ("spec.resource", "attributes", "resourceAttributes"),
    ("spec.*", "resources", "resourceRequirements"),
    ("spec.*", "volumesizelimit", "volumeLimitSize"),
];

/// Reads the configuration file's `instrumentations`, already parsed from YAML. Nothing (`null`) is an object without
/// settings.
///
/// # Errors
///
/// A sentence that names the field, the value and the fix, for anything the API server or the webhook would refuse.
pub fn parse_static(value: &Value, settings: &Settings) -> Result<(Instrumentation, Vec<String>), String> {
    let mut warnings = Vec::new();
    let mut object = match value {
        Value::Null => Value::Object(Map::new()),
        Value::Object(_) => value.clone(),
        Value::Array(_) => return Err(refused("it is a list; give one object, with spec in it")),
        other => return Err(refused(&format!("it is {other}; give an object, with spec in it"))),
    };
    drop_nulls(&mut object);
    rename_old(open_api_schema(), &mut object, "", &mut warnings);
    let defaulted = default(&object, None, settings);
    warnings.extend(defaulted.warnings);
    json_patch::patch(&mut object, &defaulted.patch).map_err(|error| refused(&error.to_string()))?;

    let findings = schema::check(&object);
    if !findings.violations.is_empty() {
        let all: Vec<String> = findings.violations.iter().map(ToString::to_string).collect();
        return Err(refused(&all.join("; ")));
    }
    warnings.extend(findings.unknown.iter().map(|field| {
        format!("{field} is not a field of an Instrumentation, it is ignored; remove it or correct its name")
    }));
    let validated = validate(&object, settings);
    if let Some(error) = validated.error {
        return Err(refused(&error));
    }
    warnings.extend(validated.warnings);
    let read: Instrumentation =
        serde_json::from_value(object).map_err(|error| refused(&error.to_string()))?;
    Ok((read, warnings))
}

fn refused(why: &str) -> String {
    format!("instrumentations in the configuration file cannot be used: {why}")
}

/// The API server drops a `null` where a value is expected; so do we, members of lists excepted.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Gives old spellings their fields' names, along the schema.
fn rename_old(schema: &Value, value: &mut Value, path: &str, warnings: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(known) = schema["properties"].as_object() {
                rename_members(known, map, path, warnings);
            }
            for (key, value) in map {
                let schema = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
                rename_old(schema, value, &below(path, key), warnings);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                rename_old(&schema["items"], item, &format!("{path}[{i}]"), warnings);
            }
        }
        _ => {}
    }
}

fn rename_members(
    known: &Map<String, Value>,
    map: &mut Map<String, Value>,
    path: &str,
    warnings: &mut Vec<String>,
) {
    // References to Secrets and ConfigMaps embed a nameless struct that held their name.
    if known.contains_key("key")
        && known.contains_key("name")
        && let Some(Value::Object(reference)) = map.remove("localobjectreference")
    {
        warnings.push(old(&below(path, "localobjectreference.name"), &below(path, "name")));
        for (key, value) in reference {
            map.entry(key).or_insert(value);
        }
    }
    let strangers: Vec<String> = map.keys().filter(|key| !known.contains_key(*key)).cloned().collect();
    for stranger in strangers {
        let Some(field) = name_of(known, path, &stranger) else { continue };
        let (was, is) = (below(path, &stranger), below(path, &field));
        let Some(value) = map.remove(&stranger) else { continue };
        if map.contains_key(&field) {
            warnings.push(format!(
                "{was} is an old spelling of {is}, which is given too: {was} is ignored; remove it"
            ));
        } else {
            warnings.push(old(&was, &is));
            map.insert(field, value);
        }
    }
}

/// The field that an unknown key stands for.
fn name_of(known: &Map<String, Value>, path: &str, stranger: &str) -> Option<String> {
    let lower_cased = known.keys().find(|field| field.eq_ignore_ascii_case(stranger));
    let renamed = || {
        let place = |pattern: &str| match pattern.strip_suffix('*') {
            Some(parent) => path.strip_prefix(parent).is_some_and(|rest| !rest.contains(['.', '['])),
            None => path == pattern,
        };
        let entry = OLD_NAMES.iter().find(|(at, old, _)| place(at) && old.eq_ignore_ascii_case(stranger));
        entry.map(|(_, _, field)| *field).filter(|field| known.contains_key(*field))
    };
    lower_cased.map(String::as_str).or_else(renamed).map(str::to_owned)
}

fn old(was: &str, is: &str) -> String {
    format!("{was} is an old spelling, it was read as {is}; write {is}")
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
