//! 0.104.0: Prometheus receivers keep the old expansion of variables for a while, and servers their old default host.

use super::Draft;

pub(super) const ENVIRONMENT_GATE: &str = "-confmap.unifyEnvVarExpansion";
pub(super) const LOCALHOST_GATE: &str = "-component.UseLocalHostAsDefaultHost";

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    if draft.has_prometheus_receiver() {
        draft.add_feature_gate(ENVIRONMENT_GATE);
    }
    draft.add_feature_gate(LOCALHOST_GATE);
    let name = draft.name();
    draft.warn(format!(
        "otlp receivers is no longer listen on 0.0.0.0 as default configuration. The new default is localhost. Please revisit \
         your \"{name}\" configuration. See: https://github.com/open-telemetry/opentelemetry-collector/issues/8510"
    ));
    Ok(())
}
