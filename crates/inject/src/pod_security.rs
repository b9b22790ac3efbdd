//! Pod Security levels that a Namespace enforces, <https://kubernetes.io/docs/concepts/security/pod-security-standards/>.

use serde_json::{Map, Value};

use crate::{
    check::Cause,
    context::Context,
    draft::{Draft, Volume},
    facts::Facts,
    pod::Pod,
    verdict::{Decline, Reason},
};

/// Label that says which level the API server enforces in a namespace.
pub(crate) const ENFORCE_LABEL: &str = "pod-security.kubernetes.io/enforce";

/// Capabilities that the baseline level lets a container add.
const BASELINE_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "NET_RAW",
];

/// Sources of volumes that the restricted level lets a pod have.
const RESTRICTED_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Types of SELinux that the baseline level lets a container have.
const SELINUX_TYPES: [&str; 4] = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// Declines what the namespace's level would refuse. A container that inherits its target's security context is as good as
/// the target, so only containers of ours that have one of their own are looked at. `before`: the draft without this language.
pub(crate) fn check(context: &Context<'_>, before: &Draft, draft: &Draft) -> Result<(), Decline> {
    let Some(level) = level(context.facts) else { return Ok(()) };
    if new_volumes(before, draft).any(|v| v.value.get("hostPath").is_some()) {
        return Err(Decline::new(
            Reason::PodSecurity,
            format!(
                "namespace {} enforces the Pod Security level {level}, which refuses the Go agent's privileged container and hostPath volume",
                context.namespace
            ),
            "run the workload in a namespace that enforces the level privileged, or instrument it in its source",
        ));
    }
    let given = context.spec().init_container_security_context.as_ref().filter(|c| !c.is_null());
    let Some(given) = given.filter(|_| draft.init_containers.len() > before.init_containers.len()) else {
        return Ok(());
    };
    match violation(context.pod, level, given) {
        None => Ok(()),
        Some(problem) => Err(Decline::new(
            Reason::PodSecurity,
            format!(
                "namespace {} enforces the Pod Security level {level}, which refuses spec.initContainerSecurityContext: {problem}",
                context.namespace
            ),
            "remove spec.initContainerSecurityContext, so that init containers inherit the application's, or correct it",
        )),
    }
}

/// Declines a sidecar that the namespace's level would refuse. `before`: the draft without it.
pub(crate) fn check_sidecar(
    pod: &Pod<'_>,
    facts: &Facts,
    before: &Draft,
    draft: &Draft,
    cause: &Cause,
) -> Result<(), Decline> {
    let Some(level) = level(facts) else { return Ok(()) };
    let refused = |problem: String, fix: &str| {
        let namespace = &facts.namespace.name;
        let message =
            format!("namespace {namespace} enforces the Pod Security level {level}, which refuses {problem}");
        Decline::new(Reason::PodSecurity, message, format!("{fix} in {}", cause.object))
    };
    for volume in new_volumes(before, draft) {
        let source = volume.value.as_object().and_then(|v| v.keys().find(|key| *key != "name"));
        let source = source.map(String::as_str).unwrap_or_default();
        if source == "hostPath" || level == "restricted" && !RESTRICTED_VOLUMES.contains(&source) {
            return Err(refused(format!("volume {} ({source})", volume.name), "remove the volume"));
        }
    }
    let added = draft.containers.iter().chain(&draft.init_containers);
    for container in added.filter(|c| before.find(&c.name).is_none()) {
        let given = container.security_context.clone().unwrap_or_else(|| Value::Object(Map::new()));
        if let Some(problem) = violation(pod, level, &given) {
            let problem = format!("container {}: {problem}", container.name);
            return Err(refused(problem, "set securityContext"));
        }
        let ports = container.fields.get("ports").and_then(Value::as_array).into_iter().flatten();
        if ports.filter_map(|p| p.get("hostPort")).any(|port| port.as_i64() != Some(0)) {
            return Err(refused(format!("container {}: a hostPort", container.name), "remove the hostPort"));
        }
    }
    Ok(())
}

/// The level that the namespace enforces, if it refuses anything.
fn level(facts: &Facts) -> Option<&str> {
    let level = facts.namespace.labels.get(ENFORCE_LABEL).map(String::as_str);
    level.filter(|level| matches!(*level, "baseline" | "restricted"))
}

/// Volumes of the draft that are not in the one before.
fn new_volumes<'a>(before: &'a Draft, draft: &'a Draft) -> impl Iterator<Item = &'a Volume> {
    draft.volumes.iter().filter(|v| !before.volumes.iter().any(|b| b.name == v.name))
}

fn violation(pod: &Pod<'_>, level: &str, given: &Value) -> Option<String> {
    let added: Vec<&str> = strings(given.pointer("/capabilities/add"));
    if given.get("privileged") == Some(&Value::Bool(true)) {
        return Some("privileged".to_owned());
    }
    let allowed: &[&str] = if level == "restricted" { &["NET_BIND_SERVICE"] } else { &BASELINE_CAPABILITIES };
    if let Some(capability) = added.iter().find(|c| !allowed.contains(c)) {
        return Some(format!("capability {capability}"));
    }
    let pod = pod.spec.security_context.as_ref();
    let effective = |path: &str| {
        let of = |from: Option<&Value>| from.and_then(|c| c.pointer(path)).filter(|v| !v.is_null()).cloned();
        of(Some(given)).or_else(|| of(pod))
    };
    let seccomp = effective("/seccompProfile/type");
    if seccomp.as_ref().and_then(Value::as_str) == Some("Unconfined") {
        return Some("seccompProfile Unconfined".to_owned());
    }
    let text = |path: &str| given.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if text("/appArmorProfile/type") == "Unconfined" {
        return Some("appArmorProfile Unconfined".to_owned());
    }
    let selinux_type = text("/seLinuxOptions/type");
    if !selinux_type.is_empty() && !SELINUX_TYPES.contains(&selinux_type)
        || !text("/seLinuxOptions/user").is_empty()
        || !text("/seLinuxOptions/role").is_empty()
    {
        return Some("seLinuxOptions".to_owned());
    }
    if level != "restricted" {
        return None;
    }
    if given.get("allowPrivilegeEscalation") != Some(&Value::Bool(false)) {
        return Some("allowPrivilegeEscalation is not false".to_owned());
    }
    if !strings(given.pointer("/capabilities/drop")).contains(&"ALL") {
        return Some("capabilities are not dropped (ALL)".to_owned());
    }
    if effective("/runAsNonRoot") != Some(Value::Bool(true)) {
        return Some("runAsNonRoot is not true".to_owned());
    }
    if given.get("runAsUser").and_then(Value::as_i64) == Some(0) {
        return Some("runAsUser is 0".to_owned());
    }
    seccomp.is_none().then(|| "seccompProfile is not set".to_owned())
}

fn strings(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
