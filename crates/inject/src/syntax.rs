//! Names and amounts as the API server's validation wants them
//! (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>).

use api::quantity;
use serde_json::Value;

/// Nano-units in one.
const ONE: i128 = 1_000_000_000;

/// The key of a label or annotation, or the name of a resource: `[prefix/]name`.
pub(crate) fn qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => dns_subdomain(prefix) && part(name),
        None => part(text),
    }
}

/// The value of a label.
pub(crate) fn label_value(text: &str) -> bool {
    text.is_empty() || part(text)
}

fn part(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// The name of a container or a volume.
pub(crate) fn dns_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && dns_subdomain(text)
}

/// The name of most objects.
pub(crate) fn dns_subdomain(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let label = |label: &str| {
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Whether a resource is counted in whole pieces and this amount is not, or hugepages are cut.
pub(crate) fn is_broken_amount(resource: &str, amount: i128) -> bool {
    if let Some(size) = resource.strip_prefix("hugepages-") {
        return quantity::nanos(&Value::from(size)).is_none_or(|page| page <= 0 || amount % page != 0);
    }
    resource.contains('/') && amount % ONE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_the_api_server_takes_them() {
        for good in ["a", "example.com/gpu", "A_b.c"] {
            assert!(qualified_name(good), "{good}");
        }
        for bad in ["", "a/b/c", "-x", "bad name/x", "a b", "UPPER/x"] {
            assert!(!qualified_name(bad), "{bad}");
        }
    }

    #[test]
    fn pieces_are_whole() {
        assert!(is_broken_amount("example.com/gpu", ONE / 2));
        assert!(is_broken_amount("hugepages-2Mi", 3 * 1024 * 1024 * ONE));
        assert!(!is_broken_amount("hugepages-2Mi", 4 * 1024 * 1024 * ONE));
        assert!(!is_broken_amount("cpu", 1));
    }
}
