//! A workload's pod template, dressed as the pod that its controller would make of it.

use std::collections::BTreeMap;

use inject::{OwnerLookup, OwnerReference, Pod};
use serde_json::{Value, json};

use crate::object::Object;

/// A pod to be, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// Where the template stands in the workload, as a JSON pointer; empty for a Pod.
    pub template: &'static str,
    /// The pod, as the API server would send it to the webhook.
    pub pod: Value,
    /// What is known of the pod's owners without asking.
    pub owners: BTreeMap<(String, String), OwnerLookup>,
}

/// Where an object of this kind keeps its pod template; none when it has none.
fn template(object: &Object<'_>) -> Option<&'static str> {
    const SPEC_TEMPLATE: &str = "/spec/template";
    match (object.group(), object.kind) {
        ("", "Pod") => Some(""),
        ("", "PodTemplate") => Some("/template"),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        ("batch", "Job") | ("", "ReplicationController") => Some(SPEC_TEMPLATE),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => Some(SPEC_TEMPLATE),
        // Kinds of others, such as Argo's Rollout, are recognised by what a template must have.
        _ => object
            .value
            .pointer("/spec/template/spec/containers")
            .filter(|c| c.is_array())
            .map(|_| SPEC_TEMPLATE),
    }
}

/// The workload of an object; none when it makes no pods.
///
/// # Errors
///
/// When its template cannot be understood: the field and what is wrong with it.
pub(crate) fn read(object: &Object<'_>) -> Option<Result<Workload, String>> {
    let template = template(object)?;
    let Some(value) = object.value.pointer(template) else {
        return Some(Err(format!("{}: it is missing", field(template, ""))));
    };
    let mut pod = value.clone();
    if let Some(problem) = mistyped(value) {
        return Some(Err(format!("{}: {}", field(template, &problem.0), problem.1)));
    }
    let (direct, owners) = owners(object);
    if let (false, Some(map)) = (template.is_empty(), pod.as_object_mut()) {
        let metadata = map.entry("metadata").or_insert(Value::Null);
        if metadata.is_null() {
            *metadata = json!({});
        }
        metadata["ownerReferences"] = json!([direct]);
    }
    Some(Ok(Workload { template, pod, owners }))
}

/// The owner reference of the pods, and who owns that owner. A Deployment's ReplicaSet and a CronJob's Job have names that
/// nobody knows yet, so they have none here, and nothing is derived from it.
fn owners(object: &Object<'_>) -> (Value, BTreeMap<(String, String), OwnerLookup>) {
    let uid = object.value.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    let reference = |api_version: &str, kind: &str, name: &str, uid: &str| json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true});
    let own = reference(object.api_version, object.kind, object.name, uid);
    let found = |kind: &str, name: &str, references: Vec<OwnerReference>| {
        BTreeMap::from([((kind.to_owned(), name.to_owned()), OwnerLookup::Found(references))])
    };
    let own_owners = || {
        let list = object.value.pointer("/metadata/ownerReferences").cloned().unwrap_or_else(|| json!([]));
        serde_json::from_value(list).unwrap_or_default()
    };
    let by_this = || serde_json::from_value(own.clone()).map(|reference| vec![reference]).unwrap_or_default();
    match (object.group(), object.kind) {
        ("apps", "ReplicaSet") | ("batch", "Job") => {
            (own.clone(), found(object.kind, object.name, own_owners()))
        }
        ("apps", "StatefulSet" | "DaemonSet") | ("", "ReplicationController") => (own, BTreeMap::new()),
        ("batch", "CronJob") => (reference("batch/v1", "Job", "", ""), found("Job", "", by_this())),
        // A Deployment, or a kind of somebody else's: those that have a template of this shape work like one.
        _ => (reference("apps/v1", "ReplicaSet", "", ""), found("ReplicaSet", "", by_this())),
    }
}

/// A pointer and the rest of a path as a field's name, for example `spec.template.spec.containers[0].name`.
fn field(template: &str, rest: &str) -> String {
    let start = template.trim_start_matches('/').replace('/', ".");
    match (start.as_str(), rest) {
        ("", rest) => rest.to_owned(),
        (start, "") => start.to_owned(),
        (start, rest) => format!("{start}.{rest}"),
    }
}

/// The first field of a pod that has another type than it must have, and what is wrong.
fn mistyped(pod: &Value) -> Option<(String, String)> {
    if !pod.is_object() {
        return Some((String::new(), "it is no object".to_owned()));
    }
    let raw = serde_json::value::to_raw_value(pod).ok()?;
    let error = Pod::parse(&raw).err()?;
    for map in ["annotations", "labels"] {
        let members = pod.pointer(&format!("/metadata/{map}")).and_then(Value::as_object);
        if let Some((key, value)) = members.into_iter().flatten().find(|(_, v)| !v.is_string()) {
            return Some((format!("metadata.{map}[{key:?}]"), is_not(value, "a text")));
        }
    }
    let parts = narrow::<inject::Metadata>(pod.get("metadata"), "metadata")
        .or_else(|| narrow::<inject::pod::Spec>(pod.get("spec"), "spec"));
    Some(parts.unwrap_or_else(|| (String::new(), error.to_string())))
}

