//! What the operator was told about injection by flags, environment and configuration file, as pure data.

use std::sync::Arc;

use crate::{Instrumentation, Language, language::PerLanguage};

/// Settings that a decision about a pod depends on.
///
/// The running process fills it from flags, environment and file (`operator::settings`) and publishes it in
/// a ConfigMap, from which the command line reads it: same settings, same answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `--enable-multi-instrumentation`: several languages per pod, with a consistency check (spec 4.3).
    pub multi_instrumentation: bool,
    /// `--enable-<language>-instrumentation`.
    pub enabled: PerLanguage<bool>,
    /// `--auto-instrumentation-<language>-image`: written into Instrumentations that name none.
    pub images: PerLanguage<String>,
    /// `--otlp-protocol-by-port`: `OTEL_EXPORTER_OTLP_PROTOCOL=grpc` where the endpoint's port is 4317 and nobody
    /// said a protocol.
    pub otlp_protocol_by_port: bool,
    /// `--verdict-annotation`: whether pods carry [`crate::annotation::VERDICT`].
    pub verdict_annotation: bool,
    /// The one Instrumentation of the configuration file, used for the value `true` when Instrumentation CRDs are
    /// switched off (`enable-instrumentation-crds: false`, spec 12.3).
    pub static_instrumentation: Option<Arc<Instrumentation>>,
    /// `enable-instrumentation-crds`.
    pub instrumentation_crds: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            multi_instrumentation: true,
            enabled: PerLanguage::from_fn(|l| l.info().enabled_by_default),
            images: PerLanguage::from_fn(|l| l.info().default_image.to_owned()),
            otlp_protocol_by_port: true,
            verdict_annotation: true,
            static_instrumentation: None,
            instrumentation_crds: true,
        }
    }
}

impl Settings {
    /// The defaults, with every language switched on.
    pub fn with_every_language() -> Self {
        Settings { enabled: PerLanguage::from_fn(|_: Language| true), ..Settings::default() }
    }
}
