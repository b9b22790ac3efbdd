//! The version label, read from an image reference (collector.md 10.3).

use crate::name::shortened;

/// Longest value of a label.
const MAX_LABEL: usize = 63;

/// What stands in the label when the image says no version.
const UNKNOWN: &str = "latest";

/// The version of `image`: its tag, else the beginning of its digest, else `latest`; always a valid label value.
pub(crate) fn version(image: &str) -> &str {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash belongs to the registry's port.
    let tag = name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let version = match (tag, digest) {
        (Some(tag), _) if !tag.is_empty() => tag,
        (_, Some(digest)) => digest.split_once(':').map_or(digest, |(_, hex)| hex),
        _ => UNKNOWN,
    };
    let version = shortened(version, MAX_LABEL).trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let valid = version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if version.is_empty() || !valid { UNKNOWN } else { version }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn the_version_is_the_tag_else_the_beginning_of_the_digest() {
        for (image, expected) in [
            ("", "latest"),
            ("repo/img", "latest"),
            ("repo/img:0.47.0", "0.47.0"),
            ("repo/img:0.81.0@sha256:x", "0.81.0"),
            (&format!("repo/img@sha256:{DIGEST}"), &DIGEST[..63]),
        ] {
            assert_eq!(version(image), expected, "{image}");
        }
    }

    #[test]
    fn a_registry_port_is_no_tag() {
        for (image, expected) in [
            ("host:5000/img", "latest"),
            ("host:5000/img:1", "1"),
            ("host:5000/img:1@sha256:x", "1"),
            (&format!("host:5000/img@sha256:{DIGEST}"), &DIGEST[..63]),
        ] {
            assert_eq!(version(image), expected, "{image}");
        }
    }

    #[test]
    fn what_is_no_label_value_is_no_version() {
        assert_eq!(version("repo/img:a/b"), "latest");
        assert_eq!(version(&format!("repo/img:{}.{}", "1".repeat(62), "2")), "1".repeat(62));
    }
}
