//! What should happen to this pod? The pure engine of auto-instrumentation.
//!
//! The way of a pod:
//!
//! 1. [`Request::read`]: annotations of pod and Namespace → what is asked for. `None`: nothing, leave the pod alone.
//! 2. [`needs`]: which objects of the cluster must be looked up before a decision is possible.
//! 3. [`plan`]: pod, request and [`Facts`] → [`Decision`]: one [`Verdict`] for each requested language and
//!    container, and the JSON patch.
//!
//! The webhook, `otel-operator inject`, `diff` and `explain` all walk this way; they differ only in where the
//! facts come from.
//!
//! What became of all pods is counted by [`summary`], from the annotations that [`plan`] wrote.
//!
//! **Invariant:** no client, no async, no clock. The same input gives the same output.

pub mod explanation;
pub mod facts;
pub mod limit_range;
pub mod plan;
pub mod pod;
pub mod prefilter;
pub mod request;
pub mod sidecar;
pub mod startup;
pub mod summary;
pub mod uninject;
pub mod verdict;
pub mod verdict_annotation;

mod already;
mod check;
mod claim;
mod context;
mod draft;
mod env;
mod exporter;
mod image;
mod init_container;

mod language;
mod owner;
mod patch;
mod pod_security;
mod resource;
mod sdk_environment;
mod syntax;
mod targets;
mod total;
mod volume;

pub use image::is_reference as is_image_reference;

pub use facts::{Candidates, Existence, Facts, Namespace, Needs, OwnerLookup, needs};
pub use plan::{Decision, plan};
pub use pod::{Metadata, OwnerReference, Pod};
pub use request::{Asked, LanguageRequest, Request, SidecarRequest};
pub use uninject::{Uninjected, uninject};
pub use verdict::{About, Decline, Reason, Source, Verdict};
