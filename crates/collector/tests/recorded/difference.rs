//! Where children differ, and the list of reasons why they may.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

/// An entry of `differences.yaml`.
#[derive(Deserialize)]
pub(crate) struct Reason {
    /// Its key in `docs/differences/collector-children.md`, or one word for what only the recordings are concerned with.
    #[allow(dead_code, reason = "used where the entries are looked up")]
    pub(crate) reason: String,
    /// The fields of the object that differ: `/spec/ports/*`; `/` is the whole object, which only one side has.
    fields: Vec<String>,
    /// Where: `<record> <phase> <kind>/<name>`. Each must occur.
    pub(crate) children: BTreeSet<String>,
}

/// The list.
pub(crate) fn reasons() -> Vec<Reason> {
    serde_saphyr::from_str(include_str!("differences.yaml")).expect("differences.yaml is a list of reasons")
}

impl Reason {
    /// Whether this field may differ in this child.
    pub(crate) fn covers(&self, child: &str, field: &str) -> bool {
        self.children.contains(child) && self.fields.iter().any(|pattern| matches(pattern, field))
    }
}

fn matches(pattern: &str, field: &str) -> bool {
    let mut steps = field.split('/');
    pattern.split('/').all(|expected| steps.next().is_some_and(|step| expected == "*" || expected == step))
        && steps.next().is_none()
}

/// The fields in which two objects differ, as JSON pointers.
pub(crate) fn fields(ours: Option<&Value>, theirs: Option<&Value>) -> Vec<String> {
    let mut found = Vec::new();
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => compare(ours, theirs, "", &mut found),
        _ => found.push("/".to_owned()),
    }
    found
}

fn compare(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        _ if ours == theirs => {}
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => compare(a, b, &path, found),
                    _ => found.push(path),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(a, b, &format!("{path}/{index}"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}
