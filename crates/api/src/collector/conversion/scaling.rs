//! `minReplicas` and `maxReplicas` of v1alpha1, which moved into the autoscaler.

use serde_json::{Map, Value};

/// Moves both into the autoscaler where it says nothing itself. What differs from it stays, as a field of v1alpha1.
pub(super) fn into_autoscaler(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for name in ["minReplicas", "maxReplicas"] {
        let Some(value) = spec.get(name).filter(|value| !value.is_null()).cloned() else {
            spec.remove(name);
            continue;
        };
        let autoscaler = spec.entry("autoscaler").or_insert(Value::Null);
        if autoscaler.is_null() {
            *autoscaler = Map::new().into();
        }
        let Value::Object(autoscaler) = autoscaler else { continue };
        let said = autoscaler.entry(name).or_insert(Value::Null);
        if said.is_null() {
            *said = value.clone();
        }
        if *said == value {
            spec.remove(name);
        }
    }
}
