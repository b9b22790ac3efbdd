//! Dividing an object into what the other version can say and what it cannot, and putting it together again.
//!
//! A schema that says nothing about what is below (`Value::Null` here) admits everything.

use serde_json::{Map, Value};

/// A divided value.
pub(super) struct Split {
    /// In the other version's words.
    pub(super) said: Value,
    /// In the words of the version it comes from; null where nothing is left.
    pub(super) unsaid: Value,
}

/// The same field under two names: v1alpha1's, v1beta1's.
const RENAMED: [(&str, &str); 2] = [
    ("updateStrategy", "daemonSetUpdateStrategy"),
    ("DisablePrometheusAnnotations", "disablePrometheusAnnotations"),
];

/// Divides a value of the schema `from` by what the schema `to` knows.
///
/// A field that its own schema does not know is not given a meaning by the other one. Left out of the unsaid is what
/// means the same as its absence: empty containers and defaults of the schema.
pub(super) fn split(value: Value, from: &Value, to: &Value) -> Split {
    match value {
        Value::Object(members) => split_object(members, from, to),
        Value::Array(items) => {
            let halves: Vec<Split> =
                items.iter().map(|item| split(item.clone(), &from["items"], &to["items"])).collect();
            let whole = halves.iter().all(|half| half.unsaid.is_null());
            let said = halves.into_iter().map(|half| half.said).collect();
            // Items have no names to find them by, so a list stays together.
            Split { said, unsaid: if whole { Value::Null } else { Value::Array(items) } }
        }
        leaf => Split { said: leaf, unsaid: Value::Null },
    }
}

fn split_object(members: Map<String, Value>, from: &Value, to: &Value) -> Split {
    let (mut said, mut unsaid) = (Map::new(), Map::new());
    for (name, value) in members {
        let Some(known) = member(from, &name) else {
            unsaid.insert(name, value);
            continue;
        };
        match counterpart(to, &name) {
            Some((other_name, other)) => {
                let half = split(value, known, other);
                said.insert(other_name.to_owned(), half.said);
                if !half.unsaid.is_null() {
                    unsaid.insert(name, half.unsaid);
                }
            }
            None => {
                if let Some(value) = meaning(value, known) {
                    unsaid.insert(name, value);
                }
            }
        }
    }
    let unsaid = if unsaid.is_empty() { Value::Null } else { unsaid.into() };
    Split { said: said.into(), unsaid }
}

/// What a value says that its absence does not.
fn meaning(value: Value, schema: &Value) -> Option<Value> {
    if schema.get("default") == Some(&value) {
        return None;
    }
    match value {
        Value::Null => None,
        Value::Array(items) if items.is_empty() => None,
        // An empty selector selects everything, no selector selects nothing.
        Value::Object(members) if schema["x-kubernetes-map-type"] == "atomic" => Some(members.into()),
        // The Go operator writes fields that have to be there with nothing in them.
        Value::Object(members) if schema.get("required").is_some() && members.values().all(is_zero) => None,
        Value::Object(members) => {
            let members: Map<_, _> = members
                .into_iter()
                .filter_map(|(name, value)| {
                    let value = meaning(value, member(schema, &name).unwrap_or(&Value::Null))?;
                    Some((name, value))
                })
                .collect();
            (!members.is_empty()).then(|| members.into())
        }
        leaf => Some(leaf),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Gives an object back what the other version could not say.
///
/// `kept` is in the words of the schema `home`, as `base` is; `other` is the schema of the version that it was away in.
pub(super) fn restore(base: &mut Value, kept: &Value, home: &Value, other: &Value) {
    let (Value::Object(base), Value::Object(kept)) = (base, kept) else { return };
    for (name, kept) in kept {
        let known = member(home, name);
        let there = known.and_then(|_| counterpart(other, name)).map(|(_, schema)| schema);
        let schemas = (known.unwrap_or(&Value::Null), there.unwrap_or(&Value::Null));
        match base.get_mut(name) {
            Some(value) => restore_member(value, kept, name, schemas),
            // The other version could say it and did not: it was removed there.
            None if there.is_some() => {}
            None => {
                base.insert(name.clone(), kept.clone());
            }
        }
    }
}

fn restore_member(value: &mut Value, kept: &Value, name: &str, (home, other): (&Value, &Value)) {
    let unchanged = match kept {
        Value::Object(_) => return restore(value, kept, home, other),
        Value::Array(_) => split(kept.clone(), home, other).said == *value,
        Value::String(_) => name == "filterStrategy" && value == "",
        _ => false,
    };
    if unchanged {
        *value = kept.clone();
    }
}

/// The schema of a member, if this schema admits one of that name.
fn member<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    const ANYTHING: &Value = &Value::Null;
    let Some(members) = schema.get("properties") else {
        return Some(schema.get("additionalProperties").unwrap_or(ANYTHING));
    };
    match members.get(name) {
        None if schema["x-kubernetes-preserve-unknown-fields"] == true => Some(ANYTHING),
        known => known,
    }
}

/// Name and schema of the same field in the other version.
fn counterpart<'a>(schema: &'a Value, name: &'a str) -> Option<(&'a str, &'a Value)> {
    if let Some(found) = member(schema, name) {
        return Some((name, found));
    }
    let other_name = RENAMED.iter().find_map(|&(old, new)| match name {
        name if name == old => Some(new),
        name if name == new => Some(old),
        _ => None,
    })?;
    member(schema, other_name).map(|found| (other_name, found))
}

/// Puts a value at a path, objects on the way included. Null is nothing to put.
pub(super) fn put(into: &mut Value, path: &[&str], value: Value) {
    if value.is_null() {
        return;
    }
    let [name, below @ ..] = path else {
        *into = value;
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    if let Value::Object(members) = into {
        put(members.entry((*name).to_owned()).or_insert(Value::Null), below, value);
    }
}
