//! The corpus of configurations: nothing is found in `lint/good`, and in `lint/bad` exactly what the comments say.
//!
//! A comment below a line marks its column: `# ^ code` where the caret is, `#~ code` where the `#` is. `# at 3:7 code` names
//! line and column.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

#[path = "lint/hostile.rs"]
mod hostile;

use std::{collections::BTreeSet, fs, path::PathBuf};

use collector::{
    check::{Code, Severity, lint_text, render},
    settings::DEFAULT_IMAGE,
};

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lint").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// `line:column code`, sorted.
fn expected(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        let Some((hash, comment)) = line.split_once('#').map(|(before, after)| (before.len(), after)) else {
            last = index + 1;
            continue;
        };
        if !line.trim_start().starts_with('#') {
            last = index + 1;
            continue;
        }
        let comment_text = comment.trim_start();
        if let Some(place) = comment_text.strip_prefix("at ") {
            found.push(place.to_owned());
        } else if let Some(code) = comment.strip_prefix('~') {
            found.push(format!("{last}:{} {}", hash + 1, code.trim()));
        } else if let Some(code) = comment_text.strip_prefix('^') {
            let column = line.find('^').unwrap() + 1;
            found.push(format!("{last}:{column} {}", code.trim_start_matches('^').trim()));
        } else {
            last = index + 1;
        }
    }
    found.sort();
    found
}

fn found(text: &str) -> Vec<String> {
    let mut found: Vec<String> = lint_text(text, DEFAULT_IMAGE)
        .findings
        .iter()
        .map(|finding| {
            let position = finding.position.unwrap_or_else(|| panic!("no position: {finding}"));
            format!("{}:{} {}", position.line, position.column, finding.code.code())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn bad_configurations_are_found_out_at_the_right_place() {
    let mut failures = Vec::new();
    for (name, text) in files("bad") {
        let (expected, found) = (expected(&text), found(&text));
        assert!(!expected.is_empty(), "{name} expects nothing");
        if expected != found {
            failures.push(format!("{name}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn nothing_is_found_in_good_configurations() {
    for (name, text) in files("good") {
        let lint = lint_text(&text, DEFAULT_IMAGE);
        let shown = render::text(render::File { name: &name, text: &text, findings: &lint.findings });
        assert!(lint.findings.is_empty(), "\n{shown}");
        assert!(lint.configurations > 0, "{name} holds no configuration");
    }
}

#[test]
fn the_corpus_is_large_and_has_every_code() {
    let bad = files("bad");
    assert!(bad.len() >= 60 && files("good").len() >= 20, "{} bad ones", bad.len());
    let seen: BTreeSet<String> = bad
        .iter()
        .flat_map(|(_, text)| expected(text))
        .filter_map(|line| line.split_once(' ').map(|(_, code)| code.to_owned()))
        .collect();
    let missing: Vec<&str> =
        Code::ALL.iter().map(|code| code.code()).filter(|code| !seen.contains(*code)).collect();
    assert!(missing.is_empty(), "no example of {missing:?}");
}

#[test]
fn the_page_of_the_documentation_is_the_table() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md");
    let page = render::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), page, "run the test with UPDATE_DOCS=1");
}

#[test]
fn the_catalogue_makes_errors_of_its_own_release_alone() {
    let severity = |image: &str| {
        let text = format!(
            "kind: OpenTelemetryCollector\nspec:\n  image: {image}\n  config:\n    receivers: {{filelog: {{include: [a]}}}}\n    \
             processors: {{memory_limiter: {{}}}}\n    exporters: {{debug: {{}}}}\n    service:\n      pipelines:\n        \
             logs: {{receivers: [filelog], processors: [memory_limiter], exporters: [debug]}}\n"
        );
        lint_text(&text, DEFAULT_IMAGE).findings.first().map(|finding| finding.severity)
    };
    assert_eq!(severity("opentelemetry-collector:0.158.0"), Some(Severity::Error));
    assert_eq!(severity("opentelemetry-collector:0.120.0"), Some(Severity::Warning));
    assert_eq!(severity("opentelemetry-collector-contrib:0.158.0"), None);
    assert_eq!(severity("example.com/own:1"), None);
}
