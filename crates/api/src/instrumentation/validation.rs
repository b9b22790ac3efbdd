//! Which Instrumentations are refused, and what their authors are told (spec 9).
//!
//! A message begins with the Go operator's text, misspellings included, since people and tests match on it; after `; `
//! comes what to do. The names in that text are not always the fields' own (`volumeSizeLimit`, `apachehttpd`); those
//! in our part are.

use serde_json::Value;

use super::{
    blocked_version::crossed,
    has_leaf,
    read::{field, text},
    sampler,
};
use crate::{Language, Settings};

/// The outcome of [`validate`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validated {
    /// What the user should know, in order; also given when the object is refused.
    pub warnings: Vec<String>,
    /// Why the object is refused (HTTP 403, reason `Forbidden`); none if it is accepted.
    pub error: Option<String>,
}

/// Checks an Instrumentation that is created or updated.
///
/// One that is being deleted is not refused either: the update that removes its last finalizer must get through.
pub fn validate(raw: &Value, settings: &Settings) -> Validated {
    if field(raw, &["metadata", "deletionTimestamp"]).is_some() {
        return validate_delete();
    }
    let mut warnings = Vec::new();
    blocked_images(raw, settings, &mut warnings);
    let kind = text(raw, &["spec", "sampler", "type"]);
    if kind.is_empty() {
        warnings.push(
            "sampler type not set; applications use their SDK's default (parentbased_always_on) unless \
             spec.sampler.type says otherwise"
                .to_owned(),
        );
    }
    let error =
        sampler::refusal(kind, text(raw, &["spec", "sampler", "argument"])).or_else(|| two_volume_sizes(raw));
    if error.is_none() {
        exporter(raw, &mut warnings);
        volume_limits(raw, &mut warnings);
        unknown_values(raw, &mut warnings);
    }
    Validated { warnings, error }
}

/// The answer for an Instrumentation that is deleted: never refused, or an object that newer rules do not like could
/// not even be removed.
pub fn validate_delete() -> Validated {
    Validated::default()
}

/// V1: images that the operator will not upgrade by itself.
fn blocked_images(raw: &Value, settings: &Settings, warnings: &mut Vec<String>) {
    for language in Language::with_image() {
        let Some(name) = language.info().spec_field else { continue };
        let image = text(raw, &["spec", name, "image"]);
        let default = &settings.images[language];
        if let Some(blocked) = crossed(language, image, default) {
            warnings.push(format!(
                "Instrumentation {}/{}: {language} image {image} is at a version that cannot be automatically upgraded. {}; \
                 set spec.{name}.image to {default} or remove it",
                text(raw, &["metadata", "namespace"]),
                text(raw, &["metadata", "name"]),
                blocked.message,
            ));
        }
    }
}

/// The languages in the order in which V7 reports them.
const TWO_VOLUME_SIZES: [Language; 7] = [
    Language::ApacheHttpd,
    Language::DotNet,
    Language::Go,
    Language::Java,
    Language::Nginx,
    Language::NodeJs,
    Language::Python,
];

/// The languages in the order in which V11 reports them.
const VOLUME_LIMITS: [Language; 7] = [
    Language::Java,
    Language::NodeJs,
    Language::Python,
    Language::DotNet,
    Language::Go,
    Language::ApacheHttpd,
    Language::Nginx,
];

/// V7: a claim template, of which at least one leaf is set, beside a size limit.
fn two_volume_sizes(raw: &Value) -> Option<String> {
    TWO_VOLUME_SIZES.into_iter().filter_map(|language| language.info().spec_field).find_map(|name| {
        let template = field(raw, &["spec", name, "volumeClaimTemplate"]).is_some_and(has_leaf);
        let limit = field(raw, &["spec", name, "volumeLimitSize"]).is_some();
        let said = name.to_lowercase();
        (template && limit).then(|| {
            format!(
                "spec.{said}.volumeClaimTemplate and spec.{said}.volumeSizeLimit cannot both be defined: unable to resolve \
                 volume size; remove spec.{name}.volumeLimitSize or spec.{name}.volumeClaimTemplate"
            )
        })
    })
}

/// V8 to V10.
fn exporter(raw: &Value, warnings: &mut Vec<String>) {
    let tls = ["spec", "exporter", "tls"];
    let endpoint = text(raw, &["spec", "exporter", "endpoint"]);
    let https = endpoint.starts_with("https://");
    let is_set = |name| !text(raw, &["spec", "exporter", "tls", name]).is_empty();
    if field(raw, &tls).is_none() {
        if https {
            warnings.push(
                "exporter is using https:// but exporter.tls is unset; set spec.exporter.tls.ca_file if the endpoint's \
                 certificate is not signed by an authority that the application's image trusts"
                    .to_owned(),
            );
        }
        return;
    }
    let (key, cert) = (is_set("key_file"), is_set("cert_file"));
    if key != cert {
        let missing = if key { "cert_file" } else { "key_file" };
        warnings.push(format!(
            "both exporter.tls.key and exporter.tls.cert mut be set; set spec.exporter.tls.{missing} too"
        ));
    }
    if !https {
        warnings.push(format!(
            "exporter.tls is configured but exporter.endpoint is not enabling TLS with https://; begin \
             spec.exporter.endpoint ({endpoint}) with https:// or remove spec.exporter.tls"
        ));
    }
}

/// V11, and what neither of the two volume settings does for Go.
fn volume_limits(raw: &Value, warnings: &mut Vec<String>) {
    for language in VOLUME_LIMITS {
        let Some(name) = language.info().spec_field else { continue };
        if field(raw, &["spec", name, "volumeLimitSize"]).is_some() {
            let said = name.to_lowercase();
            let fix = match language {
                Language::Go => "remove spec.go.volumeLimitSize, the Go agent has no such volume".to_owned(),
                _ => format!(
                    "the replacement of spec.{name}.volumeLimitSize is spec.{name}.volumeClaimTemplate"
                ),
            };
            warnings.push(format!(
                "spec.{said}.volumeSizeLimit is deprecated and will be removed in a future release; use \
                 spec.{said}.volume.size instead; {fix}"
            ));
        }
    }
    if field(raw, &["spec", "go", "volumeClaimTemplate"]).is_some_and(has_leaf) {
        warnings.push(
            "spec.go.volumeClaimTemplate has no effect; remove it, the Go agent has no such volume"
                .to_owned(),
        );
    }
}

/// Values that the schema lets through and nothing understands. They have always been stored, so they still are.
fn unknown_values(raw: &Value, warnings: &mut Vec<String>) {
    let policy = text(raw, &["spec", "imagePullPolicy"]);
    if !["", "Always", "IfNotPresent", "Never"].contains(&policy) {
        warnings.push(format!(
            "spec.imagePullPolicy is not a pull policy: {policy}; use Always, IfNotPresent or Never"
        ));
    }
    let version = text(raw, &["spec", "apacheHttpd", "version"]);
    if !["", "2.4", "2.2"].contains(&version) {
        warnings.push(format!(
            "spec.apacheHttpd.version is not known: {version}, it is treated as 2.4; use 2.4 or 2.2"
        ));
    }
}
