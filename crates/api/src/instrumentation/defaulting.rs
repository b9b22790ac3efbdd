//! What is written into an Instrumentation when it is stored (spec 8).
//!
//! Mutating admission sees the object before its schema is checked, so anything may have any type. What is not
//! understood is left alone: the schema refuses it with a message that names the field.

use json_patch::PatchOperation;
use serde_json::{Map, Value, json};

use super::read::{field, text};
use crate::{Language, Settings};

/// The outcome of [`default`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaulted {
    /// What to change in the object; empty when nothing is missing.
    pub patch: Vec<PatchOperation>,
    /// What the user should know about the changes.
    pub warnings: Vec<String>,
}

/// Fills in the documented defaults and makes strings of unquoted scalars in environment variables.
///
/// `raw` is the object as the user sent it, `old` the stored object on an update.
pub fn default(raw: &Value, old: Option<&Value>, settings: &Settings) -> Defaulted {
    let mut object = raw.clone();
    let mut warnings = Vec::new();
    if let Some(spec) = member(&mut object, "spec") {
        quote_scalars(spec, "env", "spec", &mut warnings);
        for language in Language::with_image() {
            let Some(name) = language.info().spec_field else { continue };
            let Some(agent) = member_of(spec, name) else { continue };
            let path = format!("spec.{name}");
            quote_scalars(agent, "env", &path, &mut warnings);
            quote_scalars(agent, "attrs", &path, &mut warnings);
            default_text(agent, "image", &settings.images[language]);
            default_resources(agent, language);
            for (field, value) in texts(language) {
                default_text(agent, field, value);
            }
        }
    }
    record_default_images(raw, old, &mut object, settings);
    Defaulted { patch: json_patch::diff(raw, &object).0, warnings }
}

/// Defaults of a language that are plain texts. The engine repeats them for objects that no webhook has seen.
fn texts(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::ApacheHttpd => &[("version", "2.4"), ("configPath", "/usr/local/apache2/conf")],
        Language::Nginx => &[("configFile", "/etc/nginx/nginx.conf")],
        _ => &[],
    }
}

/// The member as an object, made when absent; none when it is something else.
fn member<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    member_of(value.as_object_mut()?, key)
}

fn member_of<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let value = map.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

fn default_text(map: &mut Map<String, Value>, key: &str, default: &str) {
    let missing = match map.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    };
    if missing && !default.is_empty() {
        map.insert(key.to_owned(), default.into());
    }
}

/// `limits` and `requests` are each filled in as a whole: somebody who wrote one quantity meant the others to be absent.
fn default_resources(agent: &mut Map<String, Value>, language: Language) {
    let info = language.info();
    let Some(resources) = member_of(agent, info.resources_field) else { return };
    for (key, (cpu, memory)) in [("limits", info.default_limits), ("requests", info.default_requests)] {
        let value = resources.entry(key).or_insert(Value::Null);
        if value.is_null() {
            *value = json!({ "cpu": cpu, "memory": memory });
        }
    }
}

/// `value: false` is what people write when they mean `value: "false"`.
fn quote_scalars(holder: &mut Map<String, Value>, list: &str, path: &str, warnings: &mut Vec<String>) {
    let entries = holder.get_mut(list).and_then(Value::as_array_mut);
    for (i, entry) in entries.into_iter().flatten().enumerate() {
        let name = text(entry, &["name"]).to_owned();
        let Some(value) = entry.get_mut("value") else { continue };
        let (kind, string) = match value {
            Value::Bool(flag) => ("boolean", flag.to_string()),
            Value::Number(number) => ("number", number.to_string()),
            _ => continue,
        };
        warnings.push(format!(
            "{path}.{list}[{i}].value ({name}) is the {kind} {string}, not a string; it was stored as \"{string}\"; write it in quotes"
        ));
        *value = string.into();
    }
}

/// Keeps the annotations that tell an image of the operator's (which the upgrade moves) from one of the user's.
///
/// An annotation is written when the choice of image is made: when the operator fills the image in, when the object
/// has no annotation yet, or when an update changes the image alone. An update that leaves the image as it is leaves
/// the annotation too, whatever today's default: else an edit in the moment between the start of a new operator and
/// its upgrade, or with the language blocked or switched off, would turn the operator's image into a user's.
fn record_default_images(raw: &Value, old: Option<&Value>, object: &mut Value, settings: &Settings) {
    for language in Language::with_image() {
        let info = language.info();
        let (Some(key), Some(name)) = (info.default_image_annotation, info.spec_field) else { continue };
        let default = &settings.images[language];
        let image_at = ["spec", name, "image"];
        let annotation_at = ["metadata", "annotations", key];
        let (image, recorded) = (text(raw, &image_at), text(raw, &annotation_at));
        let image_changed_alone =
            old.is_some_and(|old| text(old, &image_at) != image && text(old, &annotation_at) == recorded);
        let understood = field(object, &image_at).is_some_and(Value::is_string);
        let chosen_now = image.is_empty() || recorded.is_empty() || image_changed_alone;
        if !understood || !chosen_now || recorded == default || default.is_empty() {
            continue;
        }
        let annotations = member(object, "metadata").and_then(|metadata| member_of(metadata, "annotations"));
        if let Some(annotations) = annotations {
            let value = annotations.entry(key).or_insert(Value::Null);
            if value.is_null() || value.is_string() {
                *value = default.as_str().into();
            }
        }
    }
}
