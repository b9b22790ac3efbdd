//! Whether the API server, and kubelet, would take what an OpenTelemetryCollector adds to a pod. What holds for every container
//! of ours is looked at in [`crate::check`]; this is about what only a user's own lists can get wrong.

use serde_json::Value;

use crate::{
    check::Cause,
    draft::{Container, Draft},
    syntax,
    verdict::Decline,
    volume,
};

/// Longest `NAME=value` that Linux passes to a process, its ending zero included (`MAX_ARG_STRLEN`).
const LONGEST_VARIABLE: usize = 128 * 1024;

/// Fields that an init container has only when it stays.
const OF_STAYING: [&str; 4] = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];

/// Why it would not.
pub(super) fn check(draft: &Draft, cause: &Cause) -> Result<(), Decline> {
    for volume in draft.volumes.iter().filter(|v| v.origin.is_none()) {
        let sources = volume.value.as_object().map_or(0, |v| v.values().filter(|v| !v.is_null()).count());
        if !syntax::dns_label(&volume.name) || volume.name.len() > volume::MAX_NAME {
            return Err(cause.refused(&format!("{:?} is no name of a volume", volume.name)));
        }
        if sources > 2 {
            return Err(cause.refused(&format!("volume {} has several sources", volume.name)));
        }
    }
    for container in draft.init_containers.iter().filter(|c| c.is_ours()) {
        if container.fields.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            continue;
        }
        if let Some(field) = OF_STAYING.iter().find(|f| container.fields.contains_key(**f)) {
            return Err(in_container(cause, container, &format!("an init container has no {field}")));
        }
    }
    for container in draft.init_containers.iter().chain(&draft.containers).filter(|c| c.is_ours()) {
        of_container(draft, container).map_err(|problem| in_container(cause, container, &problem))?;
    }
    Ok(())
}

fn in_container(cause: &Cause, container: &Container, problem: &str) -> Decline {
    cause.refused(&format!("container {}: {problem}", container.name))
}

fn of_container(draft: &Draft, container: &Container) -> Result<(), String> {
    if !syntax::dns_label(&container.name) {
        return Err(format!("{:?} is no name of a container", container.name));
    }
    for mount in &container.mounts {
        if !draft.volumes.iter().any(|v| v.name == mount.volume) {
            return Err(format!(
                "it mounts volume {:?}, which is in neither the collector nor the pod",
                mount.volume
            ));
        }
        if mount.path.is_empty() || mount.path.contains(':') {
            return Err(format!("{:?} is no path to mount volume {} at", mount.path, mount.volume));
        }
    }
    for entry in container.env.entries() {
        let length = entry.name.len() + entry.text().len() + 2;
        if length > LONGEST_VARIABLE {
            return Err(format!(
                "environment variable {} has {length} bytes, Linux passes {LONGEST_VARIABLE} at most",
                entry.name
            ));
        }
    }
    Ok(())
}
