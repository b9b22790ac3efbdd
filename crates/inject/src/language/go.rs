//! Go: an eBPF sidecar that attaches to one application container's process (spec 6.5).

use std::rc::Rc;

use api::{Language, annotation::GO_TARGET_EXE};
use serde_json::{Value, json};

use super::Outcomes;
use crate::{
    context::Context,
    draft::{Container, Draft, Mount, Place, Volume},
    env::Entry,
    init_container, sdk_environment,
    verdict::{Decline, Reason},
};

/// Name of the sidecar.
pub(crate) const SIDECAR: &str = "opentelemetry-auto-instrumentation";
const VOLUME: &str = "kernel-debug";
const KERNEL_DEBUG: &str = "/sys/kernel/debug";
const TARGET_EXE: &str = "OTEL_GO_AUTO_TARGET_EXE";

pub(super) fn inject(
    context: &Context<'_>,
    draft: &mut Draft,
    targets: &[Place],
) -> Result<Outcomes, Decline> {
    let target = one_target(draft, targets)?;
    check_process_namespace(context)?;
    let executable = executable(context)?;
    draft.share_process_namespace = Some(true);

    let go = &context.spec().go;
    let mut sidecar = Container::of_ours(SIDECAR, &go.image);
    init_container::finish(context, &mut sidecar);
    sidecar.mounts.push(Mount::new(VOLUME, KERNEL_DEBUG));
    sidecar.security_context =
        Some(go.security_context.clone().filter(|c| !c.is_null()).unwrap_or_else(|| privileged(context)));
    if let Some(executable) = executable {
        sidecar.env.push(Entry::plain(TARGET_EXE, executable));
    }
    sidecar.env.append_if_absent(&go.env);
    sdk_environment::add_common(context, &mut sidecar.env);
    if !sidecar.env.get(TARGET_EXE).is_some_and(|e| e.is_sourced() || !e.text().is_empty()) {
        return Err(no_executable());
    }
    draft.containers.push(Rc::new(sidecar));
    let holder = Place::Regular(draft.containers.len() - 1);
    draft.volumes.push(Volume::new(VOLUME, json!({"hostPath": {"path": KERNEL_DEBUG}})));
    sdk_environment::configure(context, draft, holder, target);
    Ok(vec![(target, Ok(()))])
}

/// The agent attaches to one process (W12).
fn one_target(draft: &Draft, targets: &[Place]) -> Result<Place, Decline> {
    match targets {
        [only @ Place::Regular(_)] => Ok(*only),
        [Place::Init(_)] => Err(Decline::new(
            Reason::InitContainerNotSupported,
            "is init container",
            "name a regular container: the Go agent is a sidecar, which starts after init containers",
        )),
        several => {
            let names: Vec<_> = several.iter().map(|t| draft.at(*t).name.as_str()).collect();
            Err(Decline::new(
                Reason::GoSeveralContainers,
                "go instrumentation cannot be injected into a pod, multiple containers configured",
                format!("name one of {} in {}", names.join(", "), Language::Go.info().container_names),
            ))
        }
    }
}

fn check_process_namespace(context: &Context<'_>) -> Result<(), Decline> {
    if context.pod.spec.share_process_namespace == Some(false) {
        return Err(Decline::new(
            Reason::GoSharedProcessNamespace,
            "shared process namespace has been explicitly disabled",
            "remove shareProcessNamespace: false from the pod: the Go agent must see the application's process",
        ));
    }
    if context.pod.spec.host_pid {
        return Err(Decline::new(
            Reason::GoSharedProcessNamespace,
            "the pod has hostPID, which the API server does not allow beside the shared process namespace that the Go agent needs",
            "remove hostPID from the pod",
        ));
    }
    Ok(())
}

/// The executable from the annotation; none when the Instrumentation's env may say it.
fn executable(context: &Context<'_>) -> Result<Option<String>, Decline> {
    let value = context.annotation(GO_TARGET_EXE);
    if !value.is_empty() {
        return Ok(Some(value.to_owned()));
    }
    // An empty annotation on the pod says that there is none (W12).
    if context.pod.metadata.annotations.contains_key(GO_TARGET_EXE) { Err(no_executable()) } else { Ok(None) }
}

fn no_executable() -> Decline {
    Decline::new(
        Reason::GoExecutableMissing,
        "OTEL_GO_AUTO_TARGET_EXE not set",
        format!("set {GO_TARGET_EXE} to the path of the executable in the container"),
    )
}

/// What the eBPF agent needs. A pod that demands non-root users would otherwise keep kubelet from starting the sidecar.
fn privileged(context: &Context<'_>) -> Value {
    let pod = context.pod.spec.security_context.as_ref();
    if pod.and_then(|c| c.get("runAsNonRoot")) == Some(&Value::Bool(true)) {
        json!({"runAsUser": 0, "privileged": true, "runAsNonRoot": false})
    } else {
        json!({"runAsUser": 0, "privileged": true})
    }
}
