//! Parts of a pod as the reasons look at them.

use serde_json::{Value, json};

/// A container of either kind.
pub(crate) fn container<'a>(pod: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    containers(pod).find(|c| c["name"] == name)
}

/// All containers, regular ones first.
pub(crate) fn containers(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    let spec = pod.get_mut("spec").and_then(Value::as_object_mut);
    let mut lists: Vec<(&String, &mut Value)> = spec
        .into_iter()
        .flat_map(|spec| spec.iter_mut())
        .filter(|(field, _)| matches!(field.as_str(), "containers" | "initContainers"))
        .collect();
    lists.sort_by_key(|(field, _)| field.as_str());
    lists.into_iter().filter_map(|(_, list)| list.as_array_mut()).flatten()
}

/// The environment of a container.
pub(crate) fn env(container: &mut Value) -> Option<&mut Vec<Value>> {
    container.get_mut("env").and_then(Value::as_array_mut)
}

/// The literal value of a variable.
pub(crate) fn value<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    container["env"].as_array()?.iter().find(|entry| entry["name"] == name)?["value"].as_str()
}

/// The place of a variable's literal value.
pub(crate) fn value_mut<'a>(container: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    env(container)?.iter_mut().find(|entry| entry["name"] == name)?.get_mut("value")
}

/// Removes the entries of a list that have one of these names; an empty list goes as a whole.
pub(crate) fn remove(pod: &mut Value, list: &str, gone: impl Fn(&str) -> bool) {
    let Some(spec) = pod["spec"].as_object_mut() else { return };
    if let Some(entries) = spec.get_mut(list).and_then(Value::as_array_mut) {
        entries.retain(|entry| !gone(entry["name"].as_str().unwrap_or_default()));
        if entries.is_empty() {
            spec.remove(list);
        }
    }
}

/// The volumes of a pod.
pub(crate) fn volumes(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut).into_iter().flatten()
}

/// Removes volumes of ours that no container mounts.
pub(crate) fn remove_unmounted(pod: &mut Value) {
    let mounts: Vec<Value> =
        containers(pod).flat_map(|c| c["volumeMounts"].as_array().cloned().unwrap_or_default()).collect();
    remove(pod, "volumes", |name| {
        let ours = name.starts_with("otel-auto-")
            || name.starts_with("opentelemetry-auto-")
            || name == "kernel-debug";
        ours && !mounts.iter().any(|mount| mount["name"] == name)
    });
}

/// Takes a container's environment and mounts from another pod.
pub(crate) fn put_back(pod: &mut Value, from: &Value, name: &str) {
    let mut from = from.clone();
    let (Some(to), Some(from)) = (container(pod, name), container(&mut from, name)) else { return };
    for field in ["env", "volumeMounts"] {
        match from.get(field) {
            Some(list) => to[field] = list.clone(),
            None => drop(to.as_object_mut().expect("a container is an object").remove(field)),
        }
    }
}

/// Attributes as pairs, in order.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let pieces = text.split(',').filter_map(|piece| piece.split_once('='));
    pieces.map(|(key, value)| (key.trim().to_owned(), value.to_owned())).collect()
}

/// What the API server would refuse of a pod, as far as it refused any of the recorded ones.
pub(crate) fn refused(pod: &Value) -> Vec<String> {
    let mut pod = pod.clone();
    let volumes: Vec<String> =
        volumes(&mut pod).map(|v| v["name"].as_str().unwrap_or_default().to_owned()).collect();
    let mut problems: Vec<String> = volumes
        .iter()
        .enumerate()
        .filter(|(i, name)| volumes[..*i].contains(name) || name.contains('.') || name.len() > 63)
        .map(|(_, name)| format!("volume {name}"))
        .collect();
    for container in containers(&mut pod) {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
        for (i, mount) in mounts.iter().enumerate() {
            let twice = mounts[..i].iter().any(|other| other["mountPath"] == mount["mountPath"]);
            if twice || !volumes.iter().any(|volume| mount["name"] == **volume) {
                problems.push(format!("mount {} of {name}", mount["mountPath"]));
            }
        }
        for entry in container["env"].as_array().into_iter().flatten() {
            if entry.get("valueFrom").is_some() && entry.get("value").is_some_and(|value| value != "") {
                problems.push(format!("variable {} of {name}", entry["name"]));
            }
        }
        let memory = |list: &str| {
            let text = container["resources"][list]["memory"].as_str()?;
            text.strip_suffix("Mi")?.parse::<u64>().ok()
        };
        if memory("requests").zip(memory("limits")).is_some_and(|(request, limit)| request > limit) {
            problems.push(format!("memory of {name}"));
        }
    }
    if pod["spec"]["containers"] == json!([]) {
        problems.push("no containers".to_owned());
    }
    problems
}
