//! Whether the API server would accept what injection made. A pod that it would refuse is left as it was: injection never
//! keeps a workload from starting.
//!
//! Only what injection added is looked at; the user's own parts are the user's. The rules are those of the API server's pod
//! validation (<https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>).

use std::collections::BTreeSet;

use api::quantity;
use serde_json::Value;

use crate::{
    claim,
    draft::{Container, Draft},
    env::Entry,
    image::is_reference,
    language::WEB_SERVER_CLONE,
    pod::Pod,
    syntax,
    verdict::{Decline, Reason},
    volume,
};

/// Whose doing it would be if the API server refused the pod.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    /// The reason of the verdict.
    pub reason: Reason,
    /// The object to correct, for example `Instrumentation shop/inst`.
    pub object: String,
    /// What is added to the pod, for example `the agent's container`.
    pub container: String,
    /// The field of the object with the resources of what is added.
    pub resources: String,
}

impl Cause {
    /// The verdict on a problem that the API server would have with the pod.
    pub(crate) fn refused(&self, problem: &str) -> Decline {
        let message = format!("the API server would refuse the pod: {problem}");
        Decline::new(self.reason, message, format!("correct {}", self.object))
    }
}

/// Why the API server would refuse this pod.
pub(crate) fn check(pod: &Pod<'_>, draft: &Draft, cause: &Cause) -> Result<(), Decline> {
    names(draft)?;
    let invalid = |problem: String| cause.refused(&problem);
    for container in draft.init_containers.iter().chain(&draft.containers) {
        let in_container = |problem: String| invalid(format!("container {}: {problem}", container.name));
        mounts(pod, container)?;
        for entry in container.env.entries().iter().filter(|e| e.origin.is_none()) {
            env(entry).map_err(in_container)?;
        }
        if container.origin.is_none() {
            image(container, cause)?;
            made(pod, container).map_err(in_container)?;
        }
    }
    for volume in draft.volumes.iter().filter(|v| v.origin.is_none()) {
        volume_source(&volume.value)
            .map_err(|problem| invalid(format!("volume {}: {problem}", volume.name)))?;
    }
    Ok(())
}

/// Names of containers and volumes are unique in a pod (W17).
fn names(draft: &Draft) -> Result<(), Decline> {
    let collision = |kind: &str, name: &str| {
        Decline::new(
            Reason::NameCollision,
            format!("the pod has a {kind} named {name} already, which injection needs"),
            format!("rename the {kind} {name} of the pod"),
        )
    };
    let mut seen = BTreeSet::new();
    for container in draft.containers.iter().chain(&draft.init_containers) {
        if !seen.insert(container.name.as_str()) {
            return Err(collision("container", &container.name));
        }
    }
    let mut seen = BTreeSet::new();
    for volume in &draft.volumes {
        if !seen.insert(volume.name.as_str()) || volume.name.len() > volume::MAX_NAME {
            return Err(collision("volume", &volume.name));
        }
    }
    Ok(())
}

/// Mount paths are unique in a container, also among those of its block devices.
fn mounts(pod: &Pod<'_>, container: &Container) -> Result<(), Decline> {
    for (i, mount) in container.mounts.iter().enumerate().filter(|(_, m)| m.origin.is_none()) {
        let taken = container.mounts.iter().enumerate().any(|(j, m)| j != i && m.path == mount.path);
        let device = || {
            let user = pod.all_containers().find(|c| c.name == container.name);
            user.is_some_and(|c| c.volume_devices.iter().any(|d| d.device_path == mount.path))
        };
        if taken || device() {
            return Err(Decline::new(
                Reason::NameCollision,
                format!(
                    "container {} mounts something at {} already, which injection needs",
                    container.name, mount.path
                ),
                format!("mount it elsewhere than at {}", mount.path),
            ));
        }
    }
    Ok(())
}

fn env(entry: &Entry) -> Result<(), String> {
    let name = &entry.name;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() || b == b' ') || name.contains('=') {
        return Err(format!("{name:?} cannot be the name of an environment variable"));
    }
    let Some(source) = &entry.source else { return Ok(()) };
    if !entry.text().is_empty() {
        return Err(format!("environment variable {name} has both value and valueFrom"));
    }
    let Some(source) = source.as_object().filter(|s| s.values().filter(|v| !v.is_null()).count() == 1) else {
        return Err(format!("valueFrom of environment variable {name} must name exactly one source"));
    };
    let text =
        |path: &str| source.values().find_map(|v| v.get(path)).and_then(Value::as_str).unwrap_or_default();
    let ok = match source.keys().next().map(String::as_str) {
        Some("fieldRef") => matches!(text("apiVersion"), "" | "v1") && field_path(text("fieldPath")),
        Some("resourceFieldRef") => {
            let resource = text("resource");
            let divisor = source.values().find_map(|v| v.get("divisor")).unwrap_or(&Value::Null);
            divisor_fits(resource, divisor)
                && ["limits.", "requests."].iter().any(|p| {
                    resource.strip_prefix(p).is_some_and(|r| {
                        matches!(r, "cpu" | "memory" | "ephemeral-storage") || r.starts_with("hugepages-")
                    })
                })
        }
        Some("configMapKeyRef" | "secretKeyRef") => {
            let key = text("key");
            !text("name").is_empty()
                && !key.is_empty()
                && key.len() <= 253
                && key != "."
                && !key.starts_with("..")
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        }
        Some("fileKeyRef") => false, // needs a volume of the pod; the API server would look for it
        _ => false,
    };
    if ok {
        Ok(())
    } else {
        Err(format!(
            "valueFrom of environment variable {name} is not valid: {}",
            Value::Object(source.clone())
        ))
    }
}

