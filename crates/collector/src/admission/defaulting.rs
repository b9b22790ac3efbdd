//! What is written into a collector when it is stored (collector.md 6, 9.2, 9.3).

use json_patch::PatchOperation;
use serde_json::{Map, Value, json};

use super::{
    Level, Settings,
    read::{field, flag, member, number, text},
    spec_is_unchanged,
};
use crate::{
    check,
    component::{Kind, apply_defaults},
    config::{Config, Path, telemetry},
};

/// The outcome of [`default`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaulted {
    /// What to change in the object; empty when nothing is missing.
    pub patch: Vec<PatchOperation>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Events to record on the object, unless this was a dry run.
    pub events: Vec<Event>,
    /// Why the object is refused already now; none if it is not.
    pub error: Option<String>,
}

/// An event about a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `Normal`.
    pub kind: &'static str,
    /// Reason, and action.
    pub reason: &'static str,
    /// What happened.
    pub note: String,
}

/// Fills in the documented defaults. `old` is the stored object on an update.
pub fn default(raw: &Value, old: Option<&Value>, settings: &Settings) -> Defaulted {
    // Before anything is added to the empty configuration that the conversion put in its place.
    if let Some(error) = super::unreadable(raw).filter(|_| !spec_is_unchanged(raw, old)) {
        return Defaulted { error: Some(error), ..Defaulted::default() };
    }
    let mut object = raw.clone();
    let mut out = Defaulted::default();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        fields(spec, settings);
    }
    if let Some(config) = object.pointer_mut("/spec/config").filter(|config| config.is_object()) {
        let before = config.clone();
        if let Err(error) = configuration(config, Level::of(raw, settings), &mut out) {
            *config = before;
            if spec_is_unchanged(raw, old) {
                out.warnings.push(error);
            } else {
                out.error = Some(error);
            }
        }
    }
    out.patch = json_patch::diff(raw, &object).0;
    out
}

/// Defaults of the fields around the configuration, each depending on those before it.
fn fields(spec: &mut Map<String, Value>, settings: &Settings) {
    default_to(spec, "mode", json!("deployment"));
    default_to(spec, "upgradeStrategy", json!("automatic"));
    default_to(spec, "replicas", json!(1));
    let replicas = spec.get("replicas").cloned().unwrap_or_default();
    if let Some(allocator) = spec.get_mut("targetAllocator").and_then(Value::as_object_mut)
        && allocator.get("enabled") == Some(&Value::Bool(true))
    {
        default_to(allocator, "replicas", json!(1));
    }
    if let Some(autoscaler) = spec.get_mut("autoscaler").and_then(Value::as_object_mut)
        && autoscaler.get("maxReplicas").is_some_and(|max| !max.is_null())
    {
        default_to(autoscaler, "minReplicas", replicas);
        let absent = |key: &str| autoscaler.get(key).is_none_or(Value::is_null);
        if absent("targetCPUUtilization") && absent("targetMemoryUtilization") {
            autoscaler.insert("targetCPUUtilization".to_owned(), json!(90));
        }
    }
    if let Some(ingress) = spec.get_mut("ingress").and_then(Value::as_object_mut) {
        match ingress.get("type").and_then(Value::as_str) {
            Some("route") => {
                if let Some(route) = member(ingress, "route") {
                    default_to(route, "termination", json!("edge"));
                }
            }
            Some("ingress") => default_to(ingress, "ruleType", json!("path")),
            _ => {}
        }
    }
    default_to(spec, "managementState", json!("managed"));
    if settings.network_policy
        && let Some(policy) = member(spec, "networkPolicy")
    {
        default_to(policy, "enabled", json!(true));
    }
}

fn default_to(map: &mut Map<String, Value>, key: &str, default: Value) {
    let missing = match map.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    };
    if missing {
        map.insert(key.to_owned(), default);
    }
}

/// Components that are not defined are reported before those with known defaults are added.
fn configuration(config: &mut Value, level: Level, out: &mut Defaulted) -> Result<(), String> {
    let undefined = check::undefined_components(&Config::read(config));
    let added = apply_defaults(config, None).map_err(|problem| {
        let path = problem.path.below(&Path::of(&["spec", "config"]));
        format!("{}; {} ({path})", problem.message, problem.fix)
    })?;
    for finding in undefined {
        let Some((kind, id)) = finding.component.as_ref() else { continue };
        if !added.iter().any(|a| a.kind == *kind && a.id == *id) {
            continue;
        }
        let finding = finding.below(&Path::of(&["spec", "config"]));
        match level {
            Level::Off => {}
            Level::Warn => out.warnings.push(format!("{finding}; it was added with its default address")),
            Level::Enforce => return Err(finding.to_string()),
        }
    }
    match telemetry::add_default_reader(config) {
        telemetry::DefaultReader::Added(endpoint) => out.events.push(Event {
            kind: "Normal",
            reason: "Spec.Service.Telemetry.DefaultsApplied",
            note: format!(
                "Applied default Prometheus telemetry configuration (host: {}, port: {})",
                endpoint.host, endpoint.port
            ),
        }),
        // Validation says what is not understood.
        telemetry::DefaultReader::NotUnderstood(_) | telemetry::DefaultReader::Configured => {}
    }
    Ok(())
}

/// Whether the object asks for a target allocator of its own.
pub(super) fn wants_target_allocator(object: &Value) -> bool {
    flag(object, &["spec", "targetAllocator", "enabled"])
}

/// `spec.mode`, with its default.
pub(super) fn mode(object: &Value) -> &str {
    let mode = text(object, &["spec", "mode"]);
    if mode.is_empty() { "deployment" } else { mode }
}

/// `spec.replicas`, if it is there.
pub(super) fn replicas(object: &Value) -> Option<i64> {
    number(object, &["spec", "replicas"])
}

/// `spec.config`; a null if there is none.
pub(super) fn config(object: &Value) -> &Value {
    field(object, &["spec", "config"]).unwrap_or(&Value::Null)
}

/// The kinds that a configuration defines, for messages.
pub(super) const KINDS: [Kind; 5] =
    [Kind::Receiver, Kind::Exporter, Kind::Processor, Kind::Extension, Kind::Connector];
