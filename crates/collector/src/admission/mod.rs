//! What is written into an OpenTelemetryCollector when it is stored, and which ones are refused.
//!
//! Objects are v1beta1 and raw: the API server converts others first. A message begins with the Go operator's text, misspellings
//! included, since people and tests match on it; after `; ` comes what to do.

pub mod access;
mod autoscaler;
mod defaulting;
mod findings;
mod fips;
mod guard;
mod ingress;
mod mode;
mod null_objects;
mod pod_settings;
mod port;
mod read;
mod target_allocator;
mod validation;

pub use access::{Access, Asked, Review};
pub use defaulting::{Defaulted, Event, default};
pub use fips::DeniedComponents;
pub use guard::Requester;
pub use validation::{Validated, validate, validate_delete};

use serde_json::Value;

use crate::settings::Available;

/// Annotation of a collector with the level at which its configuration is checked; wins over the operator's flag.
pub const LEVEL_ANNOTATION: &str = "opentelemetry.io/config-validation";

/// What becomes of findings in a configuration (`--collector-config-validation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Off,
    /// Warnings.
    #[default]
    Warn,
    /// What would stop the collector is refused, the rest are warnings.
    Enforce,
}

impl Level {
    /// The level of a flag's or annotation's text.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "off" => Level::Off,
            "warn" => Level::Warn,
            "enforce" => Level::Enforce,
            _ => return None,
        })
    }

    /// The level of an object; an annotation that is no level is not obeyed.
    fn of(object: &Value, settings: &Settings) -> Self {
        let annotation = read::text(object, &["metadata", "annotations", LEVEL_ANNOTATION]);
        Level::parse(annotation).unwrap_or(settings.config_validation)
    }
}

/// Settings and facts of the cluster that admission depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The operator's settings about collectors.
    pub collector: crate::Settings,
    /// Which optional APIs the cluster has, and whether the operator may manage ClusterRoles.
    pub available: Available,
    /// cert-manager is there and the operator may use it.
    pub cert_manager: bool,
    /// Feature gate `operand.networkpolicy`.
    pub network_policy: bool,
    /// `--collector-config-validation`.
    pub config_validation: Level,
    /// Components that may not be used, where the operator's host is in FIPS mode; none elsewhere.
    pub fips_denied: Option<DeniedComponents>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            collector: crate::Settings::default(),
            available: Available::default(),
            cert_manager: false,
            network_policy: true,
            config_validation: Level::Warn,
            fips_denied: None,
        }
    }
}

/// Whether a change leaves the wishes alone (finalizers, labels, an object on its way out), so that nothing in it may be refused:
/// else an object that newer rules do not like could neither be changed nor deleted.
fn spec_is_unchanged(raw: &Value, old: Option<&Value>) -> bool {
    let leaving = raw.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    leaving || old.is_some_and(|old| old.get("spec") == raw.get("spec"))
}

/// Why a configuration that was given as text (v1alpha1) is refused: it is none.
fn unreadable(raw: &Value) -> Option<String> {
    let problem = api::collector::conversion::unreadable_config(raw)?;
    Some(format!("{problem}; correct the text of spec.config"))
}
