//! 0.105.0: the old expansion of variables is gone, and its gate with it.

use super::{Draft, v0_104_0::ENVIRONMENT_GATE};

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    if draft.has_prometheus_receiver() {
        draft.remove_feature_gate(ENVIRONMENT_GATE);
    }
    Ok(())
}
