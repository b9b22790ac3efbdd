//! Autoscaling.

use serde_json::Value;

use super::{
    defaulting::replicas,
    read::{field, items, number, text},
};

const PREFIX: &str = "the OpenTelemetry Spec autoscale configuration is incorrect, ";

/// What is wrong with `spec.autoscaler`.
pub(super) fn check(raw: &Value) -> Option<String> {
    let of = |key: &str| number(raw, &["spec", "autoscaler", key]);
    let (min, max) = (of("minReplicas"), of("maxReplicas"));
    let Some(max) = max else {
        return min.map(|_| {
            "spec.maxReplica must be set when spec.minReplica is set; set spec.autoscaler.maxReplicas"
                .to_owned()
        });
    };
    if let Some(replicas) = replicas(raw).filter(|replicas| *replicas > max) {
        return Some(format!(
            "{PREFIX}replicas must not be greater than maxReplicas; lower spec.replicas ({replicas}) or raise \
             spec.autoscaler.maxReplicas ({max})"
        ));
    }
    if let Some(min) = min.or_else(|| replicas(raw)).filter(|min| *min > max) {
        return Some(format!(
            "{PREFIX}minReplicas must not be greater than maxReplicas; lower spec.autoscaler.minReplicas ({min}) or raise \
             spec.autoscaler.maxReplicas ({max})"
        ));
    }
    windows(raw).or_else(|| metrics(raw))
}

fn windows(raw: &Value) -> Option<String> {
    ["scaleDown", "scaleUp"].into_iter().find_map(|direction| {
        let key = "stabilizationWindowSeconds";
        let window = number(raw, &["spec", "autoscaler", "behavior", direction, key])?;
        (!(0..=3600).contains(&window)).then(|| {
            format!(
                "{PREFIX}{direction}.{key} should be >=0 and <=3600; set spec.autoscaler.behavior.{direction}.{key} ({window}) to \
                 at most an hour"
            )
        })
    })
}

fn metrics(raw: &Value) -> Option<String> {
    items(raw, &["spec", "autoscaler", "metrics"]).iter().enumerate().find_map(|(index, metric)| {
        let at = format!("spec.autoscaler.metrics[{index}]");
        let kind = text(metric, &["type"]);
        if kind != "Pods" {
            return Some(format!(
                "{PREFIX}metric type unsupported. Expected metric of source type Pod; set {at}.type ({kind}) to Pods, or use \
                 targetCPUUtilization and targetMemoryUtilization"
            ));
        }
        let target = |key: &str| field(metric, &["pods", "target", key]);
        let (key, said) = match target("type").and_then(Value::as_str) {
            Some("AverageValue") => ("averageValue", "average value should be greater than 0"),
            Some("Value") => ("value", "value should be greater than 0"),
            _ => {
                return Some(format!(
                    "{PREFIX}invalid pods target type; set {at}.pods.target.type to AverageValue, and averageValue"
                ));
            }
        };
        (!target(key).is_some_and(is_positive)).then(|| {
            format!("{PREFIX}{said}; set {at}.pods.target.{key} to a quantity above 0, for example \"100\" or \"500m\"")
        })
    })
}

/// Whether a quantity is above zero. The API server checks its form.
fn is_positive(quantity: &Value) -> bool {
    match quantity {
        Value::Number(number) => number.as_f64().is_some_and(|n| n > 0.0),
        Value::String(text) => {
            let text = text.trim_start_matches('+');
            let digits =
                text.find(|c: char| !c.is_ascii_digit() && c != '.').map_or(text, |end| &text[..end]);
            !text.starts_with('-') && digits.bytes().any(|b| (b'1'..=b'9').contains(&b))
        }
        _ => false,
    }
}
