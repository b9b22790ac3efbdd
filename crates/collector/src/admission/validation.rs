//! Which collectors are refused, and what their authors are told (collector.md 7). The checks are in the Go operator's order and
//! the first error wins, but none is left out because of another.

use api::collector::v1beta1::OpenTelemetryCollector;
use serde_json::Value;

use super::{
    Level, Settings,
    access::{Access, Asking, Review},
    autoscaler,
    defaulting::{config, mode, wants_target_allocator},
    findings, guard,
    guard::Requester,
    ingress, mode as modes, null_objects, pod_settings, port, read, spec_is_unchanged, target_allocator,
};
use crate::{
    build::{Given, build},
    config::Config,
    rbac,
    settings::Namespace,
};

/// The outcome of [`validate`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validated {
    /// What the user should know, in order; also given when the object is refused.
    pub warnings: Vec<String>,
    /// Why the object is refused (HTTP 403, reason `Forbidden`); none if it is accepted.
    pub error: Option<String>,
    /// Questions whose answers are missing in `access`. Ask them and validate again; until then the outcome is not final.
    pub reviews: Vec<Review>,
}

/// Checks a collector that is created or updated, after its defaults are in.
///
/// `old` is the stored object on an update, `requester` who asks (none: nobody to be guarded against, as on the command line).
pub fn validate(
    raw: &Value,
    old: Option<&Value>,
    requester: Option<&Requester>,
    settings: &Settings,
    access: &Access,
) -> Validated {
    // Nothing in the wishes changed, so nothing is refused and nobody is asked.
    let unchanged = spec_is_unchanged(raw, old);
    let requester = requester.filter(|_| !unchanged);
    let graph = Config::read(config(raw));
    let mut asking = Asking::new(access);
    let mut warnings = Vec::new();
    warnings.extend(null_objects::warning(config(raw)));
    level(raw, &mut warnings);
    let mut error = old
        .and_then(|old| modes::changed(raw, old))
        .or_else(|| super::unreadable(raw))
        .or_else(|| modes::attributes(raw));
    if wants_target_allocator(raw) {
        error = error.or_else(|| target_allocator::check(raw, settings));
        if error.is_none() && !unchanged {
            match target_allocator::warnings(raw, &mut asking) {
                Ok(missing) => warnings.extend(missing),
                Err(failed) => error = Some(failed),
            }
        }
    }
    error = error
        .or_else(|| port::given(raw))
        .or_else(|| port::inferred(&graph))
        .or_else(|| autoscaler::check(raw))
        .or_else(|| ingress::check(raw))
        .or_else(|| modes::update_strategies(raw))
        .or_else(|| settings.fips_denied.as_ref().and_then(|denied| denied.refusal(&graph)))
        .or_else(|| pod_settings::check(raw))
        .or_else(|| guard::refusal(raw, &graph, requester, settings, &mut asking));
    let found = findings::find(raw, &graph, settings);
    error = error.or(found.refusal);
    if error.is_none() && !unchanged {
        warnings.extend(guard::warnings(raw, &graph, settings, &mut asking));
    }
    sidecar_account(raw, &graph, settings, &mut warnings);
    warnings.extend(children(raw, settings));
    warnings.extend(found.warnings);
    if unchanged {
        warnings.extend(error.take());
    }
    Validated { warnings, error, reviews: asking.missing }
}

/// The answer for a collector that is deleted: never refused, or an object that newer rules do not like could not be removed.
pub fn validate_delete(_raw: &Value) -> Validated {
    Validated::default()
}

fn level(raw: &Value, warnings: &mut Vec<String>) {
    let given = read::text(raw, &["metadata", "annotations", super::LEVEL_ANNOTATION]);
    if !given.is_empty() && Level::parse(given).is_none() {
        warnings.push(format!(
            "metadata.annotations[{}] is {given}, which is no level; use off, warn or enforce",
            super::LEVEL_ANNOTATION
        ));
    }
}

/// Rules are bound to the collector's account, but a sidecar runs as its pod's.
fn sidecar_account(raw: &Value, graph: &Config<'_>, settings: &Settings, warnings: &mut Vec<String>) {
    let needs = || rbac::rules(graph).is_ok_and(|rules| !rules.is_empty());
    if mode(raw) == "sidecar" && settings.available.cluster_roles && needs() {
        warnings.push(
            "spec.config has components that ask the Kubernetes API, but a sidecar runs as the ServiceAccount of its pod, which \
             the operator grants nothing; bind a ClusterRole to the pods' accounts, or use another spec.mode"
                .to_owned(),
        );
    }
}

/// What becomes of the children: the whole engine is run for an object that can be read. Its complaints are warnings here.
fn children(raw: &Value, settings: &Settings) -> Vec<String> {
    let Ok(collector) = serde_json::from_value::<OpenTelemetryCollector>(raw.clone()) else {
        return Vec::new();
    };
    let namespace = Namespace::default();
    let given = Given {
        collector: &collector,
        settings: &settings.collector,
        available: &settings.available,
        namespace: &namespace,
        existing: None,
    };
    match build(&given) {
        Ok(built) => built.warnings.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}
