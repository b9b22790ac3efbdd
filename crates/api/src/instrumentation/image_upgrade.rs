//! The move of stored Instrumentations to the agent images of a new operator (spec 11).

use std::collections::BTreeMap;

use json_patch::{
    AddOperation, PatchOperation, TestOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::{Value, json};

use super::{
    blocked_version::crossed,
    read::{field, text},
};
use crate::{Language, Settings};

/// What an operator's start means for one Instrumentation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upgrade {
    /// Changes of metadata and spec; empty when there is nothing to write.
    ///
    /// Each change is preceded by a `test` of what it was decided on, so that an edit in between makes the API server
    /// refuse the patch, and the next try sees the edit.
    pub patch: Vec<PatchOperation>,
    /// The new `status.upgradeBlockedVersions`, only if it differs from the present one. Empty: clear it.
    pub status: Option<BTreeMap<String, String>>,
    /// Events to record on the object.
    pub events: Vec<UpgradeEvent>,
}

/// An event about an Instrumentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeEvent {
    /// The language it is about.
    pub language: Language,
    /// `Warning`.
    pub kind: &'static str,
    /// Reason, `UpgradeBlocked`.
    pub reason: &'static str,
    /// Action, `Upgrade-<language id>`.
    pub action: String,
    /// What happened and what to do.
    pub note: String,
}

impl Upgrade {
    /// Whether nothing is to be written. Events are recorded all the same.
    pub fn is_unchanged(&self) -> bool {
        self.patch.is_empty() && self.status.is_none()
    }

    /// The JSON merge patch for the status subresource of the object that the upgrade was computed for.
    pub fn status_merge_patch(&self, raw: &Value) -> Option<Value> {
        let status = self.status.as_ref()?;
        if status.is_empty() {
            return Some(json!({ "status": { "upgradeBlockedVersions": null } }));
        }
        let present = field(raw, &["status", "upgradeBlockedVersions"]).and_then(Value::as_object);
        let gone =
            present.into_iter().flat_map(|map| map.keys()).filter(|language| !status.contains_key(*language));
        let mut blocked: BTreeMap<&str, Option<&str>> =
            gone.map(|language| (language.as_str(), None)).collect();
        blocked.extend(status.iter().map(|(language, note)| (language.as_str(), Some(note.as_str()))));
        Some(json!({ "status": { "upgradeBlockedVersions": blocked } }))
    }
}

/// Decides what the start of an operator with these settings changes in one stored Instrumentation.
///
/// An image is the operator's while it equals the annotation that remembers the default it was filled in from (or
/// while there is none at all); only then it moves, together with the annotation. Languages that are switched off and
/// upgrades across a blocked version leave both as they are, so that they can still move later.
pub fn upgrade(raw: &Value, settings: &Settings) -> Upgrade {
    let mut upgrade = Upgrade::default();
    let mut blocked = BTreeMap::new();
    for language in Language::with_image().filter(|language| settings.enabled[*language]) {
        let info = language.info();
        let (Some(key), Some(name)) = (info.default_image_annotation, info.spec_field) else { continue };
        let target = settings.images[language].as_str();
        let recorded = text(raw, &["metadata", "annotations", key]);
        let image = text(raw, &["spec", name, "image"]);
        let operators_own = image == recorded || image.is_empty();
        if recorded.is_empty() || target.is_empty() || !operators_own {
            continue;
        }
        if let Some(version) = crossed(language, recorded, target) {
            let note = format!("Automated upgrade blocked for {language}: {}", version.message);
            upgrade.events.push(UpgradeEvent {
                language,
                kind: "Warning",
                reason: "UpgradeBlocked",
                action: format!("Upgrade-{language}"),
                note: note.clone(),
            });
            blocked.insert(language.id().to_owned(), note);
            continue;
        }
        replace(&mut upgrade.patch, &["metadata", "annotations", key], recorded, target);
        if field(raw, &["spec", name]).is_some_and(Value::is_object) {
            replace(&mut upgrade.patch, &["spec", name, "image"], image, target);
        }
    }
    if blocked != present_status(raw) {
        upgrade.status = Some(blocked);
    }
    upgrade
}

/// Adds the change from `present` to `target`, if it is one.
fn replace(patch: &mut Vec<PatchOperation>, path: &[&str], present: &str, target: &str) {
    if present == target {
        return;
    }
    let path = PointerBuf::from_tokens(path.iter().map(|key| Token::new(*key)));
    if !present.is_empty() {
        patch.push(PatchOperation::Test(TestOperation { path: path.clone(), value: present.into() }));
    }
    patch.push(PatchOperation::Add(AddOperation { path, value: target.into() }));
}

fn present_status(raw: &Value) -> BTreeMap<String, String> {
    let map = field(raw, &["status", "upgradeBlockedVersions"]).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .map(|(language, note)| (language.clone(), note.as_str().unwrap_or_default().to_owned()))
        .collect()
}
