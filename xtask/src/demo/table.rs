//! The table at the end of the demo.

use super::row::{Row, Verdict};

const TITLES: [&str; 4] = ["WORKLOAD", "LANGUAGE", "CONTAINER", "VERDICT"];

/// Prints a line for each verdict, with the reason and the fix below those that were declined.
pub(crate) fn print(rows: &[Row]) {
    let nothing: Vec<(&str, Verdict)> = rows.iter().filter_map(nothing).collect();
    let lines: Vec<(&str, &Verdict)> = rows
        .iter()
        .flat_map(|row| {
            let verdicts = row.verdicts.iter().map(|v| (row.workload.as_str(), v));
            verdicts.chain(nothing.iter().filter(|(w, _)| *w == row.workload).map(|(w, v)| (*w, v)))
        })
        .collect();
    let mut widths = TITLES.map(str::len);
    for (workload, verdict) in &lines {
        for (width, cell) in widths.iter_mut().zip(cells(workload, verdict)) {
            *width = (*width).max(cell.len());
        }
    }
    println!();
    line(TITLES, widths, "WHY");
    for (workload, verdict) in &lines {
        line(cells(workload, verdict), widths, &verdict.why);
        if !verdict.fix.is_empty() {
            println!(
                "{:indent$}fix: {}",
                "",
                verdict.fix,
                indent = widths.iter().sum::<usize>() + 2 * widths.len()
            );
        }
    }
    println!();
}

/// The line of a workload without verdicts.
fn nothing(row: &Row) -> Option<(&str, Verdict)> {
    let verdict = || Verdict {
        language: "-".to_owned(),
        container: "-".to_owned(),
        reason: "not asked for".to_owned(),
        why: row.hint.clone(),
        fix: row.hint_fix.clone(),
    };
    row.verdicts.is_empty().then(|| (row.workload.as_str(), verdict()))
}

fn cells<'a>(workload: &'a str, verdict: &'a Verdict) -> [&'a str; 4] {
    [workload, &verdict.language, &verdict.container, &verdict.reason]
}

fn line(cells: [&str; 4], widths: [usize; 4], last: &str) {
    let cells: String = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
    println!("{}", format!("{cells}{last}").trim_end());
}
