//! Components and settings that collectors have removed or deprecated. The settings are those of the upgrade steps.

use semver::Version;
use serde_json::Value;

use super::{Code, Context, Finding, Severity};
use crate::{
    component::{Kind, catalogue::Distribution},
    config::{Config, Path, split_id},
};

/// Kind, type, release that removed it, replacement.
const COMPONENTS: &[(Kind, &str, (u64, u64), &str)] = &[
    (Kind::Exporter, "logging", (0, 111), "the exporter debug"),
    (Kind::Exporter, "jaeger", (0, 86), "the exporter otlp, which Jaeger understands"),
    (Kind::Exporter, "jaeger_thrift", (0, 86), "the exporter otlp, which Jaeger understands"),
    (Kind::Exporter, "loki", (0, 141), "the exporter otlphttp to Loki's /otlp"),
    (Kind::Exporter, "opencensus", (0, 141), "the exporter otlp"),
    (Kind::Exporter, "sapm", (0, 141), "the exporter otlphttp"),
    (
        Kind::Extension,
        "memory_ballast",
        (0, 111),
        "the environment variable GOMEMLIMIT, which the operator sets",
    ),
    (Kind::Processor, "queued_retry", (0, 19), "sending_queue and retry_on_failure of the exporters"),
    (Kind::Processor, "k8s_tagger", (0, 38), "the processor k8s_attributes"),
    (Kind::Receiver, "httpd", (0, 39), "the receiver apache"),
    (Kind::Receiver, "opencensus", (0, 141), "the receiver otlp"),
    (Kind::Receiver, "sapm", (0, 141), "the receiver otlp"),
];

/// Kind, type, path of keys, release that removed it, replacement.
type RemovedKey = (Kind, &'static str, &'static [&'static str], (u64, u64), &'static str);

const KEYS: &[RemovedKey] = &[
    (Kind::Extension, "health_check", &["port"], (0, 57), "endpoint"),
    (Kind::Receiver, "otlp", &["protocols", "grpc", "tls_settings"], (0, 36), "tls"),
    (Kind::Receiver, "otlp", &["protocols", "http", "tls_settings"], (0, 36), "tls"),
    (Kind::Receiver, "otlp", &["protocols", "http", "cors_allowed_origins"], (0, 41), "cors.allowed_origins"),
    (Kind::Receiver, "otlp", &["protocols", "http", "cors_allowed_headers"], (0, 41), "cors.allowed_headers"),
    (Kind::Receiver, "jaeger", &["remote_sampling"], (0, 61), "the extension jaegerremotesampling"),
    (Kind::Receiver, "influxdb", &["metrics_schema"], (0, 31), "nothing: remove it"),
    (
        Kind::Processor,
        "memory_limiter",
        &["ballast_size_mib"],
        (0, 39),
        "the environment variable GOMEMLIMIT, which the operator sets",
    ),
    (Kind::Processor, "resource", &["labels"], (0, 19), "attributes with the action upsert"),
    (
        Kind::Processor,
        "resource",
        &["type"],
        (0, 19),
        "attributes with the action upsert and the key opencensus.type",
    ),
    (Kind::Exporter, "opencensus", &["reconnection_delay"], (0, 9), "nothing: remove it"),
];

/// TLS settings that once stood directly in the OTLP exporters.
const OTLP_TLS: [&str; 8] = [
    "ca_file",
    "cert_file",
    "key_file",
    "min_version",
    "max_version",
    "insecure",
    "insecure_skip_verify",
    "server_name_override",
];

/// Whether the type is in the table of removed components.
pub(super) fn is_removed(kind: Kind, component_type: &str) -> bool {
    COMPONENTS.iter().any(|(k, name, ..)| *k == kind && *name == component_type)
}

pub(super) fn check(config: &Config<'_>, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let image = context.image.and_then(Distribution::of_image);
    // What is certain for an official image is a guess for one that somebody built.
    let official = context.image.is_none() || image.is_some();
    let version = image.and_then(|(_, version)| version);
    let concerns = |(major, minor): (u64, u64)| {
        version.as_ref().is_none_or(|version| *version >= Version::new(major, minor, 0))
    };
    let mut report = |code: Code, path: Path, sentence: String, replacement: &str| {
        let fix = match replacement.strip_prefix("nothing: ") {
            Some(fix) => fix.to_owned(),
            None => format!("use {replacement}"),
        };
        let finding = Finding::new(code, path, sentence, fix);
        findings.push(if official { finding } else { finding.milder(Severity::Warning) });
    };
    for kind in Kind::ALL {
        for (id, body) in config.enabled(kind) {
            let Some(body) = body else { continue };
            let name = split_id(id).0;
            let path = Path::of(&[kind.section(), id]);
            for (_, _, since, replacement) in COMPONENTS.iter().filter(|(k, n, ..)| *k == kind && *n == name)
            {
                if concerns(*since) {
                    let sentence = format!("{} {name} was removed in 0.{}", kind.name(), since.1);
                    report(Code::RemovedComponent, path.clone(), sentence, replacement);
                }
            }
            for (_, _, keys, since, replacement) in KEYS.iter().filter(|(k, n, ..)| *k == kind && *n == name)
            {
                let found = keys.iter().try_fold(*body, |value: &Value, key| value.get(key));
                if found.is_some() && concerns(*since) {
                    let path = keys.iter().fold(path.clone(), |path, key| path.join(*key));
                    let sentence =
                        format!("{} of {} {id} was removed in 0.{}", keys.join("."), kind.name(), since.1);
                    report(Code::RemovedKey, path, sentence, replacement);
                }
            }
            if kind == Kind::Exporter && matches!(name, "otlp" | "otlphttp") && concerns((0, 36)) {
                for key in OTLP_TLS.iter().filter(|key| body.get(**key).is_some()) {
                    let sentence = format!("{key} of exporter {id} was removed in 0.36");
                    report(Code::RemovedKey, path.join(*key), sentence, &format!("tls.{key}"));
                }
            }
        }
    }
    let address = config.telemetry().and_then(|t| t.get("metrics")).and_then(|m| m.get("address"));
    if address.and_then(Value::as_str).is_some_and(|a| !a.is_empty()) && concerns((0, 111)) {
        report(
            Code::DeprecatedKey,
            Path::of(&["service", "telemetry", "metrics", "address"]),
            "metrics.address is deprecated".to_owned(),
            "service.telemetry.metrics.readers with a Prometheus pull exporter",
        );
    }
}
