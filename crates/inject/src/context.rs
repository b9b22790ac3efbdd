//! What every step of injecting one language can look at.

use api::{Instrumentation, Language, Settings, instrumentation::InstrumentationSpec};

use serde_json::Value;

use crate::{facts::Facts, pod::Pod};

/// One language's injection into one pod.
pub(crate) struct Context<'a> {
    /// The pod as it came.
    pub pod: &'a Pod<'a>,
    /// The pod's namespace, as the API server says it.
    pub namespace: &'a str,
    /// Facts about the cluster.
    pub facts: &'a Facts,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The chosen Instrumentation.
    pub instrumentation: &'a Instrumentation,
    /// The language.
    pub language: Language,
    /// Resources of the containers that came into the pod with the sidecar.
    pub beside: &'a [Value],
    /// Whether another language of this pod that cannot speak gRPC may share a container with this one.
    pub shares_with_http_only: bool,
}

impl Context<'_> {
    /// The Instrumentation's spec.
    pub(crate) fn spec(&self) -> &InstrumentationSpec {
        &self.instrumentation.spec
    }

    /// The effective value of an annotation of the pod or its Namespace.
    pub(crate) fn annotation(&self, key: &str) -> &str {
        crate::request::effective(&self.pod.metadata, &self.facts.namespace, key).0
    }
}
