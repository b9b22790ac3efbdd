//! Which rules the pods of a workload follow.
//!
//! **Takeover restarts nothing.** Where we build pods differently from the Go operator, a workload that it left keeps the
//! pods it has until somebody changes the collector. The sign is an annotation of the workload (not of its pods) that
//! carries a fingerprint of the spec under which the pods were made; when the spec differs from it, today's rules hold
//! and the annotation goes. The number of replicas is no part of the fingerprint: an autoscaler writes it.

use api::collector::v1beta1::OpenTelemetryCollector;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::settings::ExistingWorkload;

/// Annotation of a workload whose pods are still as the Go operator made them.
pub const REFERENCE_TEMPLATE: &str = "operator.opentelemetry.io/reference-template";

/// Which rules the pods of a workload follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateRules {
    /// Today's.
    Current,
    /// Those of the Go operator v0.158, faults included, as long as the spec has this fingerprint.
    AsReference {
        /// Fingerprint of the spec, kept as [`REFERENCE_TEMPLATE`].
        fingerprint: String,
    },
}

impl TemplateRules {
    /// Decides by what is there. `raw_spec` is `spec` as it is stored, with the fields that we do not know.
    pub fn choose(
        collector: &OpenTelemetryCollector,
        raw_spec: &Value,
        existing: Option<&ExistingWorkload>,
    ) -> Self {
        let Some(existing) = existing else { return TemplateRules::Current };
        let kept = match &existing.taken_over {
            Some(fingerprint) => *fingerprint == spec_fingerprint(raw_spec),
            // The reference has seen this very spec: a change that it did not see is a change since.
            None => {
                existing.made_by_reference
                    && collector.status.observed_generation == Some(collector.metadata.generation)
            }
        };
        if kept {
            TemplateRules::AsReference { fingerprint: spec_fingerprint(raw_spec) }
        } else {
            TemplateRules::Current
        }
    }

    /// Whether the pods stay as the reference made them.
    pub fn as_reference(&self) -> bool {
        matches!(self, TemplateRules::AsReference { .. })
    }
}

/// 16 hex digits that differ when anything but `replicas` differs.
fn spec_fingerprint(raw_spec: &Value) -> String {
    let mut spec = raw_spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("replicas");
    }
    spec.sort_all_objects();
    hex(&Sha256::digest(spec.to_string()), 8)
}

/// The first `bytes` of a digest in hexadecimal.
pub(crate) fn hex(digest: &[u8], bytes: usize) -> String {
    digest.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}