/// The field by which a value does not fit the type, found by trying each field alone.
fn narrow<T: serde::de::DeserializeOwned>(value: Option<&Value>, path: &str) -> Option<(String, String)> {
    let value = value.filter(|v| !v.is_null())?;
    let whole = serde_json::from_value::<T>(value.clone()).err()?;
    for (key, member) in value.as_object().into_iter().flatten() {
        let Err(error) = serde_json::from_value::<T>(json!({ key: member })) else { continue };
        let path = format!("{path}.{key}");
        let inner = member.as_array().into_iter().flatten().enumerate().find_map(|(i, item)| {
            let (item, path) = (Some(item), format!("{path}[{i}]"));
            match key.as_str() {
                "containers" | "initContainers" | "env" | "volumeMounts"
                    if item.is_some_and(Value::is_null) =>
                {
                    Some((path, is_not(&Value::Null, "an object")))
                }
                "containers" | "initContainers" => narrow::<inject::pod::Container>(item, &path),
                "env" => narrow::<inject::pod::Env>(item, &path),
                "volumeMounts" => narrow::<inject::pod::Mount>(item, &path),
                _ => None,
            }
        });
        return Some(inner.unwrap_or_else(|| (path, in_plain_words(member, &error.to_string()))));
    }
    Some((path.to_owned(), in_plain_words(value, &whole.to_string())))
}

/// The parser's complaint, where it is about the type of this very value and not of something inside.
fn in_plain_words(value: &Value, complaint: &str) -> String {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "floating point",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "sequence",
        Value::Object(_) => "map",
    };
    let types = complaint.strip_prefix("invalid type: ").and_then(|rest| rest.split_once("expected "));
    let Some((_, expected)) = types.filter(|(this, _)| this.starts_with(found)) else {
        return complaint.to_owned();
    };
    let wanted =
        [("a string", "a text"), ("struct", "an object"), ("a map", "an object"), ("a sequence", "a list")];
    match wanted.iter().find(|(word, _)| expected.starts_with(word)) {
        Some((_, wanted)) => is_not(value, wanted),
        None => complaint.to_owned(),
    }
}

/// What is wrong with a value of the wrong type, and the fix.
fn is_not(value: &Value, wanted: &str) -> String {
    match value {
        Value::Bool(_) | Value::Number(_) if wanted == "a text" => {
            format!("{value} is not a text; write it in quotes: \"{value}\"")
        }
        Value::Array(_) => format!("a list is not {wanted}; write {wanted}"),
        Value::Object(_) => format!("an object is not {wanted}; write {wanted}"),
        _ => format!("{value} is not {wanted}; write {wanted}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Object<'_> {
        Object {
            pointer: String::new(),
            api_version: value["apiVersion"].as_str().unwrap(),
            kind: value["kind"].as_str().unwrap(),
            name: "web",
            namespace: None,
            value,
        }
    }

    fn error(template: Value) -> String {
        let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}});
        read(&object(&value)).unwrap().unwrap_err()
    }

    #[test]
    fn a_template_that_cannot_be_understood_is_named_by_its_field() {
        assert_eq!(error(json!([])), "spec.template: it is no object");
        assert_eq!(
            error(json!({"metadata": {"annotations": {"a": true}}})),
            "spec.template.metadata.annotations[\"a\"]: true is not a text; write it in quotes: \"true\""
        );
        assert_eq!(
            error(
                json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "env": [{"name": "A", "value": 1}]}]}})
            ),
            "spec.template.spec.containers[1].env[0].value: 1 is not a text; write it in quotes: \"1\""
        );
        assert_eq!(
            error(json!({"spec": {"containers": [{"name": "a", "env": [{"name": "A", "value": 1.5}]}]}})),
            "spec.template.spec.containers[0].env[0].value: 1.5 is not a text; write it in quotes: \"1.5\""
        );
        assert_eq!(
            error(json!({"spec": {"containers": [{"name": "a", "env": [null]}]}})),
            "spec.template.spec.containers[0].env[0]: null is not an object; write an object"
        );
        assert_eq!(
            error(json!({"spec": {"containers": {"name": "a"}}})),
            "spec.template.spec.containers: an object is not a list; write a list"
        );
        assert_eq!(error(Value::Null), "spec.template: it is no object");
    }

    #[test]
    fn pods_of_a_deployment_have_a_replica_set_of_unknown_name() {
        let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": []}}}});
        let workload = read(&object(&value)).unwrap().unwrap();
        assert_eq!(workload.pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
        let Some(OwnerLookup::Found(owners)) = workload.owners.get(&("ReplicaSet".to_owned(), String::new()))
        else {
            panic!("{:?}", workload.owners)
        };
        assert_eq!((owners[0].kind.as_str(), owners[0].name.as_str()), ("Deployment", "web"));
    }

    #[test]
    fn unknown_kinds_count_when_they_have_a_template_of_a_pod() {
        let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": {"template": {"spec": {"containers": []}}}});
        assert_eq!(read(&object(&rollout)).unwrap().unwrap().template, "/spec/template");
        let other =
            json!({"apiVersion": "example.com/v1", "kind": "Other", "spec": {"template": {"spec": {}}}});
        assert!(read(&object(&other)).is_none());
    }
}
