//! What a pod gets that asks for a collector as a sidecar (collector.md 16.2): the same container as in a workload, with the
//! configuration in a variable. What the pod itself contributes (who owns it, what it has already) is the injection's matter.

use serde_json::{Value, json};

use crate::{
    build::{BuildError, Given, Warning, refuse_target_allocator},
    container,
    context::Context,
    label,
    pod::users,
    volume::user_volumes,
};

/// What is added to a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Sidecar {
    /// The collector's container; its last variable so far is `OTEL_CONFIG`.
    pub container: Value,
    /// Containers of the user that run before.
    pub init_containers: Vec<Value>,
    /// Volumes of the user.
    pub volumes: Vec<Value>,
    /// Value of the label [`label::INJECTED`].
    pub instance: String,
    /// What was left out, and why.
    pub warnings: Vec<Warning>,
}

/// What a pod gets from this collector.
///
/// # Errors
/// As [`crate::build`].
pub fn sidecar(given: &Given<'_>) -> Result<Sidecar, BuildError> {
    refuse_target_allocator(given.collector)?;
    let mut warnings = Vec::new();
    let context = Context::new(given, &mut warnings)?;
    let text = api::collector::config_text::render(&given.collector.spec.config);
    let env = vec![json!({"name": container::SIDECAR_CONFIG, "value": text})];
    Ok(Sidecar {
        container: container::of_sidecar(&context, env, &mut warnings),
        init_containers: users(&given.collector.spec.init_containers),
        volumes: user_volumes(&given.collector.spec),
        instance: label::instance_as_reference(&given.collector.metadata),
        warnings,
    })
}
