//! The ServiceAccount of the pods, unless the user names one (collector.md 11.3).

use crate::{build::Built, context::Context, object::Fields};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if !context.spec().service_account.is_empty() {
        return;
    }
    let name = context.collector_name();
    let labels = context.labels(&name);
    built.push(context.child(
        ("v1", "ServiceAccount"),
        name,
        labels,
        context.annotations.clone(),
        Fields::new(),
    ));
}
