//! Reading a configuration that is given as text.

use serde_json::Value;
use serde_saphyr::{Error, budget::BudgetBreach};

use super::stack::{DEEP, SHALLOW, on_a_larger_stack};

/// A text that is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Nodes that aliases may repeat: far more than any configuration has, few enough that a bomb costs little.
const REPEATED: usize = 100_000;

/// Reads YAML with the rules of the Go operator: `yes` and `on` are strings, a leading zero means octal, merge keys are
/// merged. Integers stay integers.
///
/// # Errors
///
/// The parser's sentence, with line and column, where the text is no YAML, has a key twice, has several documents, or
/// is nested more than 122 levels deep.
pub fn parse(text: &str) -> Result<Value, Unreadable> {
    let read_text = match read(text, SHALLOW) {
        Err(Error::Budget { breach: BudgetBreach::Depth { .. }, .. }) => {
            on_a_larger_stack(|| read(text, DEEP).map_err(|error| error.to_string())).flatten()
        }
        read_text => read_text.map_err(|error| error.to_string()),
    };
    read_text.map_err(Unreadable)
}

fn read(text: &str, depth: usize) -> Result<Value, Error> {
    // The text comes with a request, which is bounded; no object that JSON can hold may be unreadable as YAML.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: depth,
            max_nodes: 8_000_000,
            max_events: 32_000_000,
            simple_key_max_lookahead: 1 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPEATED },
        strict_booleans: true,
        legacy_octal_numbers: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}
