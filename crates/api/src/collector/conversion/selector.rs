//! The selectors of ServiceMonitors and PodMonitors: maps of labels in v1alpha1, label selectors in v1beta1.
//!
//! No map selects everything; no label selector selects nothing, an empty one everything.

use serde_json::{Map, Value, json};

use super::split::put;

const NAMES: [&str; 2] = ["podMonitorSelector", "serviceMonitorSelector"];

/// Both selectors; none where the object has none.
pub(super) type Selectors = [Option<Value>; 2];

/// Takes both selectors out of an object.
pub(super) fn take(object: &mut Value) -> Selectors {
    let mut settings =
        object.pointer_mut("/spec/targetAllocator/prometheusCR").and_then(Value::as_object_mut);
    NAMES.map(|name| settings.as_mut().and_then(|settings| settings.remove(name)))
}

/// Puts v1alpha1's selectors into v1beta1's object.
pub(super) fn into_label_selectors(
    maps: Selectors,
    at_home: Selectors,
    said: &mut Value,
    unsaid: &mut Value,
) {
    if !said["spec"]["targetAllocator"].is_object() {
        return;
    }
    for ((name, map), at_home) in NAMES.into_iter().zip(maps).zip(at_home) {
        let mut selector = Map::new();
        match map {
            None | Some(Value::Null) => {}
            Some(Value::Object(labels)) if labels.is_empty() => {}
            Some(Value::Object(labels)) => {
                selector.insert("matchLabels".into(), labels.into());
            }
            Some(other) => put_setting(unsaid, name, other),
        }
        let selector = match at_home {
            // There was none, and the map still says nothing else.
            Some(Value::Null) if selector.is_empty() => continue,
            Some(Value::Object(more)) => {
                for (key, value) in more {
                    selector.entry(key).or_insert(value);
                }
                selector.into()
            }
            Some(other) if selector.is_empty() => other,
            _ => selector.into(),
        };
        put_setting(said, name, selector);
    }
}

/// Puts v1beta1's selectors into v1alpha1's object.
pub(super) fn into_maps(selectors: Selectors, at_home: Selectors, said: &mut Value, unsaid: &mut Value) {
    if !said["spec"]["targetAllocator"].is_object() {
        return;
    }
    for ((name, selector), at_home) in NAMES.into_iter().zip(selectors).zip(at_home) {
        match selector {
            None | Some(Value::Null) => note_absent(unsaid, name),
            Some(Value::Object(mut selector)) => {
                let labels = selector.remove("matchLabels");
                selector.retain(|_, value| !value.is_null() && *value != json!([]));
                match labels {
                    Some(Value::Object(labels)) if !labels.is_empty() => {
                        put_setting(said, name, labels.into())
                    }
                    None | Some(Value::Null | Value::Object(_)) => {
                        put_setting(said, name, at_home.unwrap_or(Value::Null));
                    }
                    Some(other) => {
                        selector.insert("matchLabels".into(), other);
                    }
                }
                if !selector.is_empty() {
                    put_setting(unsaid, name, selector.into());
                }
            }
            Some(other) => put_setting(unsaid, name, other),
        }
    }
}

fn put_setting(into: &mut Value, name: &str, value: Value) {
    put(into, &["spec", "targetAllocator", "prometheusCR", name], value);
}

/// Keeps that there is no selector. The null says so; it is put in two steps, since there is nothing to put about null.
fn note_absent(unsaid: &mut Value, name: &str) {
    put_setting(unsaid, name, json!({}));
    if let Some(settings) = unsaid.pointer_mut("/spec/targetAllocator/prometheusCR") {
        settings[name] = Value::Null;
    }
}
