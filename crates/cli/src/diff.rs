//! `otel-operator diff`: what injection would change in files.

use std::{fmt::Write as _, io::Write as _, process::ExitCode, rc::Rc};

use clap::{ArgMatches, Command};
use similar::{ChangeTag, TextDiff};

use crate::{
    arguments,
    colour::Colour,
    exit::{Exit, Failure, OrExit, finish},
    session::{Session, patched},
    source::place,
};

/// Lines around a change.
const CONTEXT: usize = 3;

/// The arguments of `diff`.
pub(crate) fn command() -> Command {
    arguments::command("diff", "Show what injection would change in files").long_about(
        "Show what injection would change in files, as unified diff per document.\n\n\
         Exit code 0 means no difference, 1 means differences, more than 1 an error, as with diff(1).",
    )
}

/// Prints the differences.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(finish(run(matches)))
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let mut session = Session::open(matches)?;
    let colour = Colour::of_stdout();
    let files = Rc::clone(&session.files);
    let mut exit = Exit::Ok;
    for file in files.iter() {
        let mut first_line = 0;
        for document in &file.documents {
            let mut titles = Vec::new();
            let new = session.rewrite(file, document, |session, object, namespace, workload| {
                let Some(decided) = session.decide(workload, namespace)? else { return Ok(None) };
                for warning in decided.decision.warnings() {
                    eprintln!(
                        "warning: {}: {} {namespace}/{}: {warning}",
                        place(file, document),
                        object.kind,
                        object.name
                    );
                }
                if !decided.decision.patch.is_empty() {
                    titles.push(format!("{} {namespace}/{}", object.kind, object.name));
                }
                patched(object, workload, &decided.decision).map(Some)
            })?;
            if new != document.text {
                exit = Exit::Found;
                let text = unified(&file.name, &titles.join(", "), first_line, &document.text, &new, colour);
                std::io::stdout().lock().write_all(text.as_bytes()).or_exit(Exit::Input)?;
            }
            first_line += document.text.lines().count();
        }
    }
    Ok(session.close(exit))
}

/// A unified diff of one document, whose lines are counted from `first_line` of its file.
fn unified(file: &str, title: &str, first_line: usize, old: &str, new: &str, colour: Colour) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut out = String::new();
    let mut line = |style: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ =
            writeln!(out, "{}", if style.is_empty() { text.to_owned() } else { colour.paint(style, text) });
    };
    line("1", &format!("--- {file}"));
    line("1", &format!("+++ {file} ({title} injected)"));
    for group in diff.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (o, n) =
            (first.old_range().start..last.old_range().end, first.new_range().start..last.new_range().end);
        let range = |r: std::ops::Range<usize>| match r.len() {
            0 => format!("{},0", first_line + r.start),
            1 => format!("{}", first_line + r.start + 1),
            len => format!("{},{len}", first_line + r.start + 1),
        };
        line("36", &format!("@@ -{} +{} @@", range(o), range(n)));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', "31"),
                ChangeTag::Insert => ('+', "32"),
                ChangeTag::Equal => (' ', ""),
            };
            line(style, &format!("{sign}{}", change.value().trim_end_matches(['\r', '\n'])));
            if change.missing_newline() {
                line("", "\\ No newline at end of file");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_file() {
        // No terminal in tests, so no colours.
        let text = unified("f.yaml", "Pod a/b", 10, "a\nb\n", "a\nb\nc", Colour::of_stdout());
        let expected = "--- f.yaml\n+++ f.yaml (Pod a/b injected)\n@@ -11,2 +11,3 @@\n a\n b\n+c\n\\ No newline at end of file\n";
        if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            assert_eq!(text, expected);
        }
    }
}
