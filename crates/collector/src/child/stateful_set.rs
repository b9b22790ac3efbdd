//! The StatefulSet (collector.md 11.4).

use api::collector::v1beta1::Mode;
use serde_json::Value;

use crate::{build::Built, context::Context, name, object::passed_on, workload};

/// All pods start at once unless the user wants them one after the other.
const DEFAULT_POD_MANAGEMENT: &str = "Parallel";

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if context.spec().mode != Mode::StatefulSet {
        return;
    }
    let wished = context.spec();
    let mut spec = workload::spec(context, built);
    spec.option("replicas", workload::replicas(context));
    spec.set(
        "serviceName",
        match wished.service_name.as_str() {
            "" => name::headless_service(context.name()),
            given => given.to_owned(),
        },
    );
    spec.set(
        "podManagementPolicy",
        match wished.pod_management_policy.as_str() {
            "" => DEFAULT_POD_MANAGEMENT,
            given => given,
        },
    );
    spec.all("volumeClaimTemplates", wished.volume_claim_templates.iter().map(claim).collect::<Vec<_>>());
    spec.option(
        "persistentVolumeClaimRetentionPolicy",
        wished.persistent_volume_claim_retention_policy.as_ref().map(passed_on),
    );
    built.push(workload::child(context, "StatefulSet", spec));
}

/// A claim as the user gave it; what only a claim that exists has (`status`) is not ours to say.
fn claim(template: &Value) -> Value {
    let mut claim = passed_on(template);
    if let Some(fields) = claim.as_object_mut() {
        fields.remove("status");
    }
    claim
}
