//! Documents that are generated from tables of the code are up to date. `UPDATE_EXPECT=1` writes them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use operator::{event, metrics::table};

fn path(name: &str) -> String {
    format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn is_up_to_date(name: &str, wanted: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path(name), wanted).unwrap();
    }
    let written = fs::read_to_string(path(name)).unwrap_or_default();
    assert!(
        written == wanted,
        "docs/{name} is old: run UPDATE_EXPECT=1 cargo test -p otel-operator-process --test documents"
    );
}

/// A row that is tested names a file, and a test in it.
#[test]
fn every_row_of_the_table_names_a_test_that_exists() {
    let root = format!("{}/../..", env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(format!("{root}/testing/rows/operator-process.tsv")).unwrap();
    let mut rows = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [row, _, "tested", place] = fields[..] else { continue };
        let (file, test) = place.split_once(' ').unwrap_or((place, ""));
        let text =
            fs::read_to_string(format!("{root}/{file}")).unwrap_or_else(|e| panic!("{row}: {file}: {e}"));
        assert!(test.is_empty() || text.contains(&format!("fn {test}(")), "{row}: {file} has no test {test}");
        rows += 1;
    }
    assert!(rows > 60, "{rows}");
}

#[test]
fn troubleshooting_has_a_section_for_each_reason_code_and_is_up_to_date() {
    const MARK: &str = "<!-- generated: do not edit below -->\n";
    let text = fs::read_to_string(path("troubleshooting.md")).unwrap();
    let (written, _) = text.split_once(MARK).unwrap();
    let wanted = format!("{written}{MARK}\n{}", inject::explanation::markdown().trim_end().to_owned() + "\n");
    is_up_to_date("troubleshooting.md", &wanted);
    // Links within the page lead to a section.
    let sections: Vec<String> = wanted
        .lines()
        .filter_map(|line| line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    for link in wanted.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(sections.iter().any(|section| section == link), "no section {link}");
    }
}

#[test]
fn the_reference_of_events_is_up_to_date() {
    let wanted = format!(
        "# Events\n\nEvents are recorded with `events.k8s.io/v1` by `opentelemetry-operator`. Those about injection stand on the workload that owns the pod (Deployment, StatefulSet, \
         DaemonSet, CronJob, or whatever controls it), on the pod itself when nobody owns it, else on its Namespace. The note holds what happened, what to do, and the reason code; \
         [troubleshooting](troubleshooting.md#reason-codes) explains each. The same thing about the same workload is one event within ten minutes, with a count. Dry runs record nothing, and a \
         queue that is full drops events rather than delay a pod.\n\n{}",
        event::table::markdown()
    );
    is_up_to_date("reference-events.md", &wanted);
}

#[test]
fn the_reference_of_metrics_is_up_to_date() {
    let wanted = format!(
        "# Metrics\n\n`/metrics` has the OpenMetrics text format. By default it is HTTPS on port 8443, for clients that may `get` the non-resource URL `/metrics`. Names that \
         the Go operator has too keep their meaning; `go_*` are not there, because this operator is not written in Go. Labels have few values: no name of a pod, workload or namespace is one.\n\n{}",
        table::markdown()
    );
    is_up_to_date("reference-metrics.md", &wanted);
}

#[test]
fn every_metric_of_the_reference_is_registered() {
    // What a running process shows is compared with the reference in crates/cli/tests/seeing.rs; a family without values is not shown.
    let folder = format!("{}/src/metrics", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources: String = files
        .filter(|path| path.file_name().is_none_or(|name| name != "table.rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for line in table::LINES.iter().filter(|line| !line.name.starts_with("opentelemetry_collector_")) {
        let family = line.family();
        let base =
            family.strip_suffix("_seconds").or_else(|| family.strip_suffix("_bytes")).unwrap_or(family);
        assert!(sources.contains(&format!("\"{base}\"")), "{} is not registered", line.name);
    }
}
