//! The custom resources and the settings of the operator, as data and pure functions.
//!
//! **Invariant:** nothing here knows a Kubernetes client, an async runtime or the clock.
//! Custom resources arrive as raw JSON and leave as raw JSON with only what changed, so that fields
//! of a newer version survive (rule 6 of ARCHITECTURE.md).

pub mod annotation;
pub mod collector;
pub mod instrumentation;
pub mod language;
pub mod quantity;
pub mod settings;

pub use instrumentation::Instrumentation;
pub use language::Language;
pub use settings::Settings;

/// The CustomResourceDefinitions of all kinds, as they are installed.
pub fn crds() -> Vec<serde_json::Value> {
    vec![instrumentation::crd::crd(), collector::crd::crd()]
}
