//! What should exist for this OpenTelemetryCollector? The pure engine of collectors.
//!
//! The way of a collector:
//!
//! 1. [`config::Config::read`]: the collector configuration as a graph of components and pipelines, from the raw `spec.config` of an
//!    object, or from text with [`config::Source`], which also knows line and column of everything.
//! 2. [`component`]: what is known about components: ports, probes, defaults, signals, distributions. Data where possible.
//! 3. [`rbac`]: what the collector's ServiceAccount must be allowed.
//!
//! **Invariant:** no client, no async, no clock. The same input gives the same output. Objects arrive as raw JSON and
//! leave as JSON patches, so that fields of a newer version survive.

pub mod admission;
pub mod build;
pub mod check;
pub mod child;
pub mod component;
pub mod config;
pub mod container;
pub mod label;
pub mod name;
pub mod rbac;
pub mod settings;
pub mod sidecar;
pub mod status;
pub mod takeover;
pub mod upgrade;

mod container_port;
mod context;
mod distinct;
mod env;
mod image;
mod object;
mod pod;
mod port;
mod ports;
mod probe;
mod volume;
mod workload;

pub use build::{BuildError, Built, Given, Warning, build};
pub use child::{Child, Scope};
pub use settings::{Available, Namespace, Settings};
pub use sidecar::sidecar;
pub use takeover::{ExistingWorkload, Pods};
