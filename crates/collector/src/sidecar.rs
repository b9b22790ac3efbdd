//! What a pod gets that asks for a collector as a sidecar (collector.md 16.2): the same container as in a workload, with the
//! configuration in a variable. What the pod itself contributes (who owns it, what it has already) is the injection's matter.

use api::{
    annotation::SIDECAR_NAMESPACES,
    collector::{
        OLD_API_VERSION, OpenTelemetryCollector,
        conversion::to_v1beta1,
        sidecar::{Collector, MODE, Offer},
    },
};
use serde_json::{Value, json};

use crate::{
    build::{BuildError, Given, refuse_target_allocator},
    container,
    context::Context,
    label,
    pod::users,
    settings::{Available, Namespace, Settings},
    volume::user_volumes,
};

/// What a pod gets from this collector.
///
/// # Errors
/// As [`crate::build`].
pub fn sidecar(given: &Given<'_>) -> Result<Offer, BuildError> {
    refuse_target_allocator(given.collector)?;
    let mut warnings = Vec::new();
    let context = Context::new(given, &mut warnings)?;
    let text = api::collector::config_text::render(&given.collector.spec.config);
    let mut notes = Vec::new();
    if text.contains("$$") {
        notes.push(format!(
            "its configuration has $$, which Kubernetes makes $ in the variable {}; write $$$$ for what the collector is to read as $$",
            container::SIDECAR_CONFIG
        ));
    }
    let env = vec![json!({"name": container::SIDECAR_CONFIG, "value": text})];
    let container = container::of_sidecar(&context, env, &mut warnings);
    notes.extend(warnings.iter().map(ToString::to_string));
    Ok(Offer {
        container,
        init_containers: users(&given.collector.spec.init_containers),
        volumes: user_volumes(&given.collector.spec),
        label: label::instance_as_reference(&given.collector.metadata),
        notes,
    })
}

/// A collector as pods may ask for it, from the object as the API server or a file has it. Nothing is made of one in another mode.
pub fn offered(raw: &Value, settings: &Settings) -> Collector {
    let converted = (raw["apiVersion"] == OLD_API_VERSION).then(|| to_v1beta1(raw));
    let raw = converted.as_ref().unwrap_or(raw);
    let metadata = &raw["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mode = raw["spec"]["mode"].as_str().filter(|mode| !mode.is_empty()).unwrap_or("deployment");
    Collector {
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
        generation: metadata["generation"].as_i64().unwrap_or_default(),
        mode: mode.to_owned(),
        allowed: metadata["annotations"][SIDECAR_NAMESPACES].as_str().map(Collector::namespaces),
        offer: match mode {
            MODE => offer(raw, settings),
            other => Err(format!("its mode is {other}")),
        },
    }
}

fn offer(raw: &Value, settings: &Settings) -> Result<Offer, String> {
    let collector: OpenTelemetryCollector =
        serde_json::from_value(raw.clone()).map_err(|error| format!("it cannot be read: {error}"))?;
    // Neither what the cluster offers nor the namespace matters to a container; both are about the pod and other objects.
    let given = Given {
        collector: &collector,
        settings,
        available: &Available::default(),
        namespace: &Namespace::default(),
        existing: None,
    };
    sidecar(&given).map_err(|error| error.to_string())
}
