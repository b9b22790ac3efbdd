//! 0.31.0: the InfluxDB receiver has no `metrics_schema` any more.

use super::Draft;
use crate::component::Kind;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    for id in draft.ids(Kind::Receiver, "influxdb") {
        let Some(body) = draft.body(Kind::Receiver, &id) else { continue };
        let before = body.len();
        body.retain(|key, _| !key.starts_with("metrics_schema"));
        if body.len() != before {
            draft.note(format!(
                "upgrade to v0.31.0 dropped the 'metrics_schema' field from receiver \"{id}\""
            ));
        }
    }
    Ok(())
}
