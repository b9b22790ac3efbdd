//! Kubernetes quantities, as far as comparing them needs.

use serde_json::Value;

/// The size of a quantity in billionths of its unit (`1` = 1 000 000 000, `500m` = 500 000 000); none when it is not a
/// quantity. Values too large for comparison saturate.
pub fn nanos(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => parse(&number.to_string()),
        Value::String(text) => parse(text),
        _ => None,
    }
}

/// Grammar: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let factor = factor(suffix)?;
    let mut result: i128 = 0;
    for digit in whole.bytes() {
        result = result.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
    }
    result = result.saturating_mul(factor);
    let mut unit = factor;
    for digit in fraction.bytes() {
        unit /= 10;
        result = result.saturating_add(unit.saturating_mul(i128::from(digit - b'0')));
    }
    Some(if negative { -result } else { result })
}

/// Billionths in one unit of this suffix.
fn factor(suffix: &str) -> Option<i128> {
    const ONE: i128 = 1_000_000_000;
    let binary = |power: u32| Some(ONE << (10 * power));
    let decimal = |power: u32| Some(ONE.saturating_mul(10_i128.pow(power)));
    match suffix {
        "" => Some(ONE),
        "n" => Some(1),
        "u" => Some(1_000),
        "m" => Some(1_000_000),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let (power, below) =
                (u32::try_from(exponent.max(0)).ok()?, u32::try_from((-exponent).max(0)).ok()?);
            Some(
                ONE.saturating_mul(10_i128.checked_pow(power).unwrap_or(i128::MAX))
                    / 10_i128.checked_pow(below).unwrap_or(i128::MAX),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::nanos;

    #[test]
    fn quantities_compare_across_suffixes() {
        assert_eq!(nanos(&json!("0.5")), nanos(&json!("500m")));
        assert_eq!(nanos(&json!("1Ki")), nanos(&json!(1024)));
        assert_eq!(nanos(&json!("1e3")), nanos(&json!("1k")));
        assert!(nanos(&json!("64Mi")) > nanos(&json!("32Mi")));
        assert!(nanos(&json!("-1")) < Some(0));
    }

    #[test]
    fn what_is_no_quantity() {
        for text in ["", "abc", "1.2.3", "1Q", "-", "."] {
            assert_eq!(nanos(&json!(text)), None, "{text}");
        }
    }
}
