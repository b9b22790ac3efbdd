//! Whether an object in the cluster is what server-side apply would make of it, so that nothing is written when nothing changes.

use api::quantity;
use serde_json::Value;

/// Whether everything that is wished of an object is there. Objects that come in a list tell neither `apiVersion` nor `kind`.
pub fn holds(live: &Value, wished: &Value) -> bool {
    let fields = wished.as_object().into_iter().flatten();
    let mut fields = fields.filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind"));
    fields.all(|(key, wish)| match live.get(key) {
        Some(live) => contains(live, wish),
        None => is_nothing(wish),
    })
}

/// Whether everything that is wished is there. What the API server adds (defaults, fields of others) does not matter.
pub fn contains(live: &Value, wished: &Value) -> bool {
    match (live, wished) {
        (Value::Object(live), Value::Object(wished)) => {
            wished.iter().all(|(key, wish)| match live.get(key) {
                Some(live) => contains(live, wish),
                None => is_nothing(wish),
            })
        }
        (Value::Array(live), Value::Array(wished)) => {
            live.len() == wished.len() && live.iter().zip(wished).all(|(live, wish)| contains(live, wish))
        }
        (Value::Number(live), Value::Number(wished)) => live.as_f64() == wished.as_f64(),
        (live, wished) if live == wished => true,
        // The API server writes quantities in its own way: 0.5 becomes 500m.
        (live, wished) => match (quantity::nanos(live), quantity::nanos(wished)) {
            (Some(live), Some(wished)) => live == wished,
            _ => false,
        },
    }
}

/// Values that the API server leaves out.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_nothing),
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

/// Whether a field manager owns something that is there and no longer wished: an apply would take it away.
/// `fields` is the manager's `fieldsV1`,
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>.
pub fn owns_more(fields: &Value, live: &Value, wished: &Value) -> bool {
    let Some(fields) = fields.as_object() else { return false };
    fields.iter().any(|(key, below)| {
        if let Some(name) = key.strip_prefix("f:") {
            match (live.get(name), wished.get(name)) {
                (None, _) => false,
                (Some(live), Some(wish)) => owns_more(below, live, wish),
                (Some(_), None) => true,
            }
        } else if let Some(keys) = key.strip_prefix("k:") {
            let Ok(keys) = serde_json::from_str::<Value>(keys) else { return true };
            match (item(live, &keys), item(wished, &keys)) {
                (None, _) => false,
                (Some(live), Some(wish)) => owns_more(below, live, wish),
                (Some(_), None) => true,
            }
        } else if let Some(value) = key.strip_prefix("v:") {
            let Ok(value) = serde_json::from_str::<Value>(value) else { return true };
            let has = |list: &Value| list.as_array().is_some_and(|list| list.contains(&value));
            has(live) && !has(wished)
        } else {
            false // "." stands for the item itself, which its own key has brought here
        }
    })
}

/// The item of a list with these key fields; one that leaves a key to its default (`protocol: TCP`) counts.
fn item<'a>(list: &'a Value, keys: &Value) -> Option<&'a Value> {
    let keys = keys.as_object()?;
    list.as_array()?
        .iter()
        .find(|item| keys.iter().all(|(key, value)| item.get(key).is_none_or(|of| of == value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_of_a_list_is_the_same_without_its_kind() {
        let wished =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}});
        assert!(holds(&json!({"metadata": {"name": "c", "uid": "1"}, "data": {"a": "b"}}), &wished));
        assert!(!holds(&json!({"metadata": {"name": "c", "uid": "1"}, "data": {"a": "x"}}), &wished));
        assert!(!holds(&json!({"metadata": {"name": "c"}}), &wished));
    }

    #[test]
    fn defaults_and_other_spellings_of_quantities_do_not_matter() {
        let live = json!({"spec": {"replicas": 1, "dnsPolicy": "ClusterFirst", "cpu": "500m", "ports": [{"port": 1, "protocol": "TCP"}]}});
        assert!(contains(
            &live,
            &json!({"spec": {"replicas": 1, "cpu": "0.5", "ports": [{"port": 1}], "labels": {}}})
        ));
        assert!(!contains(&live, &json!({"spec": {"replicas": 2}})));
        assert!(!contains(&live, &json!({"spec": {"ports": []}})));
        assert!(!contains(&live, &json!({"spec": {"hostNetwork": true}})));
    }

    #[test]
    fn what_is_owned_and_not_wished_is_noticed() {
        let fields = json!({"f:spec": {"f:a": {}, "f:ports": {"k:{\"port\":1,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}}}});
        let live = json!({"spec": {"a": 1, "ports": [{"port": 1, "protocol": "TCP", "name": "x"}]}});
        assert!(!owns_more(&fields, &live, &json!({"spec": {"a": 2, "ports": [{"port": 1, "name": "x"}]}})));
        assert!(owns_more(&fields, &live, &json!({"spec": {"ports": [{"port": 1, "name": "x"}]}})));
        assert!(owns_more(&fields, &live, &json!({"spec": {"a": 1, "ports": [{"port": 1}]}})));
        assert!(owns_more(&fields, &live, &json!({"spec": {"a": 1, "ports": [{"port": 2, "name": "x"}]}})));
    }
}
