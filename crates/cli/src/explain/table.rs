//! The report for people.

use std::fmt::Write as _;

use super::report::{Finding, Report, WorkloadReport};
use crate::colour::Colour;

const HEAD: [&str; 5] = ["CONTAINER", "LANGUAGE", "VERDICT", "INSTRUMENTATION", "ASKED BY"];

/// The report as a text.
pub(super) fn render(report: &Report, colour: Colour) -> String {
    let mut out = format!("settings: {}\n", report.settings);
    for workload in &report.workloads {
        out.push('\n');
        render_workload(&mut out, workload, colour);
    }
    if !report.findings.is_empty() {
        out.push('\n');
        findings(&mut out, &report.findings, "", colour);
    }
    out
}

// Writing to a String cannot fail, so the results of `write!` are dropped here and below.
fn render_workload(out: &mut String, workload: &WorkloadReport, colour: Colour) {
    let title = format!("{} {}/{}", workload.kind, workload.namespace, workload.name);
    let file = workload.file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
    let _ = writeln!(out, "{}{file}", colour.paint("1", &title));
    if workload.rows.is_empty() {
        let _ = writeln!(out, "  asks for nothing");
    } else {
        rows(out, workload, colour);
    }
    if !workload.pod_changes.is_empty() {
        let _ = writeln!(out, "  added to the pod: {}", workload.pod_changes.join(", "));
    }
    if let Some(annotation) = &workload.verdict_annotation {
        let _ = writeln!(out, "  the pod's verdict: {annotation}");
    }
    if let Some(pods) = workload.pods {
        let _ = writeln!(out, "  running pods: {} of {} instrumented", pods.instrumented, pods.total);
    }
    findings(out, &workload.findings, "  ", colour);
}

fn rows(out: &mut String, workload: &WorkloadReport, colour: Colour) {
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let cells: Vec<[String; 5]> = workload
        .rows
        .iter()
        .map(|row| {
            [&row.container, &row.language, row.verdict, &row.instrumentation, &row.asked_by]
                .map(|text: &str| dash(text))
        })
        .collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|i| cells.iter().map(|c| c[i].chars().count()).chain([HEAD[i].len()]).max().unwrap_or_default())
        .collect();
    let line = |texts: [&str; 5], style: &str| {
        let mut line = String::from("  ");
        for (i, text) in texts.iter().enumerate() {
            let padded = if i + 1 < texts.len() {
                format!("{text:<width$}  ", width = widths[i])
            } else {
                (*text).to_owned()
            };
            line.push_str(&if i == 2 && !style.is_empty() { colour.paint(style, &padded) } else { padded });
        }
        line.trim_end().to_owned()
    };
    let _ = writeln!(out, "{}", line(HEAD, ""));
    for (row, texts) in workload.rows.iter().zip(&cells) {
        let style = if row.is_as_asked() { "32" } else { "31" };
        let _ = writeln!(out, "{}", line(texts.each_ref().map(String::as_str), style));
    }
    for row in &workload.rows {
        let subject: Vec<_> =
            [row.container.as_str(), row.language.as_str()].into_iter().filter(|s| !s.is_empty()).collect();
        let subject = if subject.is_empty() { "pod".to_owned() } else { subject.join(" ") };
        let _ = writeln!(out, "  {subject}: {}", row.message);
        if !row.changes.is_empty() {
            let _ = writeln!(out, "    changes: {}", row.changes.join(", "));
        }
        for note in &row.notes {
            let _ = writeln!(out, "    {}: {note}", colour.paint("33", "note"));
        }
        if !row.fix.is_empty() {
            let _ = writeln!(out, "    {}: {}", colour.paint("36", "fix"), row.fix);
        }
    }
}

fn findings(out: &mut String, findings: &[Finding], indent: &str, colour: Colour) {
    for finding in findings {
        let _ = writeln!(out, "{indent}{}: {}", colour.paint("31", "mistake"), finding.problem);
        let _ = writeln!(out, "{indent}  {}: {}", colour.paint("36", "fix"), finding.fix);
    }
}
