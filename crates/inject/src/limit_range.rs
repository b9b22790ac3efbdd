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
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// `Container`, `Pod` or `PersistentVolumeClaim`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Largest limit, by resource.
    pub max: BTreeMap<String, Value>,
    /// Smallest request, by resource.
    pub min: BTreeMap<String, Value>,
    /// Limit of a container that has none, by resource.
    pub default: BTreeMap<String, Value>,
    /// Request of a container that has none, by resource.
    pub default_request: BTreeMap<String, Value>,
    /// How many times its request a limit may be, by resource.
    pub max_limit_request_ratio: BTreeMap<String, Value>,
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

/// Makes requests agree with the limits that count: not above the limit that a range gives to a container without one, and not further
/// below the limit than a range's ratio allows; then the request becomes the limit.
pub(crate) fn fit_requests(resources: &mut ResourceRequirements, ranges: &[LimitRange]) {
    let limits = || ranges.iter().flat_map(|r| &r.spec.limits);
    let containers = || limits().filter(|l| l.kind == "Container");
    let given = |list: &Option<BTreeMap<String, Value>>, resource: &str| {
        list.as_ref().and_then(|l| l.get(resource)).cloned()
    };
    for (resource, default) in containers().flat_map(|l| &l.default) {
        if let (None, Some(request)) = (
            given(&resources.limits, resource),
            resources.requests.as_mut().and_then(|r| r.get_mut(resource)),
        ) {
            replace_when(request, default, |request, default| request > default);
        }
    }
    for (resource, ratio) in limits().flat_map(|l| &l.max_limit_request_ratio) {
        let default = || containers().find_map(|l| l.default.get(resource)).cloned();
        let limit = given(&resources.limits, resource).or_else(default);
        let default = || containers().find_map(|l| l.default_request.get(resource)).cloned();
        // A limit without a request is the request, unless it is a range that gave the limit.
        let own = given(&resources.requests, resource);
        let request = own.or_else(|| given(&resources.limits, resource)).or_else(default);
        let (Some(limit), Some(request)) = (limit, request) else { continue };
        let nanos = |value: &Value| quantity::nanos(value);
        let (Some(most), Some(least), Some(ratio)) = (nanos(&limit), nanos(&request), nanos(ratio)) else {
            continue;
        };
        if most.saturating_mul(1_000_000_000) > least.saturating_mul(ratio) {
            resources.requests.get_or_insert_default().insert(resource.clone(), limit);
        }
    }
}

/// The smallest request of a container that the ranges allow.
pub(crate) fn least(ranges: &[LimitRange], resource: &str) -> Value {
    let limits = ranges.iter().flat_map(|r| &r.spec.limits).filter(|l| l.kind == "Container");
    let mins = limits.filter_map(|l| l.min.get(resource));
    mins.max_by_key(|min| quantity::nanos(min)).cloned().unwrap_or_else(|| Value::from("0"))
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
    fn a_request_is_not_further_from_the_limit_than_the_ratio() {
        let range: LimitRange = from_value(json!({"spec": {"limits": [
            {"type": "Container", "maxLimitRequestRatio": {"cpu": 4, "memory": 4}, "default": {"memory": "64Mi"}},
        ]}}))
        .unwrap();
        let mut resources: ResourceRequirements =
            from_value(json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "50m", "memory": "128Mi"}}))
                .unwrap();
        fit_requests(&mut resources, &[range]);
        assert_eq!(
            serde_json::to_value(resources).unwrap(),
            json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "500m", "memory": "64Mi"}})
        );
    }

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
