//! Conversion between v1alpha1 and v1beta1, over raw JSON.
//!
//! It is total: it never fails and never loses a field. What the other version cannot say travels along in an
//! annotation and comes back on the way home; what the other version can say itself goes before that. Which is which
//! follows from the schemas of the CRD, so that a new field needs no line here.

mod config;
mod review;
mod scaling;
mod selector;
mod split;
mod stash;

use serde_json::Value;

use super::{API_VERSION, KIND, OLD_API_VERSION, OLD_VERSION, VERSION, crd::open_api_schema};

pub use config::{UnreadableConfig, unreadable_config};
pub use review::convert_review;
pub use stash::ANNOTATION;

/// The object as v1beta1. What is no OpenTelemetryCollector v1alpha1 comes back as it is.
pub fn to_v1beta1(object: &Value) -> Value {
    if object["kind"] != KIND || object["apiVersion"] != OLD_API_VERSION {
        return object.clone();
    }
    let mut object = object.clone();
    let mut stash = stash::take(&mut object);
    let mut home = stash.remove(VERSION).unwrap_or(Value::Null);

    let config = take_config(&mut object);
    let selectors = selector::take(&mut object);
    scaling::into_autoscaler(&mut object);
    let (old, new) = (open_api_schema(OLD_VERSION), open_api_schema(VERSION));
    let split::Split { mut said, mut unsaid } = split::split(object, old, new);
    let selectors_at_home = selector::take(&mut home);
    selector::into_label_selectors(selectors, selectors_at_home, &mut said, &mut unsaid);
    filter_strategy(&mut said, &mut unsaid);
    split::restore(&mut said, &home, new, old);
    let config = config::from_text(config, &home["spec"]["config"]);
    put_config(config, &mut said, &mut unsaid);

    said["apiVersion"] = API_VERSION.into();
    stash.insert(OLD_VERSION.into(), unsaid);
    stash::put(&mut said, stash);
    said
}

/// The object as v1alpha1. What is no OpenTelemetryCollector v1beta1 comes back as it is.
pub fn to_v1alpha1(object: &Value) -> Value {
    if object["kind"] != KIND || object["apiVersion"] != API_VERSION {
        return object.clone();
    }
    let mut object = object.clone();
    let mut stash = stash::take(&mut object);
    let mut home = stash.remove(OLD_VERSION).unwrap_or(Value::Null);

    let config = take_config(&mut object);
    let selectors = selector::take(&mut object);
    let (new, old) = (open_api_schema(VERSION), open_api_schema(OLD_VERSION));
    let split::Split { mut said, mut unsaid } = split::split(object, new, old);
    let selectors_at_home = selector::take(&mut home);
    selector::into_maps(selectors, selectors_at_home, &mut said, &mut unsaid);
    split::restore(&mut said, &home, old, new);
    let config = config::into_text(config, &home["spec"]["config"]);
    put_config(config, &mut said, &mut unsaid);

    said["apiVersion"] = OLD_API_VERSION.into();
    stash.insert(VERSION.into(), unsaid);
    stash::put(&mut said, stash);
    said
}

fn take_config(object: &mut Value) -> Option<Value> {
    object.get_mut("spec")?.as_object_mut()?.remove("config")
}

fn put_config(config: split::Split, said: &mut Value, unsaid: &mut Value) {
    if let Some(spec) = said.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("config".into(), config.said);
        split::put(unsaid, &["spec", "config"], config.unsaid);
    }
}

/// v1alpha1 takes any word; one that v1beta1 does not know means no filter there.
fn filter_strategy(said: &mut Value, unsaid: &mut Value) {
    const FIELD: [&str; 3] = ["spec", "targetAllocator", "filterStrategy"];
    let Some(strategy) = said.pointer_mut("/spec/targetAllocator/filterStrategy") else { return };
    if strategy.as_str().is_some_and(|word| !["", "relabel-config"].contains(&word)) {
        split::put(unsaid, &FIELD, std::mem::replace(strategy, "".into()));
    }
}
