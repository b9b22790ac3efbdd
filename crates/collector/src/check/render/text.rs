//! For people: each finding with the line it is about.

use std::fmt::Write;

use super::File;
use crate::config::Position;

/// The findings as text:
///
/// ```text
/// error[undefined-component]: receiver zipkin is not defined
///   --> collector.yaml:12:20
///    |
/// 12 |       receivers: [zipkin]
///    |                   ^^^^^^
///    = fix: define it under receivers, or remove it from the list
/// ```
pub fn text(file: File<'_>) -> String {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut out = String::new();
    for finding in file.findings {
        let code = finding.code.code();
        let mut write = |text: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = out.write_fmt(text);
        };
        write(format_args!("{}[{code}]: {}\n", finding.severity, finding.sentence));
        let of = if finding.object.is_empty() { String::new() } else { format!(" ({})", finding.object) };
        match finding.position {
            Some(Position { line, column, length }) => {
                let width = line.to_string().len();
                let source = lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
                let rest = source.chars().count().saturating_sub(column.saturating_sub(1)).max(1);
                let carets = "^".repeat(length.min(rest));
                write(format_args!("{:width$}--> {}:{line}:{column}{of}\n", "", file.name));
                write(format_args!("{:width$} |\n{line} | {source}\n", ""));
                write(format_args!("{:width$} | {:pad$}{carets}\n", "", "", pad = column.saturating_sub(1)));
                write(format_args!("{:width$} = fix: {}\n\n", "", finding.fix));
            }
            None => {
                write(format_args!(" --> {}: {}{of}\n  = fix: {}\n\n", file.name, finding.path, finding.fix));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::lint_text, settings::DEFAULT_IMAGE};

    #[test]
    fn a_finding_shows_its_line() {
        let source = "receivers:\n  otlp: {protocols: {grpc: {}}}\nexporters: {debug: {}}\nprocessors: {memory_limiter: {}}\nservice:\n  pipelines:\n    traces: {receivers: [zipkin, otlp], processors: [memory_limiter], exporters: [debug]}\n";
        let lint = lint_text(source, DEFAULT_IMAGE);
        let shown = text(File { name: "c.yaml", text: source, findings: &lint.findings });
        assert_eq!(
            shown,
            "error[undefined-component]: receiver zipkin is not defined\n \
             --> c.yaml:7:26\n  \
             |\n\
             7 |     traces: {receivers: [zipkin, otlp], processors: [memory_limiter], exporters: [debug]}\n  \
             |                          ^^^^^^\n  \
             = fix: define it under receivers, or remove it from the list\n\n"
        );
    }
}
