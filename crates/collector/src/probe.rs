//! The probes of the collector's container (collector.md 12.3).

use api::collector::v1beta1::Probe;
use serde_json::{Value, json};

use crate::{build::Warning, component, config::Config, object::Fields};

/// Writes the probes that ask the health check extension, if there is one.
pub(crate) fn add(
    container: &mut Fields,
    spec: &api::collector::v1beta1::OpenTelemetryCollectorSpec,
    config: &Config<'_>,
    warnings: &mut Vec<Warning>,
) {
    let asked = match component::probe(config) {
        Ok(Some(asked)) => asked,
        Ok(None) => return,
        Err(problem) => {
            warnings
                .push(Warning::new(format!("spec.config.{}", problem.path), format!("no probes: {problem}")));
            return;
        }
    };
    container.set("livenessProbe", probe(&asked, spec.liveness_probe.as_ref()));
    let mut readiness = spec.readiness_probe.clone();
    if let Some(times) = &mut readiness
        && times.termination_grace_period_seconds.take().is_some()
    {
        warnings.push(Warning::new(
            "spec.readinessProbe.terminationGracePeriodSeconds",
            "ignored, Kubernetes has no such field for readiness probes; remove it",
        ));
    }
    container.set("readinessProbe", probe(&asked, readiness.as_ref()));
    container.set("startupProbe", probe(&asked, spec.startup_probe.as_ref()));
}

fn probe(asked: &component::Probe, times: Option<&Probe>) -> Value {
    let mut probe = Fields::new();
    probe.set("httpGet", json!({"path": asked.path, "port": asked.port}));
    if let Some(times) = times {
        probe.option("initialDelaySeconds", times.initial_delay_seconds);
        probe.option("timeoutSeconds", times.timeout_seconds);
        probe.option("periodSeconds", times.period_seconds);
        probe.option("successThreshold", times.success_threshold);
        probe.option("failureThreshold", times.failure_threshold);
        probe.option("terminationGracePeriodSeconds", times.termination_grace_period_seconds);
    }
    probe.into()
}
