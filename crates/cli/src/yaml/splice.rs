//! A changed value → the text with only that changed.
//!
//! Lines of the user's stay as they are, comments and order included; what is new gets lines of its own, what is gone
//! loses its lines. The result is read back: where the text could not be changed in parts (anchors, brackets nested in odd
//! ways), the whole document is written anew.

use std::ops::Range;

use granit_parser::ScalarStyle;
use serde_json::{Map, Value};
use similar::DiffOp;

use super::{
    parse,
    tree::{Kind, Node, tree},
    write::{self, Style, block, inline, is_block},
};

/// The text of a document, whose value is `old`, with the value `new`.
pub(crate) fn rewrite(text: &str, old: &Value, new: &Value) -> String {
    if old == new {
        return text.to_owned();
    }
    if text.trim_start().starts_with('{') && serde_json::from_str::<Value>(text).is_ok() {
        return json(text, new);
    }
    let tree = tree(text);
    let spliced = tree.as_ref().and_then(|tree| splice(text, tree, old, new));
    let right = |text: &String| parse(text).as_ref() == Ok(new);
    spliced.filter(right).unwrap_or_else(|| whole(text, tree.as_ref(), new))
}

/// JSON is written anew, with its own indentation and sorted keys, as `kubectl get -o json` does.
fn json(text: &str, new: &Value) -> String {
    let body = text.trim();
    let indent = body.lines().nth(1).map_or(0, |line| line.len() - line.trim_start().len());
    let mut out = Vec::new();
    let written = if indent == 0 {
        serde_json::to_writer(&mut out, new)
    } else {
        let indent = " ".repeat(indent);
        let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
        serde::Serialize::serialize(new, &mut serde_json::Serializer::with_formatter(&mut out, formatter))
    };
    let start = text.len() - text.trim_start().len();
    match (written, String::from_utf8(out)) {
        (Ok(()), Ok(json)) => format!("{}{json}{}", &text[..start], &text[start + body.len()..]),
        _ => new.to_string(),
    }
}

/// The document written anew, between what stands before and behind its value.
fn whole(text: &str, tree: Option<&Node>, new: &Value) -> String {
    let style = Style { indented_lists: tree.and_then(indented_lists).unwrap_or(false) };
    let (head, tail) = match tree {
        Some(node) => {
            let start = text[..node.range.start].rfind('\n').map_or(0, |i| i + 1);
            // A value on the line of its `---`.
            let head = if text[start..node.range.start].trim().is_empty() { &text[..start] } else { "---\n" };
            (head, &text[line_end(text, node.range.end)..])
        }
        None => ("---\n", "\n"),
    };
    format!("{head}{}{tail}", block(new, 0, style))
}

/// How a node is held by its parent.
#[derive(Clone, Copy)]
enum Slot {
    Root,
    /// Behind a key that begins in this column and whose colon ends here.
    Value {
        column: usize,
        colon: usize,
    },
    /// Behind a dash in this column.
    Item {
        column: usize,
    },
}

struct Splicer<'a> {
    text: &'a str,
    style: Style,
    edits: Vec<(Range<usize>, String)>,
}

fn splice(text: &str, tree: &Node, old: &Value, new: &Value) -> Option<String> {
    let style = Style { indented_lists: indented_lists(tree).unwrap_or(false) };
    let mut splicer = Splicer { text, style, edits: Vec::new() };
    splicer.change(tree, old, new, Slot::Root)?;
    splicer.apply()
}

/// Whether the document's lists stand deeper than their keys; none when it has no list in lines.
fn indented_lists(node: &Node) -> Option<bool> {
    match &node.kind {
        Kind::Mapping(entries) => entries.iter().find_map(|(_, key, value)| match &value.kind {
            // The parser says nothing about dashes, but where an item begins: two columns behind its dash, or more.
            Kind::Sequence(items) => Some(items.first()?.column >= key.column + 4),
            _ => indented_lists(value),
        }),
        Kind::Sequence(items) => items.iter().find_map(indented_lists),
        _ => None,
    }
}

