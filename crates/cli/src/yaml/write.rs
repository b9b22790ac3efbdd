//! A value → YAML that every reader understands alike.
//!
//! What a reader of YAML 1.1 or 1.2 could take for something else than a text is quoted. Keys stand in the order in which
//! people write them, not in that of the alphabet.

use serde_json::{Map, Value};

/// Keys that come first, in this order; the others follow by the alphabet.
const ORDER: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "spec",
    "template",
    "initContainers",
    "containers",
    "image",
    "imagePullPolicy",
    "command",
    "args",
    "ports",
    "env",
    "envFrom",
    "value",
    "valueFrom",
    "resources",
    "volumeMounts",
    "securityContext",
    "mountPath",
    "readOnly",
    "volumes",
];

/// How a text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether the dashes of a list stand deeper than the key that holds it.
    pub indented_lists: bool,
}

/// Keys of an object, in the order in which they are written.
pub(super) fn keys(map: &Map<String, Value>) -> Vec<&String> {
    let rank = |key: &String| ORDER.iter().position(|o| o == key).unwrap_or(ORDER.len());
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_by_key(|key| rank(key));
    keys
}

/// A value in block style, its lines `indent` deep. No newline at the end; the first line is indented, too.
pub(crate) fn block(value: &Value, indent: usize, style: Style) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => {
            for key in keys(map) {
                line(&mut out, indent);
                entry(&mut out, key, &map[key], indent, style);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for value in items {
                line(&mut out, indent);
                item(&mut out, value, indent, style);
            }
        }
        scalar => {
            line(&mut out, indent);
            out.push_str(&inline(scalar, indent));
        }
    }
    out
}

fn line(out: &mut String, indent: usize) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.extend(std::iter::repeat_n(' ', indent));
}

/// `key: value`, the cursor standing at the key's column.
pub(super) fn entry(out: &mut String, key: &str, value: &Value, indent: usize, style: Style) {
    out.push_str(&scalar(key));
    out.push(':');
    let deeper = match value {
        Value::Array(_) if !style.indented_lists => indent,
        _ => indent + 2,
    };
    if is_block(value) {
        out.push('\n');
        out.push_str(&block(value, deeper, style));
    } else {
        out.push(' ');
        out.push_str(&inline(value, indent + 2));
    }
}

/// `- value`, the cursor standing at the dash's column.
pub(super) fn item(out: &mut String, value: &Value, indent: usize, style: Style) {
    out.push_str("- ");
    if is_block(value) {
        out.push_str(block(value, indent + 2, style).trim_start_matches(' '));
    } else {
        out.push_str(&inline(value, indent + 2));
    }
}

/// Whether a value takes lines of its own.
pub(super) fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// A scalar or an empty collection, behind a key or a dash. Texts of several lines become a block `indent` deep.
pub(super) fn inline(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::String(text) if text.trim_end_matches('\n').contains('\n') => {
            literal(text, indent).unwrap_or_else(|| scalar(text))
        }
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text of several lines as a literal block; none where YAML would change it.
fn literal(text: &str, indent: usize) -> Option<String> {
    let printable = |c: char| c == '\n' || !is_special(c);
    let plain =
        text.chars().all(printable) && !text.starts_with(' ') && !text.lines().any(|l| l.ends_with(' '));
    // A first line that is empty needs the indentation said.
    let first = text.lines().find(|l| !l.is_empty())?;
    if !plain || first.starts_with(' ') {
        return None;
    }
    let chomping = match text.len() - text.trim_end_matches('\n').len() {
        0 => "-",
        1 => "",
        _ => return None,
    };
    let mut out = format!("|{chomping}");
    for line in text.trim_end_matches('\n').split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
    }
    Some(out)
}

/// A text on one line, in quotes where it would be read as something else without.
pub(super) fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// In single quotes where nothing needs an escape, else in double ones.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().any(is_special) { double_quoted(text) } else { format!("'{}'", text.replace('\'', "''")) }
}

