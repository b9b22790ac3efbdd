//! 0.61.0: the Jaeger receiver has no remote sampling any more. Nobody can move that automatically.

use super::Draft;
use crate::component::Kind;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    for id in draft.ids(Kind::Receiver, "jaeger") {
        if draft.body(Kind::Receiver, &id).is_some_and(|body| body.contains_key("remote_sampling")) {
            return Err(
                "jaegerremotesampling is no longer available as receiver configuration. Please use the extension instead with a \
                 different remote sampling port. See: \
                 https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/extension/jaegerremotesampling"
                    .to_owned()
                    + &format!("; remove spec.config.receivers.{id}.remote_sampling"),
            );
        }
    }
    Ok(())
}