fn field_path(path: &str) -> bool {
    const FIELDS: [&str; 9] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];
    let subscript = |field: &str| {
        let key = path
            .strip_prefix(field)
            .and_then(|rest| rest.strip_prefix("['"))
            .and_then(|rest| rest.strip_suffix("']"));
        key.is_some_and(syntax::qualified_name)
    };
    FIELDS.contains(&path) || subscript("metadata.annotations") || subscript("metadata.labels")
}

/// Whether an amount of this resource can be given in this unit.
fn divisor_fits(resource: &str, divisor: &Value) -> bool {
    let text = match divisor {
        Value::Null => return true,
        Value::Number(number) => number.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let units: &[&str] = match resource.rsplit('.').next() {
        Some("cpu") => &["1m"],
        _ => &["1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"],
    };
    matches!(text.as_str(), "" | "0" | "1") || units.contains(&text.as_str())
}

/// A container needs an image that a kubelet can read; that of a web server's clone is the application's.
fn image(container: &Container, cause: &Cause) -> Result<(), Decline> {
    if container.name == WEB_SERVER_CLONE {
        if !container.image.is_empty() {
            return Ok(());
        }
        return Err(Decline::new(
            Reason::UnsupportedPod,
            format!("the web server's container has no image, which container {} needs", container.name),
            "give the pod's container an image",
        ));
    }
    // Blanks around it are the API server's matter, and refused below.
    let reference = container.image.trim();
    if !reference.is_empty() {
        return if is_reference(reference) {
            Ok(())
        } else {
            let problem = format!(
                "the pod would never start: container {}: {reference:?} is no image reference",
                container.name
            );
            Err(Decline::new(cause.reason, problem, format!("correct {}", cause.object)))
        };
    }
    let mut decline = cause.refused(&format!("container {}: it has no image", container.name));
    if cause.reason == Reason::InvalidInstrumentation {
        decline.fix +=
            ": name an image, or apply it again, and the operator's defaulting webhook fills it in";
    }
    Err(decline)
}

/// A container that injection made.
fn made(pod: &Pod<'_>, container: &Container) -> Result<(), String> {
    if container.image.trim() != container.image {
        return Err(format!("image {:?} begins or ends with a blank", container.image));
    }
    if let Some(policy) = container.fields.get("imagePullPolicy").and_then(Value::as_str)
        && !matches!(policy, "Always" | "IfNotPresent" | "Never")
    {
        return Err(format!("imagePullPolicy {policy:?} is none of Always, IfNotPresent, Never"));
    }
    if let Some(context) = &container.security_context {
        security_context(context)?;
    }
    container.fields.get("resources").map_or(Ok(()), |r| resources(pod, r))
}

fn security_context(context: &Value) -> Result<(), String> {
    let flag = |name: &str| context.get(name).and_then(Value::as_bool);
    let adds_sys_admin = context
        .pointer("/capabilities/add")
        .and_then(Value::as_array)
        .is_some_and(|add| add.iter().any(|c| matches!(c.as_str(), Some("CAP_SYS_ADMIN"))));
    if flag("allowPrivilegeEscalation") == Some(false) && (flag("privileged") == Some(true) || adds_sys_admin)
    {
        return Err("securityContext is privileged and forbids privilege escalation at once".to_owned());
    }
    for id in ["runAsUser", "runAsGroup"] {
        if context.get(id).and_then(Value::as_i64).is_some_and(|n| !(0..=i64::from(i32::MAX)).contains(&n)) {
            return Err(format!("securityContext.{id} is no user or group number"));
        }
    }
    if context.pointer("/windowsOptions/hostProcess") == Some(&Value::Bool(true)) {
        return Err("securityContext.windowsOptions.hostProcess is for Windows".to_owned());
    }
    let user = context.pointer("/windowsOptions/runAsUserName").and_then(Value::as_str);
    if user.is_some_and(|user| !windows_user(user)) {
        return Err("securityContext.windowsOptions.runAsUserName is no name of a user".to_owned());
    }
    let credential = context.pointer("/windowsOptions/gmsaCredentialSpecName").and_then(Value::as_str);
    if credential.is_some_and(|name| !syntax::dns_subdomain(name)) {
        return Err(
            "securityContext.windowsOptions.gmsaCredentialSpecName is no name of an object".to_owned()
        );
    }
    let profile = context.pointer("/seccompProfile/localhostProfile").and_then(Value::as_str);
    if profile.is_some_and(|p| p.starts_with('/') || p.split('/').any(|part| part == "..")) {
        return Err(
            "securityContext.seccompProfile.localhostProfile must be a path below the profiles' folder"
                .to_owned(),
        );
    }
    let kind = |field: &str| context.pointer(&format!("/{field}/type")).and_then(Value::as_str);
    let local =
        |field: &str| context.pointer(&format!("/{field}/localhostProfile")).is_some_and(|p| !p.is_null());
    let path = |field: &str| {
        let path = context.pointer(&format!("/{field}/localhostProfile")).and_then(Value::as_str);
        path.is_some_and(|p| !p.is_empty() && p.trim() == p)
    };
    for field in ["seccompProfile", "appArmorProfile"] {
        match kind(field) {
            Some("Localhost") if !path(field) => {
                return Err(format!("securityContext.{field} has no path in localhostProfile"));
            }
            Some("RuntimeDefault" | "Unconfined") if local(field) => {
                return Err(format!("securityContext.{field}.localhostProfile is only for type Localhost"));
            }
            Some(kind) if !matches!(kind, "Localhost" | "RuntimeDefault" | "Unconfined") => {
                return Err(format!("securityContext.{field}.type {kind:?} is unknown"));
            }
            _ => {}
        }
    }
    match context.get("procMount").and_then(Value::as_str) {
        None | Some("Default" | "") => Ok(()),
        Some(other) => Err(format!("securityContext.procMount {other:?} needs a user namespace")),
    }
}

/// `user` or `domain\user`, of characters that are allowed in both.
fn windows_user(text: &str) -> bool {
    let parts: Vec<&str> = text.split('\\').collect();
    let plain = |part: &&str| {
        part.len() <= 104
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_. ".contains(&b))
    };
    parts.len() <= 2 && parts.iter().all(plain)
}

fn resources(pod: &Pod<'_>, resources: &Value) -> Result<(), String> {
    let list = |field: &str| resources.get(field).and_then(Value::as_object);
    for field in ["limits", "requests"] {
        for (resource, amount) in list(field).into_iter().flatten() {
            let standard = matches!(resource.as_str(), "cpu" | "memory" | "ephemeral-storage")
                || resource.starts_with("hugepages-");
            if !standard && !resource.contains('/')
                || !syntax::qualified_name(resource)
                || resource.starts_with("requests.")
            {
                return Err(format!("resources.{field}.{resource} is no resource of a container"));
            }
            match quantity::nanos(amount) {
                Some(amount) if amount >= 0 && !syntax::is_broken_amount(resource, amount) => {}
                _ => return Err(format!("resources.{field}.{resource} is no possible amount: {amount}")),
            }
            let exact = resource.starts_with("hugepages-")
                || resource.contains('/') && !resource.contains("kubernetes.io/");
            if exact && field == "requests" && list("limits").and_then(|l| l.get(resource)) != Some(amount) {
                return Err(format!(
                    "resources.requests.{resource} must equal the limit: it cannot be overcommitted"
                ));
            }
        }
    }
    for claim in resources.get("claims").and_then(Value::as_array).into_iter().flatten() {
        let name = claim.get("name").and_then(Value::as_str).unwrap_or_default();
        if !pod.spec.resource_claims.iter().any(|c| c.name == name) {
            return Err(format!("resources.claims names {name:?}, which the pod does not have"));
        }
    }
    Ok(())
}

fn volume_source(volume: &Value) -> Result<(), String> {
    if let Some(limit) = volume.pointer("/emptyDir/sizeLimit")
        && quantity::nanos(limit).is_none_or(|n| n < 0)
    {
        return Err(format!("volumeLimitSize {limit} is no size"));
    }
    let Some(claim) = volume.pointer("/ephemeral/volumeClaimTemplate") else { return Ok(()) };
    claim::check(claim)?;
    let modes =
        claim.pointer("/spec/accessModes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let known = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
    if modes.is_empty() || !modes.iter().all(|m| m.as_str().is_some_and(|m| known.contains(&m))) {
        return Err(format!(
            "volumeClaimTemplate.spec.accessModes must name at least one of {}",
            known.join(", ")
        ));
    }
    if modes.len() > 1 && modes.iter().any(|m| m == "ReadWriteOncePod") {
        return Err("volumeClaimTemplate.spec.accessModes: ReadWriteOncePod stands alone".to_owned());
    }
    match claim.pointer("/spec/resources/requests/storage").map(quantity::nanos) {
        Some(Some(size)) if size > 0 => Ok(()),
        _ => Err("volumeClaimTemplate.spec.resources.requests.storage must be a size".to_owned()),
    }
}
