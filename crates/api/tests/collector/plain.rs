//! What two objects have to have in common to say the same.

use api::collector::crd::open_api_schema;
use serde_json::{Map, Value, json};

/// An object without what means the same as its absence: nulls, empty containers, and defaults of its version's schema.
/// The configuration is compared as an object, with its sections.
pub(crate) fn plain(object: &Value, version: &str) -> Value {
    let mut object = object.clone();
    let config = object.get_mut("spec").and_then(Value::as_object_mut).and_then(|spec| spec.remove("config"));
    let mut object = reduced(&object, open_api_schema(version)).unwrap_or_else(|| json!({}));
    if let Some(config) = config {
        object["spec"]["config"] = plain_config(config);
    }
    object
}

fn reduced(value: &Value, schema: &Value) -> Option<Value> {
    if schema.get("default") == Some(value) {
        return None;
    }
    match value {
        Value::Null => None,
        Value::Array(items) => {
            let items: Vec<Value> =
                items.iter().map(|item| reduced(item, &schema["items"]).unwrap_or(json!({}))).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .iter()
                .filter_map(|(name, value)| {
                    let below = match schema["properties"].get(name) {
                        Some(known) => known,
                        None => &schema["additionalProperties"],
                    };
                    Some((name.clone(), reduced(value, below)?))
                })
                .collect();
            // An empty label selector selects everything; none selects nothing.
            let selector = schema["x-kubernetes-map-type"] == "atomic";
            let forced = schema.get("required").is_some()
                && members.values().all(|value| *value == json!(false) || *value == json!(""));
            ((selector || !members.is_empty()) && !forced).then_some(members.into())
        }
        leaf => Some(leaf.clone()),
    }
}

fn plain_config(config: Value) -> Value {
    let config = match config {
        Value::String(text) => match api::collector::config_text::parse(&text) {
            Ok(config @ Value::Object(_)) => config,
            _ => return json!({ "text": text }),
        },
        config => config,
    };
    let Value::Object(mut config) = config else { return config };
    config.retain(|_, section| !section.is_null());
    for section in ["receivers", "exporters", "service"] {
        config.entry(section).or_insert(json!({}));
    }
    if let Some(Value::Object(service)) = config.get_mut("service") {
        service.retain(|_, member| !member.is_null() && *member != json!([]));
        if let Value::Object(pipelines) = service.entry("pipelines").or_insert(json!({})) {
            for pipeline in pipelines.values_mut().filter_map(Value::as_object_mut) {
                pipeline.retain(|_, ids| !ids.is_null() && *ids != json!([]));
            }
        }
    }
    whole_numbers(config.into())
}

/// 1.0 and 1 are one number.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(n) => match n.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "it is a whole number of at most six digits")]
            Some(float) if n.is_f64() && float.fract() == 0.0 && float.abs() < 1e6 => json!(float as i64),
            _ => Value::Number(n),
        },
        Value::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, whole_numbers(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}
