//! Objects that the Go operator made become ours.
//!
//! It writes by updates, so the API server keeps it as the owner of every field, and our apply could never remove one. Its entry
//! in `metadata.managedFields` becomes ours; nothing else of the object changes, so nothing restarts.

use json_patch::{AddOperation, PatchOperation, ReplaceOperation, TestOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

/// The field manager under which the Go operator writes: the base name of its binary.
pub(super) const REFERENCE: &str = "manager";

/// The patch that makes its fields ours; none when it owns nothing. Without `with_template`, the pod template stays its own: what is
/// then applied has none, and the pods stay as they are.
pub(super) fn ownership(live: &Value, manager: &str, with_template: bool) -> Option<json_patch::Patch> {
    let entries = live["metadata"]["managedFields"].as_array()?;
    let theirs = |entry: &Value| {
        entry["manager"] == REFERENCE
            && entry["operation"] == "Update"
            && entry.get("subresource").is_none_or(|s| s == "")
    };
    let theirs_at = entries.iter().position(theirs)?;
    let mut fields = entries[theirs_at]["fieldsV1"].clone();
    let mut left = json!({});
    if !with_template
        && let Some(template) =
            fields.pointer_mut("/f:spec").and_then(Value::as_object_mut).and_then(|s| s.remove("f:template"))
    {
        left = json!({"f:spec": {"f:template": template}});
    }
    if fields.as_object().is_none_or(|f| f.is_empty() || is_empty_spec(f)) {
        return None; // all that is left of it is the template that is to stay
    }
    let mut result = entries.clone();
    let mut ours = result[theirs_at].clone();
    ours["manager"] = json!(manager);
    ours["operation"] = json!("Apply");
    let is_ours = |e: &Value| {
        e["manager"] == manager && e["operation"] == "Apply" && e["apiVersion"] == ours["apiVersion"]
    };
    match result.iter().position(is_ours) {
        Some(at) => merge(&mut result[at]["fieldsV1"], &fields),
        None => {
            ours["fieldsV1"] = fields;
            result.push(ours);
        }
    }
    if left == json!({}) {
        result.remove(theirs_at);
    } else {
        result[theirs_at]["fieldsV1"] = left;
    }
    Some(json_patch::Patch(vec![
        PatchOperation::Test(TestOperation {
            path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
            value: live["metadata"]["resourceVersion"].clone(),
        }),
        PatchOperation::Add(AddOperation {
            path: PointerBuf::from_tokens(["metadata", "managedFields"]),
            value: Value::Array(result),
        }),
    ]))
}

/// The patch that gives the workload the wished pod template, as it would be once all of it is ours. Annotations of the pods that
/// somebody else wrote (`kubectl rollout restart`) stay.
pub(super) fn template(live: &Value, wished: &Value) -> json_patch::Patch {
    let mut template = wished["spec"]["template"].clone();
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    let theirs: Vec<&Value> = entries
        .filter(|entry| entry["manager"] == REFERENCE)
        .map(|entry| &entry["fieldsV1"]["f:spec"]["f:template"]["f:metadata"]["f:annotations"])
        .collect();
    let annotations = live["spec"]["template"]["metadata"]["annotations"].as_object().into_iter().flatten();
    for (key, value) in annotations {
        let is_theirs = theirs.iter().any(|owned| !owned[format!("f:{key}")].is_null());
        if !is_theirs && template["metadata"]["annotations"][key].is_null() {
            template["metadata"]["annotations"][key] = value.clone();
        }
    }
    json_patch::Patch(vec![
        PatchOperation::Test(TestOperation {
            path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
            value: live["metadata"]["resourceVersion"].clone(),
        }),
        PatchOperation::Replace(ReplaceOperation {
            path: PointerBuf::from_tokens(["spec", "template"]),
            value: template,
        }),
    ])
}

fn is_empty_spec(fields: &serde_json::Map<String, Value>) -> bool {
    fields.len() == 1
        && fields.get("f:spec").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
}

/// Adds one set of fields to another.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert_with(|| json!({})), value);
            }
        }
        (into, from) => into.clone_from(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Value {
        json!({"metadata": {"resourceVersion": "7", "managedFields": [
            {"manager": "manager", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:metadata": {"f:labels": {}}, "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {}}}}},
            {"manager": "manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
        ]}})
    }

    fn apply(mut live: Value, with_template: bool) -> Value {
        let patch = ownership(&live, "ours", with_template).unwrap();
        json_patch::patch(&mut live, &patch).unwrap();
        live
    }

    #[test]
    fn the_entry_becomes_ours() {
        let after = apply(live(), true);
        let entries = after["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!((&entries[1]["manager"], &entries[1]["operation"]), (&json!("ours"), &json!("Apply")));
        assert!(entries[1]["fieldsV1"]["f:spec"]["f:template"].is_object());
        assert_eq!(ownership(&after, "ours", true), None);
    }

    #[test]
    fn annotations_of_pods_that_somebody_else_wrote_stay() {
        let mut live = live();
        live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"] =
            json!({"f:metadata": {"f:annotations": {"f:theirs": {}}}});
        live["spec"] = json!({"template": {"metadata": {"annotations": {"theirs": "1", "restartedAt": "now", "ours": "old"}}}});
        let wished =
            json!({"spec": {"template": {"metadata": {"annotations": {"ours": "new"}}, "spec": {}}}});
        let patch = template(&live, &wished);
        json_patch::patch(&mut live, &patch).unwrap();
        let annotations = &live["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(*annotations, json!({"ours": "new", "restartedAt": "now"}));
    }

    #[test]
    fn the_template_can_stay_and_come_later() {
        let kept = apply(live(), false);
        assert_eq!(ownership(&kept, "ours", false), None);
        let entries = kept["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {"f:template": {"f:spec": {}}}}));
        let after = apply(kept.clone(), true);
        let entries = after["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1]["fieldsV1"]["f:spec"], json!({"f:replicas": {}, "f:template": {"f:spec": {}}}));
    }
}
