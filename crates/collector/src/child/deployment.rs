//! The Deployment (collector.md 11.4).

use api::collector::v1beta1::Mode;

use crate::{build::Built, context::Context, object::passed_on, workload};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if context.spec().mode != Mode::Deployment {
        return;
    }
    let mut spec = workload::spec(context, built);
    spec.option("replicas", workload::replicas(context));
    spec.option("strategy", context.spec().deployment_update_strategy.as_ref().map(passed_on));
    built.push(workload::child(context, "Deployment", spec));
}
