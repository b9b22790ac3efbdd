//! What keeps an injected pod from starting: a container that injection added and that does not come up.
//!
//! Injection decides when a pod is created; whether a node can pull the agent's image, and whether the agent can be copied out of it,
//! shows later, in the pod's status. Only the command line reads that: the operator watches metadata.

use serde_json::Value;

use crate::{
    language::{AGENT_INIT_CONTAINERS, EXTENSION, GO_SIDECAR},
    sidecar,
};

/// What a container waits for while everything goes well
/// (<https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-state-waiting>).
const ON_ITS_WAY: [&str; 3] = ["", "PodInitializing", "ContainerCreating"];

/// A container of ours that does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Its name.
    pub container: String,
    /// Its image.
    pub image: String,
    /// The kubelet's word, for example `ImagePullBackOff`, or `Error` for one that ended.
    pub reason: String,
    /// What the kubelet says.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// The first container of ours that keeps `pod`, read with its status, from starting. The others wait for it.
pub fn stuck(pod: &Value) -> Option<Stuck> {
    let statuses = |list: &str| pod.pointer(list).and_then(Value::as_array).into_iter().flatten();
    let all = statuses("/status/initContainerStatuses").chain(statuses("/status/containerStatuses"));
    all.filter(|status| is_ours(text(status, "/name"))).find_map(|status| {
        let (reason, message) = trouble(status)?;
        let (container, image) = (text(status, "/name").to_owned(), text(status, "/image").to_owned());
        let fix = fix(pod, &container, &image, &reason);
        Some(Stuck { container, image, reason, message, fix })
    })
}

fn is_ours(name: &str) -> bool {
    AGENT_INIT_CONTAINERS.contains(&name)
        || name.starts_with(EXTENSION)
        || [GO_SIDECAR, sidecar::CONTAINER].contains(&name)
}

/// Reason and message of a container that does not start, or that ended in an error.
fn trouble(status: &Value) -> Option<(String, String)> {
    let waiting = text(status, "/state/waiting/reason");
    if !ON_ITS_WAY.contains(&waiting) {
        let message = text(status, "/state/waiting/message").to_owned();
        let code = exit_code(status, "/lastState");
        let message = code.map_or(message.clone(), |code| format!("exit code {code}; {message}"));
        return Some((waiting.to_owned(), message));
    }
    // Between two attempts, and during one, only the last one tells.
    let is_ready = status.get("ready").and_then(Value::as_bool).unwrap_or_default();
    let last = || Some(("/lastState", exit_code(status, "/lastState")?)).filter(|_| !is_ready);
    let (state, code) = exit_code(status, "/state").map(|code| ("/state", code)).or_else(last)?;
    let reason = match text(status, &format!("{state}/terminated/reason")) {
        "" => "Error",
        reason => reason,
    };
    (code != 0).then(|| (reason.to_owned(), format!("exit code {code}")))
}

fn exit_code(status: &Value, state: &str) -> Option<i64> {
    status.pointer(&format!("{state}/terminated/exitCode")).and_then(Value::as_i64)
}

fn fix(pod: &Value, container: &str, image: &str, reason: &str) -> String {
    let object = if container == sidecar::CONTAINER { "OpenTelemetryCollector" } else { "Instrumentation" };
    if reason.contains("Image") || reason == "RegistryUnavailable" {
        return format!(
            "let the node pull {image} (spec.imagePullSecrets of the pod, a mirror), or name another image in the {object}; then recreate the pod"
        );
    }
    if reason.starts_with("Create") {
        return format!(
            "correct what the message names, in the pod or in the {object}; then recreate the pod"
        );
    }
    let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
    format!(
        "look why: kubectl logs {name} -c {container} -n {namespace}; an image of one's own needs the agent where the {object} expects it"
    )
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(state: Value, last: Value) -> Value {
        json!({
            "metadata": {"name": "web-1", "namespace": "shop"},
            "status": {"initContainerStatuses": [
                {"name": "users-own", "image": "x", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
                {"name": "opentelemetry-auto-instrumentation-java", "image": "agent:1", "state": state, "lastState": last},
            ]},
        })
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named_with_the_object_that_names_it() {
        let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}});
        let stuck = stuck(&pod(waiting, json!({}))).unwrap();
        assert_eq!((stuck.reason.as_str(), stuck.message.as_str()), ("ErrImagePull", "not found"));
        assert!(stuck.fix.contains("agent:1") && stuck.fix.contains("Instrumentation"), "{}", stuck.fix);
    }

    #[test]
    fn a_copy_that_fails_is_told_with_its_exit_code_and_where_its_log_is() {
        let ended = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
        let first = stuck(&pod(ended.clone(), json!({}))).unwrap();
        assert_eq!((first.reason.as_str(), first.message.as_str()), ("Error", "exit code 1"));
        let during = stuck(&pod(json!({"running": {}}), ended.clone())).unwrap();
        assert_eq!(during.message, "exit code 1", "the next attempt is under way");
        let again = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
        let again = stuck(&pod(again, ended)).unwrap();
        assert_eq!(again.message, "exit code 1; back-off 10s");
        let logs = "kubectl logs web-1 -c opentelemetry-auto-instrumentation-java -n shop";
        assert!(again.fix.contains(logs), "{}", again.fix);
    }

    #[test]
    fn what_is_on_its_way_or_done_or_of_the_user_is_no_trouble() {
        let failed = json!({"terminated": {"exitCode": 1}});
        for (state, last) in [
            (json!({"waiting": {"reason": "PodInitializing"}}), json!({})),
            (json!({"running": {}}), json!({})),
            (json!({"terminated": {"exitCode": 0, "reason": "Completed"}}), failed.clone()),
        ] {
            assert_eq!(stuck(&pod(state, last)), None);
        }
        let sidecar =
            json!({"name": "otc-container", "ready": true, "state": {"running": {}}, "lastState": failed});
        assert_eq!(stuck(&json!({"status": {"containerStatuses": [sidecar]}})), None, "it has come up since");
        assert_eq!(stuck(&json!({"status": {"initContainerStatuses": 7}})), None);
    }
}
