//! The annotation in which fields travel through a version that cannot say them.
//!
//! Its value is JSON: by version, the part of that version's object that the other one has no words for.

use serde_json::{Map, Value};

/// Key of the annotation. It belongs to the conversion alone and is never copied to a child.
pub const ANNOTATION: &str = "conversion.opentelemetry.io/unrepresentable";

/// By version, what it says beyond the other.
pub(super) type Stash = Map<String, Value>;

/// Takes the stash out of an object. What somebody else wrote there, and is no stash, stays until there is one.
pub(super) fn take(object: &mut Value) -> Stash {
    let Some(annotations) = annotations(object) else { return Stash::new() };
    let read = annotations.get(ANNOTATION).and_then(Value::as_str).map(serde_json::from_str);
    let Some(Ok(Value::Object(stash))) = read else { return Stash::new() };
    annotations.remove(ANNOTATION);
    if annotations.is_empty() {
        object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("annotations"));
    }
    stash
}

/// Puts a stash into an object, if there is anything in it.
pub(super) fn put(object: &mut Value, mut stash: Stash) {
    stash.retain(|_, unsaid| !unsaid.is_null());
    if stash.is_empty() {
        return;
    }
    let text = Value::Object(stash).to_string();
    if let Some(annotations) = annotations(object) {
        annotations.insert(ANNOTATION.into(), text.into());
    } else {
        super::split::put(object, &["metadata", "annotations", ANNOTATION], text.into());
    }
}

/// What an object keeps for its other versions; null if nothing.
pub(super) fn peek(object: &Value) -> Value {
    object["metadata"]["annotations"][ANNOTATION]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

fn annotations(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("metadata")?.get_mut("annotations")?.as_object_mut()
}
