//! Mappings and lists, indented by two; lists stand one step below their key.

use serde_json::Value;

use super::{
    Node,
    number::number,
    scalar::{Style, quoted, style},
};

/// Writes a document, with a line break at its end.
pub(super) fn write(out: &mut String, node: &Node<'_>) {
    match node {
        Node::Ordered(members) if !members.is_empty() => ordered(out, members, 0, false),
        Node::Free(Value::Object(members)) if !members.is_empty() => sorted(out, members, 0, false),
        node => {
            inline(out, node, 0);
        }
    }
}

/// A mapping in the given order. `started` says that its first line has begun already (after `- `).
fn ordered(out: &mut String, members: &[(&str, Node<'_>)], indent: usize, mut started: bool) {
    for (name, node) in members {
        if !started {
            spaces(out, indent);
        }
        started = false;
        key(out, name);
        below_key(out, node, indent);
    }
}

fn sorted(out: &mut String, members: &serde_json::Map<String, Value>, indent: usize, mut started: bool) {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| name.as_str());
    for (name, value) in members {
        if !started {
            spaces(out, indent);
        }
        started = false;
        key(out, name);
        below_key(out, &Node::Free(value), indent);
    }
}

/// What follows `key:` at this indentation.
fn below_key(out: &mut String, node: &Node<'_>, indent: usize) {
    match node {
        Node::Ordered(members) if !members.is_empty() => {
            out.push('\n');
            ordered(out, members, indent + 2, false);
        }
        Node::Free(Value::Object(members)) if !members.is_empty() => {
            out.push('\n');
            sorted(out, members, indent + 2, false);
        }
        Node::Free(Value::Array(items)) if !items.is_empty() => {
            out.push('\n');
            list(out, items, indent + 2, false);
        }
        node => {
            out.push(' ');
            inline(out, node, indent);
        }
    }
}

fn list(out: &mut String, items: &[Value], indent: usize, mut started: bool) {
    for item in items {
        if !started {
            spaces(out, indent);
        }
        started = false;
        out.push_str("- ");
        match item {
            Value::Object(members) if !members.is_empty() => sorted(out, members, indent + 2, true),
            Value::Array(items) if !items.is_empty() => list(out, items, indent + 2, true),
            item => inline(out, &Node::Free(item), indent),
        }
    }
}

/// A value that begins on the line of its key or dash, and the line's end. `indent` is the key's or the dash's.
fn inline(out: &mut String, node: &Node<'_>, indent: usize) {
    match node {
        Node::EmptyList | Node::Free(Value::Array(_)) => out.push_str("[]"),
        Node::EmptyMapping | Node::Ordered(_) | Node::Free(Value::Object(_)) => out.push_str("{}"),
        Node::Free(Value::Null) => out.push_str("null"),
        Node::Free(Value::Bool(value)) => out.push_str(if *value { "true" } else { "false" }),
        Node::Free(Value::Number(value)) => number(out, value),
        Node::Free(Value::String(text)) => match style(text) {
            Style::Plain => out.push_str(text),
            Style::Quoted => quoted(out, text),
            Style::Literal => literal(out, text, indent + 2),
        },
    }
    out.push('\n');
}

/// A literal block, without the line break at its end. Its empty lines are indented like the others.
fn literal(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with("\n\n") {
        "|+"
    } else if text.ends_with('\n') {
        "|"
    } else {
        "|-"
    });
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        out.push('\n');
        if line.is_empty() && lines.peek().is_none() {
            break;
        }
        spaces(out, indent);
        out.push_str(line);
    }
}

fn key(out: &mut String, name: &str) {
    // A merge key and a block cannot be the name of a member.
    match style(name) {
        Style::Plain if name != "<<" => out.push_str(name),
        _ => quoted(out, name),
    }
    out.push(':');
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}
