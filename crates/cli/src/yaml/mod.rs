//! YAML as people write it: values by Kubernetes' rules, and changes that leave the rest of the text alone.
//!
//! * [`split`]: the documents of a text.
//! * [`parse`]: the value of a document.
//! * [`tree`]: where in the text each part of the value stands.
//! * [`splice`]: a changed value → the text with only that changed.
//! * [`write`]: a value → text.

#[cfg(test)]
mod properties;
mod splice;
mod tree;
mod write;

pub(crate) use splice::rewrite;
pub(crate) use write::{Style, block};

use serde_json::Value;

/// Cuts a text at its `---` lines. The parts, put together again, are the text.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let separator = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if separator && at > start {
            parts.push(&text[start..at]);
            start = at;
        }
        at += line.len();
    }
    parts.push(&text[start..]);
    parts
}

/// The value of one document by the rules that the API server's clients have: `yes` is a boolean, `0123` is octal, of two
/// equal keys the last one counts. An empty document is `null`.
///
/// # Errors
///
/// When it is not YAML.
pub(crate) fn parse(text: &str) -> Result<Value, NotYaml> {
    // JSON is nearly YAML, but not quite (escaped surrogates, for one).
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    let error = |error: serde_saphyr::Error| NotYaml {
        line: error.location().map(|l| usize::try_from(l.line()).unwrap_or_default()),
        message: message(&error.to_string()),
    };
    let mut values: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(error)?;
    match values.len() {
        0 => Ok(Value::Null),
        1 => Ok(values.remove(0)),
        _ => {
            Err(NotYaml { line: None, message: "several documents that no `---` line separates".to_owned() })
        }
    }
}

/// Why a text is not YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotYaml {
    /// Line in the text, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// What is wrong, without the place and the excerpt of the text around it.
fn message(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let rest = first.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    rest.map_or(first, |(_, message)| message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_the_sum_of_its_documents() {
        for (text, count) in [
            ("", 1),
            ("a: 1\n", 1),
            ("---\na: 1\n---\nb: 2", 2),
            ("# only a comment\n---\na: |\n  ---\n  x\n--- # two\nb: 2\n---\n", 4),
            ("a: 1\r\n---\r\nb: 2\r\n", 2),
            ("---x: 1\n", 1),
        ] {
            let parts = split(text);
            assert_eq!(parts.concat(), text);
            assert_eq!(parts.len(), count, "{text:?}");
        }
    }

    #[test]
    fn values_are_those_of_the_api_servers_clients() {
        assert_eq!(
            parse("a: yes\nb: 0123\nc: 1\nc: 2\nd: 12:34").unwrap(),
            json!({"a": true, "b": 83, "c": 2, "d": "12:34"})
        );
        assert_eq!(parse("# nothing").unwrap(), Value::Null);
        assert_eq!(parse("{\"a\": \"\\ud83d\\ude00\"}").unwrap(), json!({"a": "😀"}));
        let error = parse("a: 1\nb: [").unwrap_err();
        assert_eq!((error.line, error.message.as_str()), (Some(2), "unclosed bracket '['"));
    }
}
