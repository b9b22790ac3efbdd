//! The form in which children are compared: without what the API server adds, and without what says nothing.

use serde_json::{Map, Value, json};

/// Values that the API server sets when they are absent: path and value; `*` stands for every entry of a list or map. They are taken out
/// of both sides.
const DEFAULTS: &[(&str, &str)] = &[
    ("apiVersion", "*"),
    ("kind", "*"),
    ("metadata.namespace", "*"),
    ("spec.ports.*.protocol", r#""TCP""#),
    ("spec.sessionAffinity", r#""None""#),
    ("spec.type", r#""ClusterIP""#),
    ("spec.clusterIPs", "*"),
    ("spec.clusterIP", r#""<ip>""#),
    ("spec.ipFamilies", r#"["IPv4"]"#),
    ("spec.ipFamilyPolicy", r#""SingleStack""#),
    ("spec.internalTrafficPolicy", r#""Cluster""#),
    ("spec.progressDeadlineSeconds", "600"),
    ("spec.revisionHistoryLimit", "10"),
    ("spec.strategy.rollingUpdate.maxSurge", r#""25%""#),
    ("spec.strategy.rollingUpdate.maxUnavailable", r#""25%""#),
    ("spec.strategy.type", r#""RollingUpdate""#),
    ("spec.updateStrategy.rollingUpdate.maxSurge", "0"),
    ("spec.updateStrategy.rollingUpdate.maxUnavailable", "1"),
    ("spec.updateStrategy.rollingUpdate.partition", "0"),
    ("spec.updateStrategy.type", r#""RollingUpdate""#),
    ("spec.behavior.*.selectPolicy", r#""Max""#),
    (
        "spec.behavior.scaleUp.policies",
        r#"[{"periodSeconds": 15, "type": "Pods", "value": 4}, {"periodSeconds": 15, "type": "Percent", "value": 100}]"#,
    ),
    ("spec.persistentVolumeClaimRetentionPolicy.whenDeleted", r#""Retain""#),
    ("spec.persistentVolumeClaimRetentionPolicy.whenScaled", r#""Retain""#),
    ("spec.volumeClaimTemplates.*.apiVersion", r#""v1""#),
    ("spec.volumeClaimTemplates.*.kind", r#""PersistentVolumeClaim""#),
    ("spec.volumeClaimTemplates.*.spec.volumeMode", r#""Filesystem""#),
    ("spec.volumeClaimTemplates.*.status", "*"),
    ("spec.template.spec.restartPolicy", r#""Always""#),
    ("spec.template.spec.schedulerName", r#""default-scheduler""#),
    ("spec.template.spec.serviceAccount", "*"),
    ("spec.template.spec.terminationGracePeriodSeconds", "30"),
    ("spec.template.spec.volumes.*.*.defaultMode", "420"),
    ("spec.template.spec.volumes.*.hostPath.type", r#""""#),
];

/// The same in each container.
const CONTAINER_DEFAULTS: &[(&str, &str)] = &[
    ("terminationMessagePath", r#""/dev/termination-log""#),
    ("terminationMessagePolicy", r#""File""#),
    ("ports.*.protocol", r#""TCP""#),
    ("env.*.value", r#""""#),
    ("env.*.valueFrom.fieldRef.apiVersion", r#""v1""#),
    ("env.*.valueFrom.resourceFieldRef.divisor", r#""0""#),
    ("*.httpGet.scheme", r#""HTTP""#),
    ("lifecycle.*.httpGet.scheme", r#""HTTP""#),
    ("*.timeoutSeconds", "1"),
    ("*.periodSeconds", "10"),
    ("*.successThreshold", "1"),
    ("*.failureThreshold", "3"),
];

/// Brings a child into the form in which it is compared.
pub(crate) fn comparable(kind: &str, object: &mut Value) {
    fill_in(kind, object);
    for (path, default) in DEFAULTS {
        remove(object, path, default);
    }
    for container in containers(object) {
        for (path, default) in CONTAINER_DEFAULTS {
            remove(container, path, default);
        }
    }
    prune(object);
    // The recorder sorted the rules: their order differs from run to run in the Go operator.
    if let Some(rules) = object.get_mut("rules").and_then(Value::as_array_mut) {
        rules.sort_by_key(ToString::to_string);
    }
}

/// What the API server takes from another field of the same object.
fn fill_in(kind: &str, object: &mut Value) {
    if kind == "Service" {
        for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
            if port["targetPort"].is_null() {
                port["targetPort"] = port["port"].clone();
            }
        }
    }
    let host_network = object["spec"]["template"]["spec"]["hostNetwork"] == json!(true);
    for container in containers(object) {
        if container["imagePullPolicy"].is_null() {
            let image = container["image"].as_str().unwrap_or_default();
            let latest = image.ends_with(":latest")
                || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
            container["imagePullPolicy"] = json!(if latest { "Always" } else { "IfNotPresent" });
        }
        for port in container["ports"].as_array_mut().into_iter().flatten() {
            if host_network && port["hostPort"].is_null() {
                port["hostPort"] = port["containerPort"].clone();
            }
        }
    }
}

fn containers(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    let pod = object.pointer_mut("/spec/template/spec").and_then(Value::as_object_mut);
    let lists = pod.into_iter().flat_map(Map::iter_mut);
    lists
        .filter(|(field, _)| matches!(field.as_str(), "containers" | "initContainers"))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
}

fn remove(value: &mut Value, path: &str, default: &str) {
    let (step, rest) = match path.split_once('.') {
        Some((step, rest)) => (step, Some(rest)),
        None => (path, None),
    };
    match (value, rest) {
        (Value::Array(list), Some(rest)) if step == "*" => {
            list.iter_mut().for_each(|item| remove(item, rest, default));
        }
        (Value::Object(map), Some(rest)) if step == "*" => {
            map.values_mut().for_each(|item| remove(item, rest, default));
        }
        (Value::Object(map), Some(rest)) => {
            if let Some(item) = map.get_mut(step) {
                remove(item, rest, default);
            }
        }
        (Value::Object(map), None) => {
            let is_default = |item: &Value| {
                default == "*" || *item == serde_json::from_str::<Value>(default).expect("defaults are JSON")
            };
            if map.get(step).is_some_and(is_default) {
                map.remove(step);
            }
        }
        _ => {}
    }
}

/// Takes out members that are empty.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, item| match item {
                Value::Null => false,
                Value::Object(inner) => !inner.is_empty(),
                Value::Array(inner) => !inner.is_empty(),
                _ => true,
            });
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        _ => {}
    }
}
