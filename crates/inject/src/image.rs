//! What an image reference says about the version of an application.

use std::sync::LazyLock;

use regex::Regex;

/// The grammar of image references, as container registries define it
/// (<https://github.com/distribution/reference>): `[domain/]path[:tag][@digest]`.
#[expect(clippy::expect_used, reason = "a literal pattern, compiled by every test")]
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let domain_part = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let domain = format!(r"(?:{domain_part}(?:\.{domain_part})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let part = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*";
    let tag = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    let digest = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
    Regex::new(&format!("^(?:{domain}/)?{part}(?:/{part})*(?::(?P<tag>{tag}))?(?:@(?P<digest>{digest}))?$"))
        .expect("a valid pattern")
});

/// Whether a kubelet could ask a registry for this image. What it cannot read it does not start, and the pod waits for ever.
pub fn is_reference(image: &str) -> bool {
    let digest_fits =
        |parts: &regex::Captures<'_>| parts.name("digest").is_none_or(|d| is_valid_digest(d.as_str()));
    REFERENCE.captures(image).is_some_and(|parts| digest_fits(&parts))
}

/// The version in an image reference: tag, digest, or `tag@digest`; none when it has neither or is not a valid reference
/// (spec 5.6).
pub(crate) fn version(image: &str) -> Option<String> {
    let parts = REFERENCE.captures(image)?;
    let tag = parts.name("tag").map(|m| m.as_str());
    let digest = parts.name("digest").map(|m| m.as_str());
    if let Some(digest) = digest
        && !is_valid_digest(digest)
    {
        return None;
    }
    match (tag, digest) {
        (None, None) => None,
        (Some(tag), None) => Some(tag.to_owned()),
        (None, Some(digest)) => Some(digest.to_owned()),
        (Some(tag), Some(digest)) => Some(format!("{tag}@{digest}")),
    }
}

/// Known algorithms have a fixed length and are lower case; unknown ones are not accepted.
fn is_valid_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn tag_digest_or_both() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(version("img:1").as_deref(), Some("1"));
        assert_eq!(version("img:latest").as_deref(), Some("latest"));
        assert_eq!(version(&format!("img@{digest}")), Some(digest.clone()));
        assert_eq!(version(&format!("img:1@{digest}")), Some(format!("1@{digest}")));
    }

    #[test]
    fn no_version_or_no_reference() {
        for image in
            ["img", "registry.io/img", "registry.io:8080/img", "", "Upper/Img:1", "img@sha256:abc", "img:"]
        {
            assert_eq!(version(image), None, "{image}");
        }
    }
}
