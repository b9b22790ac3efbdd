//! The collector beside the application (collector.md 16): which OpenTelemetryCollector a pod gets as a sidecar, and the way of
//! its container into the pod.
//!
//! What a collector adds is made by another engine ([`api::collector::sidecar`]); here it is chosen and put in.
//!
//! * [`add`]: into the draft.
//! * [`fit`]: whether the API server would accept the result.
//! * [`strip`]: and out of it again.
//!
//! The verdict about the sidecar and those about languages do not depend on each other.

mod add;
mod fit;
pub(crate) mod strip;

use api::{
    annotation::{SIDECAR_INJECT, SIDECAR_NAMESPACES},
    collector::sidecar::{Collector, MODE},
};

use crate::{
    check::{self, Cause},
    draft::Draft,
    facts::Facts,
    pod::Pod,
    pod_security,
    request::{Asked, Request, SidecarRequest},
    total,
    verdict::{About, Decline, Reason, Source, Verdict},
};

pub use api::collector::sidecar::CONTAINER;

/// Chooses the collector of a sidecar (collector.md 16.1).
///
/// # Errors
/// When there is none, or not exactly one, or the one that is named cannot be had.
pub fn choose<'a>(
    wanted: &SidecarRequest,
    request: &Request,
    collectors: &'a [std::sync::Arc<Collector>],
) -> Result<&'a Collector, Decline> {
    match &wanted.asked {
        Asked::Named { namespace, name } => {
            let mut found = collectors.iter().filter(|c| &c.namespace == namespace && &c.name == name);
            let collector = found.next().ok_or_else(|| {
                Decline::new(
                    Reason::CollectorNotFound,
                    format!("opentelemetrycollectors.opentelemetry.io \"{name}\" not found"),
                    format!(
                        "create OpenTelemetryCollector {namespace}/{name} with spec.mode {MODE} and recreate the pod, or correct \
                         {SIDECAR_INJECT}"
                    ),
                )
            })?;
            if collector.mode != MODE {
                return Err(Decline::new(
                    Reason::CollectorNotSidecar,
                    "the OpenTelemetry Collector's mode is not set to sidecar",
                    format!(
                        "the mode of {namespace}/{name} is {}: name a collector with spec.mode {MODE} in {SIDECAR_INJECT}",
                        collector.mode
                    ),
                ));
            }
            if !collector.serves(&request.namespace) {
                return Err(Decline::new(
                    Reason::CollectorNotAllowed,
                    format!(
                        "OpenTelemetryCollector {namespace}/{name} is not for pods of namespace {}",
                        request.namespace
                    ),
                    format!("add {} to its annotation {SIDECAR_NAMESPACES}", request.namespace),
                ));
            }
            Ok(collector)
        }
        Asked::TheOnlyOne | Asked::Nothing => {
            let namespace = &request.namespace;
            let mut here = collectors.iter().filter(|c| &c.namespace == namespace && c.mode == MODE);
            match (here.next(), here.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err(Decline::new(
                    Reason::NoCollector,
                    "no OpenTelemetry Collector instances available",
                    format!(
                        "create an OpenTelemetryCollector with spec.mode {MODE} in namespace {namespace} and recreate the pod"
                    ),
                )),
                (Some(one), Some(other)) => Err(Decline::new(
                    Reason::SeveralCollectors,
                    "multiple OpenTelemetry Collector instances available, cannot determine which one to select",
                    format!(
                        "name the one to use, {} or {}: {SIDECAR_INJECT}: \"<name>\"",
                        one.name, other.name
                    ),
                )),
            }
        }
    }
}

