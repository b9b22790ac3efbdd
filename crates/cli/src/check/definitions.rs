//! The custom resource definitions.

use serde_json::Value;

use super::{Seen, catalogue::Check, items, sheet::Sheet, text, title};
use crate::cluster::Cluster;

const KIND: &str = "CustomResourceDefinition";

/// Compares them with those of this release.
pub(super) fn check(_: &Cluster, seen: &Seen, sheet: &mut Sheet) {
    for made in
        [Check::DefinitionMissing, Check::DefinitionVersion, Check::ConversionWebhook, Check::StoredVersions]
    {
        sheet.made(made, "");
    }
    for wanted in operator::manifest::crds() {
        let name = text(&wanted, "/metadata/name");
        let found = seen.definitions.iter().find(|found| text(found, "/metadata/name") == name);
        match found {
            None => sheet.error(Check::DefinitionMissing, "", format!("{name} is not installed"), ""),
            Some(found) => compare(&wanted, found, sheet),
        }
    }
}

fn compare(wanted: &Value, found: &Value, sheet: &mut Sheet) {
    let title = || title(KIND, found);
    let condition = |kind: &str| {
        let conditions = items(found, "/status/conditions");
        conditions.iter().find(|c| text(c, "/type") == kind).is_some_and(|c| text(c, "/status") == "True")
    };
    if !condition("Established") {
        let message = "the API server has not established it; its conditions say why";
        sheet.error(
            Check::DefinitionMissing,
            title(),
            message,
            "kubectl describe crd, and apply otel-operator crds",
        );
    }
    let flag = |version: &Value, key: &str| version.get(key) == Some(&Value::Bool(true));
    for version in items(wanted, "/spec/versions") {
        let name = text(version, "/name");
        let there = items(found, "/spec/versions").iter().find(|v| text(v, "/name") == name);
        let message = match there {
            None => format!("version {name} is missing"),
            Some(there) if flag(version, "served") && !flag(there, "served") => {
                format!("version {name} is not served")
            }
            Some(there) if flag(version, "storage") != flag(there, "storage") => {
                let is = if flag(there, "storage") { "is" } else { "is not" };
                format!("version {name} {is} the one that is stored")
            }
            Some(_) => continue,
        };
        sheet.error(Check::DefinitionVersion, title(), message, "");
    }
    let stored: Vec<&str> = items(wanted, "/spec/versions")
        .iter()
        .filter(|version| flag(version, "storage"))
        .map(|version| text(version, "/name"))
        .collect();
    let old: Vec<&str> = items(found, "/status/storedVersions")
        .iter()
        .filter_map(Value::as_str)
        .filter(|version| !stored.contains(version))
        .collect();
    if !old.is_empty() {
        sheet.warn(
            Check::StoredVersions,
            title(),
            format!("objects may be stored as {}", old.join(", ")),
            "",
        );
    }
    if wanted.pointer("/spec/conversion/webhook").is_some() {
        let strategy = text(found, "/spec/conversion/strategy");
        if strategy != "Webhook" {
            sheet.error(
                Check::ConversionWebhook,
                title(),
                format!("spec.conversion.strategy is {strategy}, not Webhook"),
                "",
            );
        }
    }
}
