//! Numbers as Go writes them.

use serde_json::Number;

/// Writes a number for YAML: integers exactly, all others in Go's shortest general form (`1.5`, `1e+21`, `1e-05`).
pub(super) fn number(out: &mut String, value: &Number) {
    match value.as_f64() {
        Some(float) if value.is_f64() => {
            let (digits, exponent) = go_exponent(float);
            if (-4..6).contains(&exponent) {
                out.push_str(&float.to_string());
            } else {
                let sign = if exponent < 0 { '-' } else { '+' };
                out.push_str(&format!("{digits}e{sign}{:02}", exponent.abs()));
            }
        }
        _ => out.push_str(&value.to_string()),
    }
}

/// The shortest digits of a finite number, with the point after the first, and its exponent.
pub(in super::super) fn go_exponent(value: f64) -> (String, i32) {
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => (digits.to_owned(), exponent.parse().unwrap_or(0)),
        None => (text, 0),
    }
}
