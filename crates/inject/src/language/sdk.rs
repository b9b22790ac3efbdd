//! SDK settings only: environment variables for an application that brings its own SDK (spec 6.8).

use super::Outcomes;
use crate::{
    context::Context,
    draft::{Draft, Place},
    sdk_environment,
    verdict::Decline,
};

pub(super) fn inject(
    context: &Context<'_>,
    draft: &mut Draft,
    targets: &[Place],
) -> Result<Outcomes, Decline> {
    let mut outcomes = Outcomes::new();
    for &target in targets {
        sdk_environment::add_common(context, &mut draft.at_mut(target).env);
        sdk_environment::configure(context, draft, target, target);
        outcomes.push((target, Ok(())));
    }
    Ok(outcomes)
}
