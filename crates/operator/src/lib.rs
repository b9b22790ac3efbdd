//! The running process: the shell around the pure engines.
//!
//! It gathers facts, asks an engine, and acts. **Invariant:** nothing here decides what a user's wish means; an `if`
//! about that belongs into `inject` or `api`.
//!
//! * [`settings`]: flags, environment, configuration file.
//! * [`webhook`]: the TLS server and its endpoints.
//! * [`store`]: what is known of the cluster.
//! * [`certificate`]: the own authority, or mounted files.
//! * [`leader`]: of several replicas one writes.
//! * [`manifest`]: every object of an installation.
//! * [`telemetry`]: traces of what the process does.
//! * [`instrumentation_status`], [`event`]: what users are told of decisions, beside the answers themselves.
//! * [`run`]: all of it together.

pub mod admin;
pub mod certificate;
pub mod cluster;
pub mod controller;
pub mod event;
pub mod health;
pub mod instrumentation_status;
pub mod leader;
pub mod log;
pub mod manifest;
pub mod metrics;
pub mod run;
pub mod service_monitor;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod upgrade;
pub mod webhook;
