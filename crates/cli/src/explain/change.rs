//! What injection would change, in few words.

use std::collections::BTreeMap;

use api::annotation::SIDECAR_INJECTED;
use serde_json::Value;

/// Changes of a pod.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// By container of the user's.
    pub containers: BTreeMap<String, Vec<String>>,
    /// Of the pod as a whole.
    pub pod: Vec<String>,
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

/// Names in `after` that `before` does not have.
fn added<'a>(before: &[Value], after: &'a [Value]) -> Vec<&'a str> {
    after.iter().map(name).filter(|n| !before.iter().any(|b| name(b) == *n)).collect()
}

fn count(number: usize, thing: &str) -> Option<String> {
    (number > 0).then(|| format!("{number} {thing}{}", if number == 1 { "" } else { "s" }))
}

/// Compares two templates.
pub(super) fn between(before: &Value, after: &Value) -> Changes {
    let mut changes = Changes::default();
    for list in ["/spec/initContainers", "/spec/containers"] {
        for container in items(before, list) {
            let Some(new) = items(after, list).iter().find(|c| name(c) == name(container)) else { continue };
            let (env, new_env) = (items(container, "/env"), items(new, "/env"));
            let extended = env.iter().filter_map(|e| {
                let now = new_env.iter().find(|n| name(n) == name(e))?;
                (now != e).then(|| format!("{} extended", name(e)))
            });
            let mounts = (items(container, "/volumeMounts"), items(new, "/volumeMounts"));
            let mut words: Vec<String> = count(added(env, new_env).len(), "variable").into_iter().collect();
            words.extend(extended);
            words.extend(count(mounts.1.iter().filter(|m| !mounts.0.contains(m)).count(), "mount"));
            let hidden = mounts.0.iter().filter(|m| !mounts.1.contains(m));
            words.extend(
                hidden.map(|m| format!("mount at {} removed", m["mountPath"].as_str().unwrap_or_default())),
            );
            changes.containers.insert(name(container).to_owned(), words);
        }
        let new = added(items(before, list), items(after, list));
        let what = if list.ends_with("initContainers") { "init container" } else { "container" };
        changes.pod.extend(new.into_iter().map(|n| format!("{what} {n}")));
    }
    let label = |pod: &Value| pod["metadata"]["labels"][SIDECAR_INJECTED].as_str().map(str::to_owned);
    if let Some(value) = label(after).filter(|_| label(before) != label(after)) {
        changes.pod.push(format!("label {SIDECAR_INJECTED}={value}"));
    }
    let volumes = added(items(before, "/spec/volumes"), items(after, "/spec/volumes"));
    changes.pod.extend(volumes.into_iter().map(|n| format!("volume {n}")));
    if before.pointer("/spec/shareProcessNamespace") != after.pointer("/spec/shareProcessNamespace") {
        changes.pod.push("shareProcessNamespace: true".to_owned());
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_counted_by_container() {
        let before = json!({"spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}]}]}});
        let after = json!({"spec": {
            "containers": [{"name": "app", "env": [{"name": "A", "value": "1 2"}, {"name": "B"}, {"name": "C"}], "volumeMounts": [{"name": "v"}]}],
            "initContainers": [{"name": "i"}],
            "volumes": [{"name": "v"}],
        }});
        let changes = between(&before, &after);
        assert_eq!(changes.containers["app"], ["2 variables", "A extended", "1 mount"]);
        assert_eq!(changes.pod, ["init container i", "volume v"]);
    }
}