/// Puts the sidecar into the draft, or takes it out; one that fails leaves no trace. None: there is nothing to be said.
pub(crate) fn decide(pod: &Pod<'_>, request: &Request, facts: &Facts, draft: &mut Draft) -> Option<Verdict> {
    let wanted = request.sidecar.as_ref()?;
    if wanted.asked == Asked::Nothing {
        return take_out(draft);
    }
    if is_present(draft) {
        let message = format!("the pod has a container {CONTAINER} already");
        return Some(verdict(Some(CONTAINER), Err(Decline::new(Reason::AlreadyInjected, message, "")), None));
    }
    let collector = match choose(wanted, request, &facts.collectors) {
        Ok(collector) => collector,
        Err(decline) => return Some(verdict(None, Err(decline), None)),
    };
    let mut attempt = draft.clone();
    match attempt_with(pod, request, facts, collector, &mut attempt) {
        Ok(notes) => {
            *draft = attempt;
            Some(Verdict { notes, ..verdict(Some(CONTAINER), Ok(()), Some(collector)) })
        }
        Err(decline) => Some(verdict(Some(CONTAINER), Err(decline), Some(collector))),
    }
}

/// The verdict about a sidecar when the pod is declined as a whole; none when there is nothing to be said.
pub(crate) fn declined(request: &Request, draft: &Draft, decline: &Decline) -> Option<Verdict> {
    let wanted = request.sidecar.as_ref()?;
    let nothing_to_do = wanted.asked == Asked::Nothing && !is_present(draft);
    (!nothing_to_do).then(|| verdict(None, Err(decline.clone()), None))
}

/// Notes for the user, or why it cannot be done.
fn attempt_with(
    pod: &Pod<'_>,
    request: &Request,
    facts: &Facts,
    collector: &Collector,
    attempt: &mut Draft,
) -> Result<Vec<String>, Decline> {
    let cause = Cause {
        reason: Reason::InvalidCollector,
        object: format!("OpenTelemetryCollector {}/{}", collector.namespace, collector.name),
        container: "the sidecar".to_owned(),
        resources: "spec.resources".to_owned(),
    };
    let offer = collector.offer.as_ref().map_err(|why| {
        Decline::new(
            Reason::InvalidCollector,
            format!("no sidecar can be made of {}: {why}", cause.object),
            format!("correct {} and recreate the pod", cause.object),
        )
    })?;
    let before = attempt.clone();
    let notes = add::add(pod, request, facts, offer, attempt);
    fit::check(attempt, &cause)?;
    check::check(pod, attempt, &cause)?;
    total::check(pod, facts, attempt, &cause)?;
    pod_security::check_sidecar(pod, facts, &before, attempt, &cause)?;
    Ok(notes)
}

fn is_present(draft: &Draft) -> bool {
    draft.find(CONTAINER).is_some()
}

/// Takes the container out; volumes, init containers and the label stay, as in the Go operator: they may be the pod's own.
fn take_out(draft: &mut Draft) -> Option<Verdict> {
    draft.find(CONTAINER)?;
    if draft.containers.iter().all(|c| c.name == CONTAINER) {
        let decline = Decline::new(
            Reason::NoContainers,
            format!("{CONTAINER} is the pod's only container"),
            "give the pod another container",
        );
        return Some(verdict(Some(CONTAINER), Err(decline), None));
    }
    draft.containers.retain(|c| c.name != CONTAINER);
    draft.init_containers.retain(|c| c.name != CONTAINER);
    let message = format!("container {CONTAINER} is taken out, as {SIDECAR_INJECT} says");
    Some(verdict(Some(CONTAINER), Err(Decline::new(Reason::SidecarRemoved, message, "")), None))
}

fn verdict(container: Option<&str>, outcome: Result<(), Decline>, collector: Option<&Collector>) -> Verdict {
    let source = collector.map(|c| Source {
        namespace: c.namespace.clone(),
        name: c.name.clone(),
        generation: c.generation,
        agent: String::new(),
    });
    let Decline { reason, message, fix } = outcome.err().unwrap_or_else(|| {
        let from = source.as_ref().map(ToString::to_string).unwrap_or_default();
        Decline::new(Reason::Injected, format!("injected as OpenTelemetryCollector {from} says"), "")
    });
    Verdict {
        about: About::Sidecar,
        container: container.map(str::to_owned),
        reason,
        message,
        fix,
        source,
        notes: Vec::new(),
    }
}
