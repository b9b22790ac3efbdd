//! The sentences behind a verdict, from `otel-operator explain`.

use std::{path::Path, process::Command};

use serde_json::Value;

use super::row::Row;

/// Adds why and fix to verdicts that are not `Injected`. Without an explanation the reason codes must do.
pub(crate) fn add(row: &mut Row, operator: &Path, kubeconfig: &Path) {
    if row.verdicts.iter().all(|v| v.reason == "Injected") && !row.verdicts.is_empty() {
        return;
    }
    let Some(explanation) = explain(row, operator, kubeconfig) else { return };
    for verdict in &mut row.verdicts {
        let Some(found) = find(&explanation, &verdict.language, &verdict.reason) else { continue };
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        (verdict.why, verdict.fix) = (text("message"), text("fix"));
    }
}

fn explain(row: &Row, operator: &Path, kubeconfig: &Path) -> Option<Value> {
    let output = Command::new(operator)
        .args(["explain", &format!("pod/{}", row.pod), "--namespace", &row.namespace, "--output", "json"])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .output()
        .ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

/// The verdict on this language with this reason, wherever it is in the explanation.
fn find<'a>(value: &'a Value, language: &str, reason: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => {
            let is = |key: &str, text: &str| map.get(key).and_then(Value::as_str) == Some(text);
            if is("language", language) && is("reason", reason) {
                return Some(value);
            }
            map.values().find_map(|v| find(v, language, reason))
        }
        Value::Array(items) => items.iter().find_map(|v| find(v, language, reason)),
        _ => None,
    }
}
