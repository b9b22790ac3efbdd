//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>), which code hosts show beside the lines.

use serde_json::{Value, json};

use super::File;
use crate::check::{Code, Finding, Severity};

/// All findings as a SARIF log with one run; `version` is that of the program.
pub fn sarif(files: &[File<'_>], version: &str) -> Value {
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            json!({
                "id": code.code(),
                "shortDescription": {"text": code.sentence()},
                "help": {"text": code.fix()},
                "defaultConfiguration": {"level": level(code.severity())},
            })
        })
        .collect();
    let results: Vec<Value> =
        files.iter().flat_map(|file| file.findings.iter().map(|finding| result(file, finding))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "otel-operator", "version": version, "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(file: &File<'_>, finding: &Finding) -> Value {
    let mut location = json!({
        "physicalLocation": {"artifactLocation": {"uri": file.name}},
        "logicalLocations": [{"fullyQualifiedName": finding.path.to_string()}],
    });
    if let Some(position) = finding.position {
        location["physicalLocation"]["region"] = json!({
            "startLine": position.line,
            "startColumn": position.column,
            "endColumn": position.column + position.length,
        });
    }
    json!({
        "ruleId": finding.code.code(),
        "ruleIndex": finding.code as usize,
        "level": level(finding.severity),
        "message": {"text": format!("{}; {}", finding.sentence, finding.fix)},
        "locations": [location],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Advice => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::lint_text, settings::DEFAULT_IMAGE};

    #[test]
    fn results_point_at_their_rule_and_line() {
        let text = "receivers: {}\nservice:\n  pipelines: {}\n";
        let lint = lint_text(text, DEFAULT_IMAGE);
        let log = sarif(&[File { name: "a.yaml", text, findings: &lint.findings }], "0.158.0");
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "no-pipelines");
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], "no-pipelines");
        assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 3);
    }
}
