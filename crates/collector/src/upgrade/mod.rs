//! What changes in a collector that an older operator left, one file for each version (collector.md 15).
//!
//! Every step edits the raw v1beta1 object in place: what it does not know stays.

mod draft;
mod v0_104_0;
mod v0_105_0;
mod v0_110_0;
mod v0_111_0;
mod v0_122_0;
mod v0_15_0;
mod v0_19_0;
mod v0_24_0;
mod v0_31_0;
mod v0_36_0;
mod v0_38_0;
mod v0_39_0;
mod v0_41_0;
mod v0_43_0;
mod v0_56_0;
mod v0_57_2;
mod v0_61_0;
mod v0_9_0;

use draft::Draft;
use json_patch::PatchOperation;
use semver::Version;
use serde_json::Value;

/// What an operator of another version means for one collector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upgrade {
    /// Changes of metadata and spec; empty when there is nothing to write.
    pub patch: Vec<PatchOperation>,
    /// The new `status.version`; none: it stays.
    pub version: Option<String>,
    /// Events to record on the collector, reason and action `Upgrade`.
    pub notes: Vec<Note>,
    /// Why the upgrade is not possible. Nothing is to be written then.
    pub error: Option<String>,
}

/// An event about an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether the user has to look.
    pub warning: bool,
    /// What was changed.
    pub text: String,
}

impl Upgrade {
    /// Whether nothing is to be done.
    pub fn is_unchanged(&self) -> bool {
        *self == Upgrade::default()
    }
}

/// One version's changes.
type Step = fn(&mut Draft<'_>) -> Result<(), String>;

/// The steps, oldest first. Versions that are not listed change nothing.
const STEPS: [((u64, u64, u64), Step); 18] = [
    ((0, 9, 0), v0_9_0::apply),
    ((0, 15, 0), v0_15_0::apply),
    ((0, 19, 0), v0_19_0::apply),
    ((0, 24, 0), v0_24_0::apply),
    ((0, 31, 0), v0_31_0::apply),
    ((0, 36, 0), v0_36_0::apply),
    ((0, 38, 0), v0_38_0::apply),
    ((0, 39, 0), v0_39_0::apply),
    ((0, 41, 0), v0_41_0::apply),
    ((0, 43, 0), v0_43_0::apply),
    ((0, 56, 0), v0_56_0::apply),
    ((0, 57, 2), v0_57_2::apply),
    ((0, 61, 0), v0_61_0::apply),
    ((0, 104, 0), v0_104_0::apply),
    ((0, 105, 0), v0_105_0::apply),
    ((0, 110, 0), v0_110_0::apply),
    ((0, 111, 0), v0_111_0::apply),
    ((0, 122, 0), v0_122_0::apply),
];

const NOT_POSSIBLE: &str = "automated update not possible. Configuration must be corrected manually and CR instance must be re-created.";

/// Decides what an operator whose collectors have the version `target` changes in a stored collector.
///
/// Nothing, if the collector was never reconciled, is of this version or a newer one, is unmanaged, or asks not to be upgraded.
pub fn upgrade(raw: &Value, target: &Version) -> Upgrade {
    let text = |pointer: &str| raw.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let present = text("/status/version");
    let left_alone = text("/spec/managementState") == "unmanaged" || text("/spec/upgradeStrategy") == "none";
    if present.is_empty() || left_alone || present == target.to_string() {
        return Upgrade::default();
    }
    let version = match Version::parse(present.trim_start_matches('v')) {
        Ok(version) => version,
        Err(error) => {
            return failed(format!(
                "status.version is {present}, which is no version ({error}); set it to the collector's version"
            ));
        }
    };
    if version >= *target {
        return Upgrade::default();
    }
    let mut object = raw.clone();
    let mut draft = Draft::new(&mut object);
    for ((major, minor, patch), step) in STEPS {
        let step_version = Version::new(major, minor, patch);
        if step_version > version
            && step_version <= *target
            && let Err(error) = step(&mut draft)
        {
            return failed(error);
        }
    }
    let notes = draft.notes;
    Upgrade { patch: json_patch::diff(raw, &object).0, version: Some(target.to_string()), notes, error: None }
}

fn failed(error: String) -> Upgrade {
    Upgrade {
        notes: vec![Note { warning: true, text: format!("{NOT_POSSIBLE} {error}") }],
        error: Some(error),
        ..Upgrade::default()
    }
}
