//! From a collector to the objects that should exist for it.

use std::fmt;

use api::collector::v1beta1::OpenTelemetryCollector;
use thiserror::Error;

use crate::{
    child::{self, Child},
    context::Context,
    settings::{Available, Namespace, Settings},
    takeover::{ExistingWorkload, Pods},
};

/// Everything that children depend on, gathered beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The collector, in its stored version.
    pub collector: &'a OpenTelemetryCollector,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// What the cluster offers.
    pub available: &'a Available,
    /// The collector's namespace.
    pub namespace: &'a Namespace,
    /// The workload that is there, of the kind and name that this collector has.
    pub existing: Option<&'a ExistingWorkload>,
}

/// The objects of a collector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// In the order in which they are applied: what others need first, the workload last.
    pub children: Vec<Child>,
    /// What becomes of the pods of the workload, which is the last child.
    pub pods: Pods,
    /// What was left out or changed, and why.
    pub warnings: Vec<Warning>,
}

impl Built {
    pub(crate) fn push(&mut self, child: Child) {
        self.children.push(child);
    }

    pub(crate) fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Warning::new(path, message));
    }
}

/// Something that a collector asks for and does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The field, for example `spec.ports[1]`.
    pub path: String,
    /// What is wrong with it and how it is put right.
    pub message: String,
}

impl Warning {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Warning { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Why nothing can be built for a collector. Nothing is applied and nothing is pruned then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// It wants a target allocator, which this operator does not make yet.
    #[error(
        "{field}: collectors with a target allocator are not supported yet; nothing is made or changed for this one"
    )]
    TargetAllocatorNotSupported {
        /// What asks for it: a field or a label.
        field: String,
    },
    /// Nobody can know where its own metrics are.
    #[error("spec.config.service.telemetry.metrics: {0}; write the port as a number")]
    MetricsPort(String),
}

impl BuildError {
    /// One word for the reason of a condition.
    pub fn reason(&self) -> &'static str {
        match self {
            BuildError::TargetAllocatorNotSupported { .. } => "TargetAllocatorNotSupported",
            BuildError::MetricsPort(_) => "ReconcileError",
        }
    }
}

/// Label of a collector that is fed by a target allocator of its own making.
pub const TARGET_ALLOCATOR_LABEL: &str = "opentelemetry.io/target-allocator";

/// All objects that should exist for a collector, dependencies first, the workload last.
///
/// # Errors
/// If nothing should be done about it: see [`BuildError`].
pub fn build(given: &Given<'_>) -> Result<Built, BuildError> {
    refuse_target_allocator(given.collector)?;
    let mut built = Built::default();
    let context = Context::new(given, &mut built.warnings)?;
    for add in child::IN_ORDER {
        add(&context, &mut built);
    }
    if let Some(workload) = built.children.last_mut().filter(|child| child.is_workload()) {
        built.pods = Pods::decide(given.collector, workload, given.existing);
        if built.pods == Pods::Kept {
            *workload = workload.with_pods_kept();
        }
    }
    Ok(built)
}

pub(crate) fn refuse_target_allocator(collector: &OpenTelemetryCollector) -> Result<(), BuildError> {
    let field = if collector.spec.target_allocator.as_ref().is_some_and(|allocator| allocator.enabled) {
        "spec.targetAllocator.enabled".to_owned()
    } else if collector.metadata.labels.get(TARGET_ALLOCATOR_LABEL).is_some_and(|name| !name.is_empty()) {
        format!("metadata.labels[{TARGET_ALLOCATOR_LABEL}]")
    } else {
        return Ok(());
    };
    Err(BuildError::TargetAllocatorNotSupported { field })
}
