//! Numbers about the controllers, under the names of controller-runtime.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::Seconds;

/// How a pass over an object ended, as controller-runtime calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// All is well.
    Success,
    /// Something is not as it should be.
    Error,
    /// The object is looked at again after a while, whether it changes or not.
    RequeueAfter,
}

impl Pass {
    fn word(self) -> &'static str {
        match self {
            Pass::Success => "success",
            Pass::Error => "error",
            Pass::RequeueAfter => "requeue_after",
        }
    }
}

/// Labels of passes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PassLabels {
    controller: &'static str,
    result: &'static str,
}

/// Labels of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerLabels {
    controller: &'static str,
}

/// Labels of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct QueueLabels {
    name: &'static str,
    controller: &'static str,
}

/// Numbers about the controllers.
#[derive(Debug, Default)]
pub struct Controllers {
    /// `controller_runtime_reconcile_total{controller,result}`
    passes: Family<PassLabels, Counter>,
    /// `controller_runtime_reconcile_errors_total{controller}`
    errors: Family<ControllerLabels, Counter>,
    /// `controller_runtime_reconcile_time_seconds{controller}`
    seconds: Family<ControllerLabels, Seconds>,
    /// `workqueue_depth{name,controller}`
    depth: Family<QueueLabels, Gauge>,
}

impl Controllers {
    /// One pass over one object.
    pub fn pass(&self, controller: &'static str, pass: Pass, took: Duration) {
        self.passes.get_or_create(&PassLabels { controller, result: pass.word() }).inc();
        self.seconds.get_or_create(&ControllerLabels { controller }).observe(took);
        let errors = self.errors.get_or_create(&ControllerLabels { controller });
        if pass == Pass::Error {
            errors.inc();
        }
    }

    /// The gauge of how many objects wait to be looked at.
    pub fn depth(&self, controller: &'static str) -> Gauge {
        self.depth.get_or_create(&QueueLabels { name: controller, controller }).clone()
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "controller_runtime_reconcile",
            "Passes over objects by how they ended",
            self.passes.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Passes over objects that failed",
            self.errors.clone(),
        );
        registry.register_with_unit(
            "controller_runtime_reconcile_time",
            "Time of a pass over an object",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "workqueue_depth",
            "Objects that wait to be looked at, those with an appointment included",
            self.depth.clone(),
        );
    }
}
