//! `lint` on the corpus of configurations: each planted mistake is found at its place, and nothing in the good ones.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn corpus(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/tests/lint").join(folder)
}

fn lint(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otel-operator"));
    command.arg("lint").args(arguments).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The codes that the comments of a configuration of the corpus name: `# ^ code`, `#~ code`, `# at 3:7 code`.
fn planted(file: &Path) -> BTreeSet<String> {
    let source = fs::read_to_string(file).unwrap();
    let comments = source.lines().filter_map(|line| line.trim_start().strip_prefix('#'));
    comments
        .filter_map(|comment| {
            let comment = comment.trim_start();
            let code = match (comment.strip_prefix("at "), comment.strip_prefix(['~', '^'])) {
                (Some(rest), _) => rest.split_once(' ')?.1,
                (_, Some(rest)) => rest.trim_start_matches('^'),
                _ => return None,
            };
            Some(code.trim().to_owned())
        })
        .collect()
}

#[test]
fn every_planted_mistake_is_found_and_the_exit_code_tells_the_worst() {
    let mut files = 0;
    for entry in fs::read_dir(corpus("bad")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap();
        let output = lint(&["-f", name, "-o", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let found: BTreeSet<String> =
            findings.iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, planted(&path), "{name}");
        let worst = |severity: &str| findings.iter().any(|f| f["severity"] == severity);
        let expected = if worst("error") { 2 } else { i32::from(worst("warning")) };
        assert_eq!(output.status.code(), Some(expected), "{name}");
        let line = findings[0]["line"].as_u64().unwrap();
        let shown = text(&lint(&["-f", name]).stdout);
        assert!(shown.contains(&format!("--> {name}:{line}:")), "{shown}");
        files += 1;
    }
    assert!(files >= 30, "{files}");
}

#[test]
fn nothing_is_said_about_good_configurations() {
    let output = lint(&["-f", corpus("good").to_str().unwrap()]);
    assert_eq!(
        (output.status.code(), text(&output.stdout), text(&output.stderr)),
        (Some(0), String::new(), String::new())
    );
}

#[test]
fn code_hosts_get_sarif() {
    let output = lint(&["-f", corpus("bad").to_str().unwrap(), "-o", "sarif", "--fail-on=never"]);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &log["version"]), (Some(0), &Value::from("2.1.0")));
    assert!(log["runs"][0]["results"].as_array().unwrap().len() >= 30);
}

#[test]
fn a_configuration_file_is_checked_for_the_distribution_that_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let config = "receivers: {filelog: {include: [/var/log/a]}}\nprocessors: {memory_limiter: {}}\nexporters: {debug: {}}\n\
                  service: {pipelines: {logs: {receivers: [filelog], processors: [memory_limiter], exporters: [debug]}}}\n";
    fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(lint(&["-f", file]).status.code(), Some(0));
    let core = lint(&["-f", file, "--distribution=core"]);
    assert_eq!(core.status.code(), Some(2));
    assert!(text(&core.stdout).contains("error[not-in-distribution]"), "{}", text(&core.stdout));
    let image = "--image=mirror.example/opentelemetry-collector-contrib:0.158.0";
    assert_eq!(lint(&["-f", file, image]).status.code(), Some(0));
}

#[test]
fn what_is_no_configuration_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.yaml");
    fs::write(&file, "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n").unwrap();
    let output = lint(&["-f", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("neither an OpenTelemetryCollector nor"));
    let output = lint(&["-f", folder.path().join("absent.yaml").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
}
