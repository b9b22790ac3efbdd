//! Workloads that the Go operator left behind.
//!
//! **A takeover restarts nothing.** Where we make pods differently from the Go operator, a workload that it left keeps its pods
//! until what we wish changes: the workload is applied without `spec.template`, and an annotation of it (not of its pods) carries
//! a fingerprint of the template that we would have applied. When the fingerprint differs (the collector, its image or a setting of
//! the operator changed) the whole workload is applied, the pods roll once, and the annotation goes.
//!
//! The selector of a workload never changes, whatever the rules for names say today.

use api::collector::v1beta1::OpenTelemetryCollector;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{child::Child, container, label::Labels};

/// Annotation of a workload whose pods are still as the Go operator made them.
pub const KEPT_PODS: &str = "operator.opentelemetry.io/kept-pod-template";

/// The field manager under which the Go operator writes.
const REFERENCE_MANAGER: &str = "manager";

/// The workload that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExistingWorkload {
    /// `spec.selector.matchLabels`.
    pub selector: Labels,
    /// The value of [`KEPT_PODS`].
    pub kept_pods: Option<String>,
    /// Only the Go operator has written it.
    pub made_by_reference: bool,
    /// Image of the collector's container.
    pub image: String,
}

impl ExistingWorkload {
    /// Reads a Deployment, DaemonSet or StatefulSet as the API server returns it.
    ///
    /// `our_manager` is the field manager of our server-side apply: what it has written is not the reference's any more.
    pub fn read(object: &Value, our_manager: &str) -> Self {
        let written = |manager: &str, operation: &str| {
            object["metadata"]["managedFields"].as_array().is_some_and(|entries| {
                entries.iter().any(|entry| entry["manager"] == manager && entry["operation"] == operation)
            })
        };
        let strings = |value: &Value| {
            let entries = value.as_object().into_iter().flatten();
            entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        let containers = object["spec"]["template"]["spec"]["containers"].as_array();
        let collector = containers.into_iter().flatten().find(|c| c["name"] == container::NAME);
        ExistingWorkload {
            selector: strings(&object["spec"]["selector"]["matchLabels"]),
            kept_pods: object["metadata"]["annotations"][KEPT_PODS].as_str().map(str::to_owned),
            made_by_reference: written(REFERENCE_MANAGER, "Update") && !written(our_manager, "Apply"),
            image: collector.and_then(|c| c["image"].as_str()).unwrap_or_default().to_owned(),
        }
    }
}

/// What becomes of the pods when the workload is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pods {
    /// The workload carries the template that we wish.
    #[default]
    Wished,
    /// The workload carries no template: its pods stay as the Go operator made them.
    Kept,
    /// The workload is the Go operator's and carries the template that we wish. Ask the API server by a dry run whether that changes
    /// `spec.template`; if so, apply [`Child::with_pods_kept`] instead.
    KeptIfDifferent,
}

impl Pods {
    /// Decides by what is there and the `workload` that we wish.
    pub(crate) fn decide(
        collector: &OpenTelemetryCollector,
        workload: &Child,
        existing: Option<&ExistingWorkload>,
    ) -> Self {
        let Some(existing) = existing else { return Pods::Wished };
        if let Some(kept) = &existing.kept_pods {
            return if *kept == fingerprint(workload) { Pods::Kept } else { Pods::Wished };
        }
        // A spec that the Go operator has not seen is a change since.
        let seen = collector.status.observed_generation == Some(collector.metadata.generation);
        let containers = &workload.object["spec"]["template"]["spec"]["containers"];
        if existing.made_by_reference && seen && containers[0]["image"] == existing.image {
            Pods::KeptIfDifferent
        } else {
            Pods::Wished
        }
    }
}

impl Child {
    /// This workload without its template, and with the sign that says which one it did not get.
    #[must_use]
    pub fn with_pods_kept(&self) -> Child {
        let mut kept = self.clone();
        let fingerprint = fingerprint(self);
        if let Some(spec) = kept.object["spec"].as_object_mut() {
            spec.remove("template");
        }
        kept.object["metadata"]["annotations"][KEPT_PODS] = json!(fingerprint);
        kept
    }
}

/// 16 hex digits that differ when the wished template differs.
fn fingerprint(workload: &Child) -> String {
    let mut template = workload.object["spec"]["template"].clone();
    template.sort_all_objects();
    hex(&Sha256::digest(template.to_string()), 8)
}

/// The first `bytes` of a digest in hexadecimal.
pub(crate) fn hex(digest: &[u8], bytes: usize) -> String {
    digest.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_known_by_its_field_manager() {
        let reference = json!({
            "metadata": {"managedFields": [
                {"manager": "manager", "operation": "Update"},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
            ]},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"spec": {"containers": [{"name": "otc-container", "image": "img:1"}]}},
            },
        });
        let existing = ExistingWorkload::read(&reference, "otel-operator");
        assert!(existing.made_by_reference);
        assert_eq!((existing.selector["a"].as_str(), existing.image.as_str()), ("b", "img:1"));

        let mut taken_over = reference;
        taken_over["metadata"]["managedFields"][1] =
            json!({"manager": "otel-operator", "operation": "Apply"});
        taken_over["metadata"]["annotations"] = json!({KEPT_PODS: "12345678"});
        let existing = ExistingWorkload::read(&taken_over, "otel-operator");
        assert!(!existing.made_by_reference);
        assert_eq!(existing.kept_pods.as_deref(), Some("12345678"));
    }
}
