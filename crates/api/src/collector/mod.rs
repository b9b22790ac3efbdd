//! `OpenTelemetryCollector`: a collector, or a fleet of them, as somebody wishes to have it.
//!
//! Stored as v1beta1, also served as v1alpha1. As with the other kinds, the types are what the engine *reads*; objects
//! travel as raw JSON, so that fields of a newer version survive.

pub mod config_hash;
pub mod config_text;
pub mod conversion;
pub mod crd;
pub mod sidecar;
pub mod v1beta1;

pub use config_hash::config_hash;
pub use v1beta1::OpenTelemetryCollector;

/// The stored version.
pub const VERSION: &str = "v1beta1";
/// `apiVersion` of the stored version.
pub const API_VERSION: &str = "opentelemetry.io/v1beta1";
/// The old version, served for the clients that still ask for it.
pub const OLD_VERSION: &str = "v1alpha1";
/// `apiVersion` of the old version.
pub const OLD_API_VERSION: &str = "opentelemetry.io/v1alpha1";
/// Kind.
pub const KIND: &str = "OpenTelemetryCollector";
/// Plural, as in URLs.
pub const PLURAL: &str = "opentelemetrycollectors";