/// The end of the line that this place is on, without its line break.
fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |i| at + i);
    if text[at..end].ends_with('\r') { end - 1 } else { end }
}

impl Splicer<'_> {
    fn change(&mut self, node: &Node, old: &Value, new: &Value, slot: Slot) -> Option<()> {
        if old == new {
            return Some(());
        }
        match (&node.kind, old, new) {
            (Kind::Mapping(entries), Value::Object(before), Value::Object(after))
                if before.keys().any(|key| after.contains_key(key)) =>
            {
                self.mapping(entries, before, after)
            }
            (Kind::Sequence(items), Value::Array(before), Value::Array(after))
                if !after.is_empty() && items.len() == before.len() =>
            {
                self.sequence(items, before, after)
            }
            _ => self.replace(node, new, slot),
        }
    }

    fn mapping(
        &mut self,
        entries: &[(String, Node, Node)],
        before: &Map<String, Value>,
        after: &Map<String, Value>,
    ) -> Option<()> {
        let column = entries.first()?.1.column;
        for (i, (key, at, value)) in entries.iter().enumerate() {
            // Of two equal keys the last one counts.
            if entries[i + 1..].iter().any(|(later, ..)| later == key) {
                continue;
            }
            let Some(new) = after.get(key) else {
                self.remove_entry(entries, i)?;
                continue;
            };
            let colon = at.range.end + self.text[at.range.end..].find(':')? + 1;
            self.change(value, before.get(key)?, new, Slot::Value { column: at.column, colon })?;
        }
        let (_, last_key, last_value) = entries.last()?;
        let end = line_end(self.text, last_value.range.end.max(last_key.range.end));
        for key in write::keys(after).into_iter().filter(|key| !before.contains_key(*key)) {
            let mut line = String::from("\n");
            line.extend(std::iter::repeat_n(' ', column));
            write::entry(&mut line, key, &after[key], column, self.style);
            self.edits.push((end..end, line));
        }
        Some(())
    }

    fn remove_entry(&mut self, entries: &[(String, Node, Node)], i: usize) -> Option<()> {
        let (_, key, value) = &entries[i];
        let end = line_end(self.text, value.range.end.max(key.range.end));
        if let Some(start) = self.line_before(key.range.start) {
            self.edits.push((start..end, String::new()));
        } else {
            // The first key behind a dash: the next one takes its place.
            let next = entries.get(i + 1).filter(|_| i == 0)?;
            self.edits.push((key.range.start..next.1.range.start, String::new()));
        }
        Some(())
    }

    /// The end of the line before the one that begins with this place; none when something stands before it, or there is
    /// no such line.
    fn line_before(&self, at: usize) -> Option<usize> {
        let newline = self.text[..at].rfind('\n')?;
        let blank = self.text[newline + 1..at].bytes().all(|b| b == b' ');
        blank.then(|| if self.text[..newline].ends_with('\r') { newline - 1 } else { newline })
    }

    /// Where the dash of an item stands.
    fn dash(&self, item: &Node) -> Option<usize> {
        let dash = self.text[..item.range.start].rfind('-')?;
        self.text[dash + 1..item.range.start].bytes().all(|b| b == b' ').then_some(dash)
    }

    fn sequence(&mut self, items: &[Node], before: &[Value], after: &[Value]) -> Option<()> {
        let dash = self.dash(items.first()?)?;
        let column = dash - self.text[..dash].rfind('\n').map_or(0, |i| i + 1);
        let (old, new): (Vec<_>, Vec<_>) =
            (before.iter().map(identity).collect(), after.iter().map(identity).collect());
        for op in similar::capture_diff_slices(similar::Algorithm::Myers, &old, &new) {
            match op {
                DiffOp::Equal { old_index, new_index, len } => {
                    for i in 0..len {
                        let (o, n) = (old_index + i, new_index + i);
                        self.change(&items[o], &before[o], &after[n], Slot::Item { column })?;
                    }
                }
                op => {
                    let (o, n) = (op.old_range(), op.new_range());
                    self.insert_items(items, o.start, &after[n], column)?;
                    for item in &items[o] {
                        let start = self.line_before(self.dash(item)?)?;
                        self.edits.push((start..line_end(self.text, item.range.end), String::new()));
                    }
                }
            }
        }
        Some(())
    }

    /// Adds items in front of the one with this index.
    fn insert_items(&mut self, items: &[Node], index: usize, new: &[Value], column: usize) -> Option<()> {
        if new.is_empty() {
            return Some(());
        }
        let at = match index.checked_sub(1).and_then(|i| items.get(i)) {
            Some(previous) => line_end(self.text, previous.range.end),
            None => self.line_before(self.dash(items.first()?)?)?,
        };
        for value in new {
            let mut line = String::from("\n");
            line.extend(std::iter::repeat_n(' ', column));
            write::item(&mut line, value, column, self.style);
            self.edits.push((at..at, line));
        }
        Some(())
    }

    /// Another value in the same place.
    fn replace(&mut self, node: &Node, new: &Value, slot: Slot) -> Option<()> {
        let (range, text) = match slot {
            Slot::Root => (node.range.clone(), block(new, 0, self.style)),
            Slot::Value { column, colon } if is_block(new) => {
                let deeper = match new {
                    Value::Array(_) if !self.style.indented_lists => column,
                    _ => column + 2,
                };
                (colon..node.range.end.max(colon), format!("\n{}", block(new, deeper, self.style)))
            }
            Slot::Value { column, colon } => {
                let text = self.scalar(node, new, column + 2);
                let in_place = matches!(node.kind, Kind::Scalar(_)) && node.range.start > colon;
                match in_place {
                    true => (node.range.clone(), text),
                    false => (colon..node.range.end.max(colon), format!(" {text}")),
                }
            }
            Slot::Item { column } if is_block(new) => {
                (node.range.clone(), block(new, column + 2, self.style).trim_start_matches(' ').to_owned())
            }
            Slot::Item { column } => (node.range.clone(), self.scalar(node, new, column + 2)),
        };
        self.edits.push((range, text));
        Some(())
    }

    /// A scalar, in the quotes that stand there now.
    fn scalar(&self, node: &Node, new: &Value, indent: usize) -> String {
        match (&node.kind, new) {
            (Kind::Scalar(ScalarStyle::DoubleQuoted), Value::String(text)) => write::double_quoted(text),
            (Kind::Scalar(ScalarStyle::SingleQuoted), Value::String(text)) if !text.contains('\n') => {
                write::quoted(text)
            }
            _ => inline(new, indent),
        }
    }

    fn apply(mut self) -> Option<String> {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let windows = self.text.contains("\r\n");
        let (mut out, mut at) = (String::with_capacity(self.text.len() * 2), 0);
        for (range, text) in &self.edits {
            out.push_str(self.text.get(at..range.start)?);
            if windows {
                out.push_str(&text.replace('\n', "\r\n"));
            } else {
                out.push_str(text);
            }
            at = range.end;
        }
        out.push_str(self.text.get(at..)?);
        Some(out)
    }
}

