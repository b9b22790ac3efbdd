//! YAML in which only what is meant to be read takes several lines.

use serde_json::Value;

/// The document. A part that holds no description is written in one line, as JSON, which YAML includes.
pub(super) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0, false);
    out
}

fn write(out: &mut String, value: &Value, indent: usize, mut started: bool) {
    let mut begin = |out: &mut String, opening: &str| {
        if !std::mem::take(&mut started) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str(opening);
    };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                begin(out, key);
                out.push(':');
                if is_described(value) {
                    out.push('\n');
                    write(out, value, indent + 2, false);
                } else {
                    out.push(' ');
                    line(out, value);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                begin(out, "- ");
                if is_described(item) {
                    write(out, item, indent + 2, true);
                } else {
                    line(out, item);
                }
            }
        }
        leaf => line(out, leaf),
    }
}

fn line(out: &mut String, value: &Value) {
    out.push_str(&value.to_string());
    out.push('\n');
}

/// Whether somewhere below there is a description of a schema, or the frame that leads to one.
fn is_described(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.get("description").is_some_and(Value::is_string) || members.values().any(is_described)
        }
        Value::Array(items) => items.iter().any(is_described),
        _ => false,
    }
}
