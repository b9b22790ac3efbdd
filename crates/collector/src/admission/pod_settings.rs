//! Settings that the API server would refuse in the children, where nobody looks.

use serde_json::Value;

use super::read::field;

/// What is wrong with probes and the disruption budget.
pub(super) fn check(raw: &Value) -> Option<String> {
    if field(raw, &["spec", "readinessProbe", "terminationGracePeriodSeconds"]).is_some() {
        return Some(
            "spec.readinessProbe.terminationGracePeriodSeconds must not be set, Kubernetes knows it for liveness and startup probes \
             only; remove it"
                .to_owned(),
        );
    }
    let budget = |key: &str| field(raw, &["spec", "podDisruptionBudget", key]).is_some();
    (budget("minAvailable") && budget("maxUnavailable")).then(|| {
        "spec.podDisruptionBudget has both minAvailable and maxUnavailable, Kubernetes takes one of them; remove one".to_owned()
    })
}