/// In double quotes, everything escaped that a reader could change.
pub(super) fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_special(c) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Characters that YAML forbids, or takes for a line break or a byte order mark. All are in the basic plane.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a text can stand without quotes, in any version of YAML.
pub(super) fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    // Quantities such as 200Mi: with one of these letters, nothing that begins with a digit is a number or a date.
    let quantity = |c: char| c.is_ascii_alphabetic() && !"abcdefoxtz".contains(c.to_ascii_lowercase());
    let starts = match first {
        '/' | '_' | '$' | '(' | '.' => true,
        '-' => text.len() > 1 && !text.starts_with("- ") && !text.starts_with("---"),
        '0'..='9' => {
            text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') && text.chars().any(quantity)
        }
        first => first.is_ascii_alphabetic(),
    };
    starts
        && !text.chars().any(is_special)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !looks_like_something_else(text)
}

/// Words and numbers of YAML 1.1 and 1.2 that are no texts.
fn looks_like_something_else(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["y", "yes", "n", "no", "true", "false", "on", "off", "null", ".nan", ".inf", "-.inf"];
    let number = |c: char| {
        c.is_ascii_hexdigit() || matches!(c, '.' | '-' | '+' | '_' | ':' | 'x' | 'o' | 'X' | 'O' | 'T' | 'Z')
    };
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || (text.starts_with(['-', '.', '+']) && text.chars().all(number))
        || text == "---"
        || text == "..."
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STYLE: Style = Style { indented_lists: false };

    #[test]
    fn texts_that_could_be_something_else_are_quoted() {
        for text in [
            "yes",
            "On",
            "n",
            "null",
            "1",
            "0123",
            "1_000",
            "12:34",
            "2020-01-01",
            "1e3",
            "-1",
            ".5",
            "",
            " a",
            "a ",
            "a: b",
            "a #b",
            "- a",
            "~",
            "*a",
            "&a",
            "!a",
            "#a",
            "[a",
            "{a",
            "@a",
            "`a",
            "%a",
            "|",
            ">",
            "'a'",
            "a\tb",
            "-",
            "--",
            "é:",
        ] {
            let written = scalar(text);
            assert_ne!(written, text, "{text:?} must be quoted");
            assert_eq!(
                crate::yaml::parse(&format!("a: {written}")).unwrap(),
                json!({"a": text}),
                "{written}"
            );
        }
        for text in
            ["app", "a b", "/bin/sh", "$(A)", "-javaagent:/x.jar", "http://c:4317", "k8s.a=b,c=$(D)", "it's"]
        {
            assert_eq!(scalar(text), text);
            assert_eq!(crate::yaml::parse(&format!("a: {text}")).unwrap(), json!({"a": text}));
        }
    }

    #[test]
    fn values_are_laid_out_as_people_do() {
        let value = json!({"env": [{"value": "1", "name": "A"}], "name": "app", "script": "a\n\n b\n", "none": [], "n": 1});
        let text = "name: app\nenv:\n- name: A\n  value: '1'\n'n': 1\nnone: []\nscript: |\n  a\n\n   b";
        assert_eq!(block(&value, 0, STYLE), text);
        assert_eq!(crate::yaml::parse(text).unwrap()["script"], "a\n\n b\n");
        assert_eq!(block(&value["env"], 2, Style { indented_lists: true }), "  - name: A\n    value: '1'");
    }

    #[test]
    fn texts_of_several_lines_survive() {
        for text in [
            "a\nb",
            "a\nb\n",
            "\na\n",
            "\n a\n",
            "a\nb\n\n",
            "a \nb",
            "a\r\nb",
            " a\nb",
            "\n\n",
            "a\n\tb",
            "a\n---\nb",
            "a\n# b\n",
        ] {
            let value = json!({"a": {"b": [text]}});
            assert_eq!(crate::yaml::parse(&block(&value, 0, STYLE)).unwrap(), value, "{text:?}");
        }
    }
}
