//! Differences between two texts, as diff(1) writes them.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use crate::colour::Colour;

/// Lines around a change.
const CONTEXT: usize = 3;

/// A unified diff of one document; `title` says what was done to it. Its lines are counted from `first_line` of its file.
pub(super) fn unified(
    file: &str,
    title: &str,
    first_line: usize,
    old: &str,
    new: &str,
    colour: Colour,
) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut out = String::new();
    let mut line = |style: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ =
            writeln!(out, "{}", if style.is_empty() { text.to_owned() } else { colour.paint(style, text) });
    };
    line("1", &format!("--- {file}"));
    line("1", &format!("+++ {file} ({title})"));
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
        let text = unified("f.yaml", "Pod a/b injected", 10, "a\nb\n", "a\nb\nc", Colour::NEVER);
        let expected = "--- f.yaml\n+++ f.yaml (Pod a/b injected)\n@@ -11,2 +11,3 @@\n a\n b\n+c\n\\ No newline at end of file\n";
        assert_eq!(text, expected);
    }
}
