//! Random OpenTelemetryCollectors that an API server stores.

use api::collector::crd::open_api_schema;
use serde_json::{Value, json};

use crate::random::{Random, object};

/// A random object that the schema of its version accepts and that survives JSON as Kubernetes writes it.
pub(crate) fn storable(random: &mut Random, api_version: &str) -> Value {
    let version = api_version.split_once('/').unwrap().1;
    let mut object = object(random, api_version);
    let schema = open_api_schema(version);
    if let Some(spec) = object["spec"].as_object_mut() {
        // The API server drops what no version knows.
        spec.retain(|name, _| !name.starts_with("future"));
    }
    repair(&mut object, schema, false);
    if let Some(text) = object["spec"]["config"].as_str()
        && let Ok(mut config) = serde_json::from_str::<Value>(text)
    {
        keep_in_kubernetes_json(&mut config);
        object["spec"]["config"] = json!(config.to_string());
    }
    keep_in_kubernetes_json(&mut object["spec"]);
    if object["spec"]["mode"] == "sidecar" {
        for name in ["affinity", "priorityClassName", "additionalContainers", "tolerations"] {
            object["spec"].as_object_mut().unwrap().remove(name);
        }
    }
    object
}

/// Kubernetes reads integers as 64 bits with a sign, and writes floating point numbers without a fraction as integers.
fn keep_in_kubernetes_json(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap();
            if float.fract() == 0.0 && float.abs() < 1e15 {
                *value = json!(format!("{float:.0}").parse::<i64>().unwrap());
            }
        }
        Value::Number(number) if !number.is_i64() => *value = json!(number.as_u64().unwrap() >> 1),
        Value::Array(items) => items.iter_mut().for_each(keep_in_kubernetes_json),
        Value::Object(members) => members.values_mut().for_each(keep_in_kubernetes_json),
        _ => {}
    }
}

/// The smallest change that a schema asks for.
fn repair(value: &mut Value, schema: &Value, required: bool) {
    if schema["x-kubernetes-int-or-string"] == true {
        if schema["pattern"].is_string() && value.is_string() {
            *value = json!("100Mi");
        } else if value.is_null() && required {
            *value = json!(80);
        }
        return;
    }
    if value.is_null() && required {
        *value = match schema["type"].as_str().unwrap_or_default() {
            "object" => json!({}),
            "array" => json!([]),
            "boolean" => json!(false),
            "integer" => json!(1),
            _ => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("text")),
        };
    }
    match value {
        Value::Object(members) => {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                members.entry(name).or_insert(Value::Null);
                repair(members.get_mut(name).unwrap(), &schema["properties"][name], true);
            }
            for (name, member) in members {
                let below = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                repair(member, below, false);
            }
        }
        Value::Array(items) => {
            if schema["x-kubernetes-list-type"] == "map" || schema["x-kubernetes-list-type"] == "set" {
                items.truncate(1);
            }
            if schema["minItems"] == 1 && items.is_empty() {
                items.push(Value::Null);
            }
            items.iter_mut().for_each(|item| repair(item, &schema["items"], true));
        }
        Value::Number(number) => {
            let number = number.as_i64().unwrap_or(1);
            let least = schema["minimum"].as_i64().unwrap_or(number);
            let most = schema["maximum"].as_i64().unwrap_or(number);
            if schema["type"] == "integer" {
                *value = json!(number.clamp(least, most.max(least)));
            }
        }
        Value::String(text) => match (schema["format"].as_str(), schema["pattern"].as_str()) {
            (Some("date-time"), _) => *value = json!("2026-01-02T03:04:05Z"),
            (Some("duration"), _) => *value = json!("30s"),
            (_, Some(_)) => *value = json!("abc"),
            _ if schema["minLength"].is_u64() && text.is_empty() => *value = json!("x"),
            _ => {}
        },
        _ => {}
    }
}
