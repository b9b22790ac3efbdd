//! Checks of a configuration that neither the API server nor the Go operator makes, with a code, a position, a sentence
//! and a fix. Pure, linear in the size of the configuration.

mod code;
mod connectors;
mod distribution;
mod document;
mod exporters;
mod lint;
mod pipelines;
mod ports;
mod references;
mod removed;
pub mod render;
mod structure;

use std::fmt;

pub use code::{Code, Severity};
pub use lint::{Lint, lint_text, lint_text_for};

use crate::{
    component::Kind,
    config::{Config, Path, Position},
};

pub(crate) use document::context;
pub(crate) use references::undefined_components;

/// One thing that is likely to be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub code: Code,
    /// How bad it is here.
    pub severity: Severity,
    /// The object, as `kind namespace/name`; empty for a bare configuration.
    pub object: String,
    /// The field, from the top of the document.
    pub path: Path,
    /// Line and column, where the source is a text.
    pub position: Option<Position>,
    /// What is wrong, naming component and value. No full stop.
    pub sentence: String,
    /// What to do. No full stop.
    pub fix: String,
    /// The component that is not defined, for `undefined-component`.
    pub(crate) component: Option<(Kind, String)>,
}

impl Finding {
    fn new(code: Code, path: Path, sentence: impl Into<String>, fix: impl Into<String>) -> Self {
        Finding {
            code,
            severity: code.severity(),
            object: String::new(),
            path,
            position: None,
            sentence: sentence.into(),
            fix: fix.into(),
            component: None,
        }
    }

    /// The finding with its path below another one.
    pub(crate) fn below(mut self, parent: &Path) -> Self {
        self.path = self.path.below(parent);
        self
    }

    fn milder(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

/// `spec.config.service.pipelines.traces.receivers[0]: … is not defined; define it … (undefined-component)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {} ({})", self.path, self.sentence, self.fix, self.code.code())
    }
}

/// What surrounds a configuration.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// The collector's image, the operator's default where the object names none; none for a bare configuration.
    pub image: Option<&'a str>,
    /// The object that holds the configuration.
    pub object: Option<Object<'a>>,
}

/// The part of an OpenTelemetryCollector that checks of its configuration depend on.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.namespace`, empty if not given.
    pub namespace: &'a str,
    /// Whether other pods send to this collector through its Service: not a sidecar, no other containers in the pod.
    pub has_service: bool,
}

/// Everything that is likely to be wrong with a configuration, in the order of the document's fields.
/// Paths are from the top of the configuration.
pub fn check(config: &Config<'_>, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    structure::check(config, &mut findings);
    references::check(config, &mut findings);
    pipelines::check(config, &mut findings);
    connectors::check(config, &mut findings);
    ports::check(config, context, &mut findings);
    exporters::check(config, context, &mut findings);
    distribution::check(config, context, &mut findings);
    removed::check(config, context, &mut findings);
    findings
}
