//! 0.110.0: the old default host is gone, and its gate with it.

use super::{Draft, v0_104_0::LOCALHOST_GATE};

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    draft.remove_feature_gate(LOCALHOST_GATE);
    Ok(())
}
