//! `spec.config`: a text in v1alpha1, an object in v1beta1.

use serde_json::{Map, Value, json};

use crate::collector::{
    OLD_VERSION, VERSION,
    config_text::{parse, render_all},
    crd::open_api_schema,
};

use super::{split, split::Split, stash};

/// A v1alpha1 configuration that no v1beta1 object can hold. The conversion stores an empty configuration and keeps
/// the text; whoever validates the object refuses it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spec.config is not a collector configuration: {reason}")]
pub struct UnreadableConfig {
    /// The configuration as it was given.
    pub text: String,
    /// What is wrong with it; from the YAML reader with line and column.
    pub reason: String,
}

/// What is wrong with the configuration that a v1beta1 object was converted from, as long as nobody gave it another.
pub fn unreadable_config(object: &Value) -> Option<UnreadableConfig> {
    let kept = stash::peek(object)[OLD_VERSION]["spec"]["config"].clone();
    if !is_empty(&object["spec"]["config"]) {
        return None;
    }
    match read(kept) {
        Ok(_) => None,
        Err(Unfit { given: Value::String(text), reason }) => Some(UnreadableConfig { text, reason }),
        Err(Unfit { given, reason }) => Some(UnreadableConfig { text: given.to_string(), reason }),
    }
}

/// The configuration for v1beta1. `home` is what v1alpha1 could not say of it.
pub(super) fn from_text(config: Option<Value>, home: &Value) -> Split {
    let mut split = match read(config.unwrap_or(Value::Null)) {
        Ok(config) => split::split(config, &Value::Null, schema()),
        Err(unfit) => Split { said: json!({}), unsaid: unfit.given },
    };
    add_sections(&mut split.said);
    put_back(&mut split.said, home, (schema(), &Value::Null));
    split
}

/// The configuration for v1alpha1. `home` is what v1beta1 could not say of it.
pub(super) fn into_text(config: Option<Value>, home: &Value) -> Split {
    let mut split = match config.unwrap_or(json!({})) {
        config @ Value::Object(_) => split::split(config, schema(), &Value::Null),
        unfit => Split { said: json!({}), unsaid: unfit },
    };
    put_back(&mut split.said, home, (&Value::Null, schema()));
    if split.said.is_object() {
        split.said = render_all(&split.said).into();
    }
    split
}

fn schema() -> &'static Value {
    &open_api_schema(VERSION)["properties"]["spec"]["properties"]["config"]
}

/// Members that the other version could not say, or all that the other version could not say, as long as it is still
/// without any component.
fn put_back(config: &mut Value, home: &Value, (own, other): (&Value, &Value)) {
    match home {
        Value::Null => {}
        Value::Object(_) => split::restore(config, home, own, other),
        unfit if is_empty(config) => *config = unfit.clone(),
        _ => {}
    }
}

/// Whether a configuration has neither components nor pipelines. Telemetry does not count: it is added by default.
fn is_empty(config: &Value) -> bool {
    ["/receivers", "/exporters", "/service/pipelines"]
        .iter()
        .all(|part| config.pointer(part).is_none_or(|part| part.as_object().is_none_or(Map::is_empty)))
}

fn add_sections(config: &mut Value) {
    for path in [&["receivers"][..], &["exporters"], &["service", "pipelines"]] {
        let pointer = format!("/{}", path.join("/"));
        if config.pointer(&pointer).is_none() {
            split::put(config, path, json!({}));
        }
    }
}

/// A configuration that does not have the shape of one.
struct Unfit {
    given: Value,
    reason: String,
}

/// Reads what v1alpha1 holds and brings it into shape: no nulls for sections and lists, ids as strings.
fn read(config: Value) -> Result<Value, Unfit> {
    let parsed = match &config {
        Value::Null => return Ok(json!({})),
        Value::String(text) => parse(text).map_err(|unreadable| unreadable.0),
        other => Ok(other.clone()),
    };
    match parsed.and_then(shaped) {
        Ok(config) => Ok(config),
        Err(reason) => Err(Unfit { given: config, reason }),
    }
}

fn shaped(config: Value) -> Result<Value, String> {
    let mut config = match config {
        Value::Null => Map::new(),
        Value::Object(config) => config,
        _ => return Err("it is no mapping".to_owned()),
    };
    for name in ["receivers", "exporters", "processors", "connectors", "extensions", "service"] {
        mapping(&mut config, name, name)?;
    }
    if let Some(Value::Object(service)) = config.get_mut("service") {
        mapping(service, "telemetry", "service.telemetry")?;
        mapping(service, "pipelines", "service.pipelines")?;
        ids(service, "extensions", "service.extensions")?;
        if let Some(Value::Object(pipelines)) = service.get_mut("pipelines") {
            for (id, pipeline) in pipelines {
                let path = format!("service.pipelines.{id}");
                match pipeline {
                    Value::Null => {}
                    Value::Object(pipeline) => {
                        for name in ["receivers", "processors", "exporters"] {
                            ids(pipeline, name, &format!("{path}.{name}"))?;
                        }
                    }
                    _ => return Err(format!("{path} has to be a mapping")),
                }
            }
        }
    }
    Ok(config.into())
}

fn mapping(of: &mut Map<String, Value>, name: &str, path: &str) -> Result<(), String> {
    match of.get(name) {
        None | Some(Value::Object(_)) => Ok(()),
        Some(Value::Null) => {
            of.remove(name);
            Ok(())
        }
        Some(_) => Err(format!("{path} has to be a mapping")),
    }
}

fn ids(of: &mut Map<String, Value>, name: &str, path: &str) -> Result<(), String> {
    let unfit = || Err(format!("{path} has to be a list of component ids"));
    match of.get_mut(name) {
        None => Ok(()),
        Some(Value::Null) => {
            of.remove(name);
            Ok(())
        }
        Some(Value::Array(items)) => {
            for item in items {
                match item {
                    Value::String(_) => {}
                    Value::Number(_) | Value::Bool(_) => *item = item.to_string().into(),
                    _ => return unfit(),
                }
            }
            Ok(())
        }
        Some(_) => unfit(),
    }
}
