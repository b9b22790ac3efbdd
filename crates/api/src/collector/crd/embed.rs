//! The two abbreviations of the CRD's sources, spelled out.

use serde_json::{Map, Value};

/// Replaces each `embed: Type` by the type's schema. What else stands at such a node (a description, a default) stays.
pub(super) fn types(schema: Value, of: &Value) -> Value {
    match schema {
        Value::Array(items) => items.into_iter().map(|item| types(item, of)).collect(),
        Value::Object(mut members) => {
            let embedded = match members.get("embed") {
                Some(Value::String(name)) => Some(of[name].clone()),
                _ => None,
            };
            let mut all = Map::new();
            if let Some(embedded) = embedded {
                members.remove("embed");
                if let Value::Object(embedded) = types(embedded, of) {
                    all = embedded;
                }
            }
            all.extend(members.into_iter().map(|(key, value)| (key, types(value, of))));
            if all.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                all.insert("anyOf".into(), serde_json::json!([{ "type": "integer" }, { "type": "string" }]));
            }
            Value::Object(all)
        }
        leaf => leaf,
    }
}

/// Fills in the fields that `as-in-v1beta1` names, from the same place of the other schema.
pub(super) fn fields(mut schema: Value, of: &Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    let names = members.remove("as-in-v1beta1");
    if let Some(Value::Object(own)) = members.get_mut("properties") {
        for (name, field) in own.iter_mut() {
            *field = fields(field.take(), &of["properties"][name]);
        }
    }
    if let Some(items) = members.get_mut("items") {
        *items = fields(items.take(), &of["items"]);
    }
    for name in names.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        schema["properties"][name] = of["properties"][name].clone();
    }
    schema
}
