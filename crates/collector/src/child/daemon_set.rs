//! The DaemonSet (collector.md 11.4).

use api::collector::v1beta1::Mode;

use crate::{build::Built, context::Context, object::passed_on, workload};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if context.spec().mode != Mode::DaemonSet {
        return;
    }
    let mut spec = workload::spec(context, built);
    spec.option("updateStrategy", context.spec().daemon_set_update_strategy.as_ref().map(passed_on));
    built.push(workload::child(context, "DaemonSet", spec));
}
