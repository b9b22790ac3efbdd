//! The collector configuration as a typed graph over the raw value.
//!
//! The raw value stays the truth: the graph only borrows from it, so unknown keys, exact numbers and environment
//! references are kept by whoever writes it. Everything in the graph knows its [`Path`]; a [`Source`] turns a path
//! into line and column.

pub mod endpoint;
pub mod environment;
mod graph;
mod path;
mod source;
pub mod telemetry;

pub use graph::{Config, Pipeline, Reference, Role, Signal, split_id};
pub use path::{Path, Step};
pub use source::{Position, Problem, Source, read_text};
