//! Label selectors, as the API server applies them.

use std::collections::BTreeMap;

use serde_json::Value;

/// The labels of an object.
pub(super) fn labels(object: &Value) -> BTreeMap<&str, &str> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

/// Whether a selector takes an object with these labels. No selector takes everything.
pub(super) fn matches(selector: Option<&Value>, labels: &BTreeMap<&str, &str>) -> bool {
    let Some(selector) = selector else { return true };
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let all =
        wanted.into_iter().flatten().all(|(key, value)| labels.get(key.as_str()).copied() == value.as_str());
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    all && expressions.into_iter().flatten().all(|expression| {
        let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
        let here = labels.get(key);
        let values = expression.get("values").and_then(Value::as_array);
        let among = || values.into_iter().flatten().any(|value| value.as_str() == here.copied());
        match expression.get("operator").and_then(Value::as_str) {
            Some("In") => here.is_some() && among(),
            Some("NotIn") => here.is_none() || !among(),
            Some("Exists") => here.is_some(),
            Some("DoesNotExist") => here.is_none(),
            // The API server knows no others.
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_are_those_of_kubernetes() {
        let labels = BTreeMap::from([("a", "1"), ("b", "2")]);
        let takes = |selector: Value| matches(Some(&selector), &labels);
        assert!(matches(None, &labels) && takes(json!({})));
        assert!(takes(json!({"matchLabels": {"a": "1"}})) && !takes(json!({"matchLabels": {"a": "2"}})));
        let expression = |key: &str, operator: &str, values: Value| {
            takes(json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}))
        };
        assert!(expression("a", "In", json!(["1", "3"])) && !expression("c", "In", json!(["1"])));
        assert!(expression("c", "NotIn", json!(["1"])) && !expression("a", "NotIn", json!(["1"])));
        assert!(expression("a", "Exists", json!([])) && !expression("a", "DoesNotExist", json!([])));
    }
}