/// What makes two items of a list the same item: their name, or else all of them.
fn identity(item: &Value) -> String {
    match item.get("name").and_then(Value::as_str) {
        Some(name) => format!("name {name}"),
        None => item.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The text after a change of its value.
    fn changed(text: &str, change: impl FnOnce(&mut Value)) -> String {
        let old = parse(text).unwrap();
        let mut new = old.clone();
        change(&mut new);
        let written = rewrite(text, &old, &new);
        assert_eq!(parse(&written).unwrap(), new, "{written}");
        assert_eq!(rewrite(&written, &new, &old), text, "and back again");
        written
    }

    const TEXT: &str = "\
--- # first
# the application
spec:
  containers:   # one
  - name: app   # the app
    image: \"app:1\"
    # options
    env:
    - name: A
      value: plain
    - {name: B, value: 'two words'}
  # behind
other: [1,  2]
";

    #[test]
    fn only_what_is_new_gets_new_lines() {
        let text = changed(TEXT, |v| {
            let app = &mut v["spec"]["containers"][0];
            app["env"].as_array_mut().unwrap().push(json!({"name": "C", "value": "yes"}));
            app["env"]
                .as_array_mut()
                .unwrap()
                .insert(0, json!({"name": "Z", "valueFrom": {"fieldRef": {"fieldPath": "p"}}}));
            app["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
            v["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
        });
        assert_eq!(
            text,
            "\
--- # first
# the application
spec:
  containers:   # one
  - name: app   # the app
    image: \"app:1\"
    # options
    env:
    - name: Z
      valueFrom:
        fieldRef:
          fieldPath: p
    - name: A
      value: plain
    - {name: B, value: 'two words'}
    - name: C
      value: 'yes'
    volumeMounts:
    - name: v
      mountPath: /v
  volumes:
  - name: v
    emptyDir: {}
  # behind
other: [1,  2]
"
        );
    }

    #[test]
    fn a_changed_text_keeps_its_quotes() {
        let text = changed(TEXT, |v| {
            v["spec"]["containers"][0]["image"] = json!("app:2");
            v["spec"]["containers"][0]["env"][0]["value"] = json!("plainer");
        });
        assert!(text.contains("image: \"app:2\"\n") && text.contains("value: plainer\n"), "{text}");
    }

    #[test]
    fn empty_and_absent_values_become_blocks_and_back() {
        for text in ["a:\n  m:\n  n: {}\n", "a:\r\n  m:\r\n  n: {}\r\n", "a:\n  m:\n  n: {}"] {
            let old = parse(text).unwrap();
            let new = json!({"a": {"m": {"k": "v"}, "n": {"l": [1]}}});
            let written = rewrite(text, &old, &new);
            assert_eq!(parse(&written).unwrap(), new);
            assert_eq!(written.replace('\r', "").trim_end(), "a:\n  m:\n    k: v\n  n:\n    l:\n    - 1");
            assert_eq!(written.contains('\r'), text.contains('\r'));
        }
    }

    #[test]
    fn lists_are_indented_as_the_document_does() {
        let text = changed("a:\n    - x\nb: 1\n", |v| v["c"] = json!(["y"]));
        assert_eq!(text, "a:\n    - x\nb: 1\nc:\n  - 'y'\n");
    }

    #[test]
    fn block_texts_and_missing_newlines_are_no_obstacle() {
        let text = changed("a: |\n  one\n\n  two\n\nb: >-\n  x\n  y", |v| v["c"] = json!(true));
        assert_eq!(text, "a: |\n  one\n\n  two\n\nb: >-\n  x\n  y\nc: true");
    }

    #[test]
    fn what_cannot_be_changed_in_parts_is_written_anew() {
        for (text, change) in [
            ("a: &x {k: 1}\nb: *x\n", json!({"a": {"k": 2}, "b": {"k": 1}})),
            ("base: &b\n  k: 1\na:\n  <<: *b\n  l: 2\n", json!({"base": {"k": 1}, "a": {"k": 3, "l": 2}})),
            ("--- {a: 1}\n", json!({"a": 2})),
            ("- - a\n  - b\n", json!([["c", "a", "b"]])),
            ("? a\n: 1\n", json!({"a": 2, "b": [1]})),
        ] {
            let old = parse(text).unwrap();
            assert_eq!(parse(&rewrite(text, &old, &change)).unwrap(), change, "{text}");
        }
    }

    #[test]
    fn json_stays_json() {
        let text = "{\n    \"a\": {\n        \"b\": 1\n    }\n}\n";
        let new = json!({"a": {"b": 1, "c": [1]}});
        let written = rewrite(text, &parse(text).unwrap(), &new);
        assert_eq!(
            written,
            "{\n    \"a\": {\n        \"b\": 1,\n        \"c\": [\n            1\n        ]\n    }\n}\n"
        );
        assert_eq!(rewrite(&written, &new, &parse(text).unwrap()), text);
        assert_eq!(rewrite("{\"a\":1}", &json!({"a": 1}), &json!({"a": 2})), "{\"a\":2}");
    }
}
