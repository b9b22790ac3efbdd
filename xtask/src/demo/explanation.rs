//! The sentences behind a verdict, from `otel-operator explain`.

use std::{path::Path, process::Command};

use serde_json::Value;

use super::row::Row;

/// Adds why and fix where something was not instrumented: to each verdict that is not `Injected`, and to a workload
/// that asked for nothing but looks as if somebody meant it to. Without an explanation the reason codes must do.
pub(crate) fn add(row: &mut Row, operator: &Path, kubeconfig: &Path) {
    if !row.verdicts.is_empty() && row.verdicts.iter().all(|v| v.reason == "Injected") {
        return;
    }
    let Some(explanation) = explain(row, operator, kubeconfig) else { return };
    let workload = &explanation["workloads"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for verdict in row.verdicts.iter_mut().filter(|v| v.reason != "Injected") {
        let rows = workload["rows"].as_array().into_iter().flatten();
        let mut same = rows.filter(|r| r["language"] == *verdict.language && r["verdict"] == *verdict.reason);
        if let Some(found) = same.next() {
            (verdict.why, verdict.fix) = (text(&found["message"]), text(&found["fix"]));
        }
    }
    if row.verdicts.is_empty() {
        let finding = &workload["findings"][0];
        (row.hint, row.hint_fix) = (text(&finding["problem"]), text(&finding["fix"]));
    }
}

/// Of the workload, not of its pod: a pod only knows the reason codes.
fn explain(row: &Row, operator: &Path, kubeconfig: &Path) -> Option<Value> {
    let output = Command::new(operator)
        .args(["explain", &row.reference, "--namespace", &row.namespace, "--output", "json"])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .output()
        .ok()?;
    serde_json::from_slice(&output.stdout).ok()
}
