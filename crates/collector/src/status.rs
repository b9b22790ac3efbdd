//! What is said about a collector in its status (collector.md 4).

use api::collector::v1beta1::{Condition, Mode, OpenTelemetryCollector, OpenTelemetryCollectorStatus};
use serde_json::Value;

use crate::label::{Labels, selector_text};

/// Type of the only condition.
pub const READY: &str = "Ready";

/// How the attempt to bring the collector about ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All children are as they should be.
    Reconciled,
    /// They are not, for this reason and with this message.
    Failed {
        /// One word.
        reason: String,
        /// A sentence.
        message: String,
    },
}

impl Outcome {
    fn condition(&self) -> (&'static str, &str, &str) {
        match self {
            Outcome::Reconciled => ("True", "Reconciled", "Successfully reconciled"),
            Outcome::Failed { reason, message } if message.is_empty() => {
                ("False", reason, "Reconciliation failed")
            }
            Outcome::Failed { reason, message } => ("False", reason, message),
        }
    }
}

/// The status that the collector should have. `workload` is its Deployment, DaemonSet or StatefulSet as the API server has it;
/// none when there is none yet, which counts as no replicas (WD11). `selector` are the labels by which its pods are selected (WO4),
/// `version` the version of collectors that this operator makes, `now` in RFC 3339.
pub fn status(
    collector: &OpenTelemetryCollector,
    outcome: &Outcome,
    selector: Option<&Labels>,
    workload: Option<&Value>,
    version: &str,
    now: &str,
) -> OpenTelemetryCollectorStatus {
    let mut status = collector.status.clone();
    let generation = collector.metadata.generation;
    status.observed_generation = Some(generation);
    if *outcome == Outcome::Reconciled {
        if status.version.is_empty() {
            version.clone_into(&mut status.version);
        }
        scale(&mut status, &collector.spec.mode, selector, workload);
    }
    let (state, reason, message) = outcome.condition();
    let before = status.conditions.iter().find(|c| c.kind == READY);
    let since = before.filter(|c| c.status == state).map(|c| c.last_transition_time.clone());
    let ready = Condition {
        kind: READY.to_owned(),
        status: state.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: since.unwrap_or_else(|| now.to_owned()),
        observed_generation: Some(generation),
    };
    match status.conditions.iter_mut().find(|c| c.kind == READY) {
        Some(condition) => *condition = ready,
        None => status.conditions.push(ready),
    }
    status
}

fn scale(
    status: &mut OpenTelemetryCollectorStatus,
    mode: &Mode,
    selector: Option<&Labels>,
    workload: Option<&Value>,
) {
    if *mode == Mode::Sidecar {
        status.scale.selector.clear();
        status.scale.replicas = Some(0);
        return;
    }
    let number = |field: &str| {
        let value = workload.and_then(|w| w["status"][field].as_i64()).unwrap_or_default();
        i32::try_from(value).unwrap_or(i32::MAX)
    };
    let (replicas, ready) = if *mode == Mode::DaemonSet {
        (number("desiredNumberScheduled"), number("numberReady"))
    } else {
        (number("replicas"), number("readyReplicas"))
    };
    status.scale.selector = selector.map(selector_text).unwrap_or_default();
    status.scale.replicas = Some(replicas);
    status.scale.status_replicas = format!("{ready}/{replicas}");
    let image = workload.and_then(|w| w["spec"]["template"]["spec"]["containers"][0]["image"].as_str());
    if let Some(image) = image {
        image.clone_into(&mut status.image);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn collector(value: Value) -> OpenTelemetryCollector {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn one_of_two_pods_is_ready() {
        let collector = collector(json!({"metadata": {"generation": 3}, "spec": {"mode": "deployment"}}));
        let workload = json!({
            "spec": {"template": {"spec": {"containers": [{"image": "img:1"}]}}},
            "status": {"replicas": 2, "readyReplicas": 1},
        });
        let status = status(&collector, &Outcome::Reconciled, None, Some(&workload), "0.158.0", "now");
        assert_eq!((status.scale.status_replicas.as_str(), status.scale.replicas), ("1/2", Some(2)));
        assert_eq!((status.version.as_str(), status.image.as_str()), ("0.158.0", "img:1"));
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.conditions[0].reason, "Reconciled");
    }

    #[test]
    fn the_transition_time_moves_only_with_the_state() {
        let mut collector = collector(json!({"metadata": {"generation": 1}}));
        let failed = Outcome::Failed { reason: "ReconcileError".to_owned(), message: "no".to_owned() };
        collector.status = status(&collector, &failed, None, None, "1", "t1");
        collector.status = status(&collector, &failed, None, None, "1", "t2");
        assert_eq!(collector.status.conditions[0].last_transition_time, "t1");
        collector.status = status(&collector, &Outcome::Reconciled, None, None, "1", "t3");
        assert_eq!(collector.status.conditions[0].last_transition_time, "t3");
        assert_eq!(collector.status.conditions.len(), 1);
    }
}
