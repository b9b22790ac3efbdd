//! What depends on the mode.

use serde_json::Value;

use super::{
    defaulting::mode,
    read::{is_set, text},
};

/// The mode of a collector cannot change.
pub(super) fn changed(raw: &Value, old: &Value) -> Option<String> {
    let (old, new) = (mode(old), mode(raw));
    (old != new).then(|| {
        format!(
            "the OpenTelemetry Collector mode is set to {old}, which does not support modification; keep spec.mode {old}, \
             or delete the collector and create it with {new}"
        )
    })
}

/// Fields of a StatefulSet and fields that a sidecar takes from its pod.
pub(super) fn attributes(raw: &Value) -> Option<String> {
    let mode = mode(raw);
    let statefulset = [
        ("volumeClaimTemplates", "volumeClaimTemplates"),
        ("persistentVolumeClaimRetentionPolicy", "persistentVolumeClaimRetentionPolicy"),
    ];
    let not_in_sidecar = [
        ("tolerations", "tolerations"),
        ("priorityClassName", "priorityClassName"),
        ("affinity", "affinity"),
        ("additionalContainers", "AdditionalContainers"),
    ];
    let given = |fields: &[(&'static str, &'static str)]| {
        fields.iter().copied().find(|(field, _)| match *field {
            // Present is enough for these, as their types are structs.
            "persistentVolumeClaimRetentionPolicy" | "affinity" => {
                super::read::field(raw, &["spec", field]).is_some()
            }
            _ => is_set(raw, &["spec", field]),
        })
    };
    if mode != "statefulset"
        && let Some((field, said)) = given(&statefulset)
    {
        return Some(unsupported(mode, said, &format!("remove spec.{field}, or use spec.mode statefulset")));
    }
    if mode == "sidecar"
        && let Some((field, said)) = given(&not_in_sidecar)
    {
        return Some(unsupported(mode, said, &format!("remove spec.{field}, the pod itself decides that")));
    }
    None
}

/// Update strategies of another kind of workload.
pub(super) fn update_strategies(raw: &Value) -> Option<String> {
    let mode = mode(raw);
    let given = |field: &str| !text(raw, &["spec", field, "type"]).is_empty();
    for (of, field, said) in [
        ("daemonset", "daemonSetUpdateStrategy", "updateStrategy"),
        ("deployment", "deploymentUpdateStrategy", "deploymentUpdateStrategy"),
    ] {
        if mode != of && given(field) {
            return Some(unsupported(mode, said, &format!("remove spec.{field}, or use spec.mode {of}")));
        }
    }
    None
}

fn unsupported(mode: &str, attribute: &str, fix: &str) -> String {
    format!(
        "the OpenTelemetry Collector mode is set to {mode}, which does not support the attribute '{attribute}'; {fix}"
    )
}
