//! Reading a configuration that is given as text.

use serde_json::Value;

/// A text that is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Reads YAML with the rules of the Go operator: `yes` and `on` are strings, a leading zero means octal, merge keys are
/// merged. Integers stay integers.
///
/// # Errors
///
/// The parser's sentence, with line and column, where the text is no YAML, has a key twice, or has several documents.
pub fn parse(text: &str) -> Result<Value, Unreadable> {
    // The text comes with a request, which is bounded; no object that JSON can hold may be unreadable as YAML.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 160,
            max_nodes: 8_000_000,
            max_events: 32_000_000,
            simple_key_max_lookahead: 1 << 20,
        },
        strict_booleans: true,
        legacy_octal_numbers: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Unreadable(error.to_string()))
}
