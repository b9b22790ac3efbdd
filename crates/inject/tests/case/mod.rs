//! The form of a case file. `cases/README.md` explains it to people who write one.

pub(crate) mod expected;
pub(crate) mod given;

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// A case file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Case {
    /// Row of the test matrix.
    pub(crate) row: Option<u16>,
    /// What is shown, in one sentence.
    pub(crate) what: String,
    /// Why the result is not the reference's: key of the entry in docs/differences, and a sentence.
    #[serde(default)]
    pub(crate) differs: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) settings: given::SettingsForm,
    #[serde(default)]
    pub(crate) namespace: given::NamespaceForm,
    /// Merged over the spec of the fixture's Instrumentation `inst`.
    pub(crate) instrumentation: Option<Value>,
    /// All Instrumentations, instead of the fixture's.
    pub(crate) instrumentations: Option<Vec<given::InstrumentationForm>>,
    /// The OpenTelemetryCollectors.
    #[serde(default)]
    pub(crate) collectors: Vec<given::CollectorForm>,
    #[serde(default)]
    pub(crate) facts: given::FactsForm,
    /// Annotations of the pod; `instrumentation.opentelemetry.io/` is put before keys without a slash.
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Merged over the fixture's container `app`.
    pub(crate) app: Option<Value>,
    /// Merged over the fixture's pod.
    pub(crate) pod: Option<Value>,
    /// The text in the place of the pod.
    pub(crate) raw_pod: Option<String>,
    pub(crate) expect: expected::Expect,
}

/// Every case by its file name without the ending, in order.
pub(crate) fn all() -> BTreeMap<String, Result<Case, String>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder of the cases is there") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a case can be read");
            cases.insert(name, serde_saphyr::from_str(&text).map_err(|e| format!("no case file: {e}")));
        }
    }
    cases
}

/// JSON merge patch (RFC 7396).
pub(crate) fn merge(into: &mut Value, over: &Value) {
    json_patch::merge(into, over);
}
