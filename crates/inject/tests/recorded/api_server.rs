//! What the API server does to a pod around the webhook, as far as the recordings show it.

use serde_json::{Map, Value, json};

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_VOLUME: &str = "kube-api-access-XXXXX";

/// Tolerations that every pod gets.
const NODE_TOLERATIONS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Fields that the API server sets when they are absent; `*` stands for every entry of a list or map.
const DEFAULTS: &[(&str, &str)] = &[
    ("spec.dnsPolicy", r#""ClusterFirst""#),
    ("spec.enableServiceLinks", "true"),
    ("spec.preemptionPolicy", r#""PreemptLowerPriority""#),
    ("spec.priority", "0"),
    ("spec.restartPolicy", r#""Always""#),
    ("spec.schedulerName", r#""default-scheduler""#),
    ("spec.securityContext", "{}"),
    ("spec.serviceAccount", r#""default""#),
    ("spec.serviceAccountName", r#""default""#),
    ("spec.terminationGracePeriodSeconds", "30"),
    ("spec.volumes.*.configMap.defaultMode", "420"),
    ("spec.volumes.*.secret.defaultMode", "420"),
    ("spec.volumes.*.projected.defaultMode", "420"),
    ("spec.volumes.*.downwardAPI.defaultMode", "420"),
    ("spec.volumes.*.hostPath.type", r#""""#),
    ("spec.volumes.*.ephemeral.volumeClaimTemplate.spec.volumeMode", r#""Filesystem""#),
    ("spec.volumes.*.ephemeral.volumeClaimTemplate.metadata", "{}"),
    ("metadata.generation", "1"),
    ("apiVersion", r#""v1""#),
    ("kind", r#""Pod""#),
];

/// The same in each container.
const CONTAINER_DEFAULTS: &[(&str, &str)] = &[
    ("terminationMessagePath", r#""/dev/termination-log""#),
    ("terminationMessagePolicy", r#""File""#),
    ("resources", "{}"),
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

fn containers(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = pod.get_mut("spec").and_then(Value::as_object_mut).into_iter().flat_map(Map::iter_mut);
    lists
        .filter(|(field, _)| matches!(field.as_str(), "containers" | "initContainers"))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
}

/// Before the webhook: namespace, pull policies, and the token of the service account.
pub(crate) fn receive(pod: &mut Value, namespace: &str) {
    pod["metadata"]["namespace"] = json!(namespace);
    set_pull_policies(pod);
    if pod["spec"]["automountServiceAccountToken"] != json!(false) {
        mount_token(pod);
        let volumes = pod["spec"].as_object_mut().expect("a pod has a spec").entry("volumes");
        let volumes = volumes.or_insert_with(|| json!([])).as_array_mut().expect("volumes are a list");
        volumes.push(json!({ "name": TOKEN_VOLUME }));
    }
}

/// After the webhook: the same for the containers that it added.
pub(crate) fn admit(pod: &mut Value) {
    set_pull_policies(pod);
    if pod["spec"]["automountServiceAccountToken"] != json!(false) {
        mount_token(pod);
    }
}

/// The form in which two stored pods are compared: without defaults, with canonical quantities, without the contents of the
/// token's volume and the texts of the web servers' scripts.
pub(crate) fn comparable(pod: &mut Value) {
    for container in containers(pod) {
        for (field, default) in CONTAINER_DEFAULTS {
            drop_default(container, field, default);
        }
        complete_requests(container);
        let web_server = container["name"].as_str().is_some_and(|name| name.starts_with("otel-agent-"));
        if web_server && container["command"] == json!(["/bin/sh", "-c"]) {
            container["args"][0] = json!("<script>");
        }
    }
    for (field, default) in DEFAULTS {
        drop_default(pod, field, default);
    }
    for volume in pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        if volume["name"] == TOKEN_VOLUME {
            *volume = json!({ "name": TOKEN_VOLUME });
        }
        for path in ["/emptyDir/sizeLimit", "/ephemeral/volumeClaimTemplate/spec/resources/requests/storage"]
        {
            volume.pointer_mut(path).into_iter().for_each(canonical_quantity);
        }
    }
    if let Some(tolerations) = pod.pointer_mut("/spec/tolerations").and_then(Value::as_array_mut) {
        tolerations
            .retain(|toleration| !NODE_TOLERATIONS.contains(&toleration["key"].as_str().unwrap_or_default()));
    }
    let host_network = pod["spec"]["hostNetwork"] == json!(true);
    for container in containers(pod).filter(|_| host_network) {
        for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if port["hostPort"] == port["containerPort"] {
                port.as_object_mut().expect("a port is an object").remove("hostPort");
            }
        }
    }
    let generated = pod.pointer("/metadata/generateName").is_some();
    if generated && let Some(metadata) = pod["metadata"].as_object_mut() {
        metadata.remove("name");
    }
    without_nothing(pod);
}

fn set_pull_policies(pod: &mut Value) {
    for container in containers(pod) {
        let image = container["image"].as_str().unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or(image);
        let moving = !name.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
        let container = container.as_object_mut().expect("a container is an object");
        let policy = container.entry("imagePullPolicy").or_insert_with(|| json!(""));
        if policy == "" {
            *policy = json!(if moving { "Always" } else { "IfNotPresent" });
        }
    }
}

fn mount_token(pod: &mut Value) {
    for container in containers(pod) {
        let container = container.as_object_mut().expect("a container is an object");
        let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
        let mounts = mounts.as_array_mut().expect("mounts are a list");
        if !mounts.iter().any(|mount| mount["mountPath"] == TOKEN_PATH) {
            mounts.push(json!({ "name": TOKEN_VOLUME, "mountPath": TOKEN_PATH, "readOnly": true }));
        }
    }
}

fn drop_default(value: &mut Value, field: &str, default: &str) {
    match (field.split_once('.'), value) {
        (Some(("*", rest)), Value::Object(map)) => {
            map.values_mut().for_each(|v| drop_default(v, rest, default))
        }
        (Some(("*", rest)), Value::Array(list)) => {
            list.iter_mut().for_each(|v| drop_default(v, rest, default))
        }
        (Some((first, rest)), value) => {
            if let Some(inner) = value.get_mut(first) {
                drop_default(inner, rest, default);
            }
        }
        (None, Value::Object(map)) => {
            let default: Value = serde_json::from_str(default).expect("the table holds JSON");
            if map.get(field) == Some(&default) {
                map.remove(field);
            }
        }
        (None, _) => {}
    }
}

/// A limit without a request is the request as well.
fn complete_requests(container: &mut Value) {
    let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else { return };
    for list in ["limits", "requests"] {
        let quantities = resources.get_mut(list).and_then(Value::as_object_mut);
        quantities.into_iter().flat_map(Map::values_mut).for_each(canonical_quantity);
    }
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    for (name, limit) in limits {
        requests.as_object_mut().expect("requests are a map").entry(name).or_insert(limit);
    }
}

/// Quantities as the API server writes them, as far as the recordings go: whole numbers are strings, tenths are milli.
fn canonical_quantity(quantity: &mut Value) {
    let text = match &*quantity {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return,
    };
    let canonical = match text.parse::<f64>() {
        Ok(number) if number.fract() != 0.0 => format!("{}m", (number * 1000.0).round()),
        _ => match text.strip_suffix("m").and_then(|milli| milli.parse::<u64>().ok()) {
            Some(milli) if milli % 1000 == 0 => (milli / 1000).to_string(),
            _ => text,
        },
    };
    *quantity = json!(canonical);
}

/// Nulls and empty lists are not stored.
fn without_nothing(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(without_nothing);
            map.retain(|_, v| !v.is_null() && v != &json!([]));
        }
        Value::Array(list) => list.iter_mut().for_each(without_nothing),
        _ => {}
    }
}
