//! 0.9.0: the OpenCensus exporter has no `reconnection_delay` any more.

use super::Draft;
use crate::component::Kind;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    for id in draft.ids(Kind::Exporter, "opencensus") {
        if draft.body(Kind::Exporter, &id).and_then(|body| body.remove("reconnection_delay")).is_some() {
            draft.note(format!(
                "upgrade to v0.9.0 removed the property reconnection_delay for exporter \"{id}\""
            ));
        }
    }
    Ok(())
}
