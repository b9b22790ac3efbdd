//! What all containers of a pod ask for together: the pod's own resources bound it, and the LimitRanges of the namespace
//! (<https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers>).

use std::collections::BTreeSet;

use api::quantity;
use serde_json::Value;

use crate::{
    check::Cause,
    draft::{Container, Draft},
    facts::Facts,
    limit_range::Limits,
    pod::{self, Pod},
    verdict::Decline,
};

/// Declines when the pod asks for too much because of the containers that injection adds.
pub(crate) fn check(pod: &Pod<'_>, facts: &Facts, draft: &Draft, cause: &Cause) -> Result<(), Decline> {
    let bounded = Bounded { pod, facts };
    let ours = || draft.init_containers.iter().chain(&draft.containers).filter(|c| c.is_ours());
    let lists = ours().filter_map(|c| c.fields.get("resources")?.as_object()).flat_map(|r| r.values());
    let resources: BTreeSet<&str> =
        lists.filter_map(Value::as_object).flat_map(|l| l.keys()).map(String::as_str).collect();
    for resource in resources {
        for (kind, bound, bounded_by) in bounded.bounds(resource) {
            let Some(most) = quantity::nanos(bound) else { continue };
            let amount = |c: &Container, init: bool| bounded.amount(c, init, kind, resource);
            let without = bounded.total(draft, |c, init| if c.is_ours() { 0 } else { amount(c, init) });
            let with = bounded.total(draft, amount);
            if without <= most && with > most {
                return Err(Decline::new(
                    cause.reason,
                    format!(
                        "the API server would refuse the pod: with {} its {resource} {kind} would exceed {bound} ({bounded_by})",
                        cause.container
                    ),
                    format!(
                        "lower the {resource} of {} in {}, or raise {bounded_by}",
                        cause.resources, cause.object
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// The pod, and what the cluster says about it.
struct Bounded<'a> {
    pod: &'a Pod<'a>,
    facts: &'a Facts,
}

impl Bounded<'_> {
    /// What bounds a resource of the whole pod: `requests` or `limits`, how much, and for people who says so.
    fn bounds(&self, resource: &str) -> Vec<(&'static str, &Value, &'static str)> {
        let pod_level = self.pod.spec.resources.as_ref();
        let own = |field: &str| pod_level.and_then(|p| p.get(field)).and_then(|l| l.get(resource));
        if let Some(most) = own("requests").or_else(|| own("limits")) {
            return vec![("requests", most, "spec.resources of the pod")];
        }
        let pods = self.limits().filter(|l| l.kind == "Pod").filter_map(|l| l.max.get(resource));
        pods.flat_map(|max| ["requests", "limits"].map(|kind| (kind, max, "a LimitRange of the namespace")))
            .collect()
    }

    fn limits(&self) -> impl Iterator<Item = &Limits> + Clone {
        self.facts.limit_ranges.iter().flat_map(|r| &r.spec.limits)
    }

    /// Init containers run one after another, beside those before them that stay; regular containers beside all that stay.
    fn total(&self, draft: &Draft, amount: impl Fn(&Container, bool) -> i128) -> i128 {
        let (mut staying, mut most) = (0, 0);
        for container in &draft.init_containers {
            let own = amount(container, true);
            most = most.max(staying + own);
            if self.stays(container) {
                staying += own;
            }
        }
        most.max(staying + draft.containers.iter().map(|c| amount(c, false)).sum::<i128>())
    }

    /// Whether an init container is one that stays.
    fn stays(&self, container: &Container) -> bool {
        match self.user(container, true) {
            Some(user) => user.restart_policy == "Always",
            None => container.fields.get("restartPolicy").and_then(Value::as_str) == Some("Always"),
        }
    }

    fn user(&self, container: &Container, init: bool) -> Option<&pod::Container> {
        let spec = &self.pod.spec;
        let list = if init { spec.init_containers.as_ref()? } else { &spec.containers };
        list.get(container.origin?)
    }

    /// What a container asks for once the LimitRanges have given it what it does not say. A limit without a request is the
    /// request.
    fn amount(&self, container: &Container, init: bool, kind: &str, resource: &str) -> i128 {
        let resources = match container.origin {
            Some(_) => self.user(container, init).and_then(|c| c.resources.as_ref()),
            None => container.fields.get("resources"),
        };
        let own = |field: &str| resources?.get(field)?.get(resource);
        let ranges = || self.limits().filter(|l| l.kind == "Container");
        let default = || ranges().find_map(|l| l.default.get(resource));
        let limit = own("limits");
        let amount = match kind {
            "limits" => limit.or_else(default),
            _ => own("requests")
                .or(limit)
                .or_else(|| ranges().find_map(|l| l.default_request.get(resource)))
                .or_else(default),
        };
        amount.and_then(quantity::nanos).unwrap_or_default()
    }
}
