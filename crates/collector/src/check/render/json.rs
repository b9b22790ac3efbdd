//! For programs.

use serde_json::{Value, json};

use super::File;

/// All findings as one JSON document: `{"findings": [{"file", "line", "column", "code", "severity", "object", "path",
/// "sentence", "fix"}]}`. Line and column are absent where they are not known.
pub fn json(files: &[File<'_>]) -> Value {
    let findings = files.iter().flat_map(|file| {
        file.findings.iter().map(|finding| {
            let mut value = json!({
                "file": file.name,
                "code": finding.code.code(),
                "severity": finding.severity,
                "object": finding.object,
                "path": finding.path.to_string(),
                "sentence": finding.sentence,
                "fix": finding.fix,
            });
            if let Some(position) = finding.position {
                value["line"] = position.line.into();
                value["column"] = position.column.into();
            }
            value
        })
    });
    json!({ "findings": findings.collect::<Vec<_>>() })
}
