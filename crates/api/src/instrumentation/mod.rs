//! `Instrumentation` v1alpha1: how applications are to be instrumented.
//!
//! The types here are what the engine *reads*. An object is never written back through them: defaulting and the
//! image upgrade produce JSON patches over the raw object, so unknown fields survive.
//! Embedded Kubernetes types that are only passed on to pods stay raw JSON for the same reason.

pub mod blocked_version;
pub mod crd;
mod defaulting;
mod image_upgrade;
mod read;
mod sampler;
pub mod schema;
mod static_object;
pub mod status;
mod types;
mod validation;

pub use defaulting::{Defaulted, default};
pub use image_upgrade::{Upgrade, UpgradeEvent, upgrade};
pub use static_object::parse_static;
pub use types::*;
pub use validation::{Validated, validate, validate_delete};

/// API group of all our kinds.
pub const GROUP: &str = "opentelemetry.io";
/// The served and stored version of `Instrumentation`.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of an Instrumentation.
pub const API_VERSION: &str = "opentelemetry.io/v1alpha1";
/// Kind.
pub const KIND: &str = "Instrumentation";
/// Plural, as in URLs.
pub const PLURAL: &str = "instrumentations";
