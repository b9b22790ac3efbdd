//! LimitRanges of the namespace: the API server refuses a pod with a container outside of them, so agents' containers are fitted in
//! (<https://kubernetes.io/docs/concepts/policy/limit-range/>).

use std::collections::BTreeMap;

use api::{instrumentation::ResourceRequirements, quantity};
use serde::Deserialize;
use serde_json::Value;

/// `LimitRange`, as far as containers and pods are concerned.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LimitRange {
    /// What it says.
    pub spec: LimitRangeSpec,
}

/// `LimitRange.spec`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LimitRangeSpec {
    /// One entry for each kind of thing that is limited.
    pub limits: Vec<Limits>,
}

/// One entry of `LimitRange.spec.limits`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// `Container`, `Pod` or `PersistentVolumeClaim`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Largest limit, by resource.
    pub max: BTreeMap<String, Value>,
    /// Smallest request, by resource.
    pub min: BTreeMap<String, Value>,
}

/// Fits resources into the ranges: what exceeds a maximum is lowered to it, what is below a container's minimum is raised to it. An
/// init container also counts for the pod as a whole, so a pod's maximum bounds it.
pub(crate) fn fit(resources: &mut ResourceRequirements, ranges: &[LimitRange]) {
    let limits = || ranges.iter().flat_map(|r| &r.spec.limits);
    for list in [&mut resources.limits, &mut resources.requests] {
        for (resource, amount) in list.iter_mut().flatten() {
            for min in limits().filter(|l| l.kind == "Container").filter_map(|l| l.min.get(resource)) {
                replace_when(amount, min, |amount, min| amount < min);
            }
            for max in limits()
                .filter(|l| matches!(l.kind.as_str(), "Container" | "Pod"))
                .filter_map(|l| l.max.get(resource))
            {
                replace_when(amount, max, |amount, max| amount > max);
            }
        }
    }
}

/// Replaces an amount by a bound when the comparison says so; both must be quantities.
pub(crate) fn replace_when(amount: &mut Value, bound: &Value, when: impl FnOnce(i128, i128) -> bool) {
    if let (Some(wanted), Some(limit)) = (quantity::nanos(amount), quantity::nanos(bound))
        && when(wanted, limit)
    {
        *amount = bound.clone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn amounts_are_fitted_between_minimum_and_maximum() {
        let range: LimitRange = from_value(json!({"spec": {"limits": [
            {"type": "Container", "max": {"memory": "128Mi"}, "min": {"cpu": "100m"}},
            {"type": "Pod", "max": {"cpu": "200m"}},
            {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
        ]}}))
        .unwrap();
        let mut resources: ResourceRequirements =
            from_value(json!({"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}})).unwrap();
        fit(&mut resources, &[range]);
        assert_eq!(
            serde_json::to_value(resources).unwrap(),
            json!({"limits": {"cpu": "200m", "memory": "128Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}})
        );
    }
}
