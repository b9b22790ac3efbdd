//! Releases of agents that no automatic upgrade crosses, because they break what users see (spec 11.2).

use std::{cmp::Ordering, sync::LazyLock};

use regex::Regex;
use semver::{Prerelease, Version};

use crate::Language;

/// A release that is not crossed, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct BlockedVersion {
    /// The first release with the break.
    pub version: &'static str,
    /// What breaks and what to do, in the Go operator's words.
    pub message: &'static str,
}

macro_rules! http_conventions {
    ($agent:literal, $version:literal) => {
        BlockedVersion {
            version: $version,
            message: concat!(
                $agent,
                " instrumentation ",
                $version,
                " contains breaking HTTP semantic convention changes. See \
                 https://opentelemetry.io/blog/2023/http-conventions-declared-stable/ for a general description of the \
                 changes. To upgrade, manually set the image on this Instrumentation resource to ",
                $version,
                " or higher."
            ),
        }
    };
}

static JAVA: [BlockedVersion; 1] = [http_conventions!("Java", "2.0.0")];
static DOTNET: [BlockedVersion; 1] = [http_conventions!(".NET", "1.3.0")];

fn versions(language: Language) -> &'static [BlockedVersion] {
    match language {
        Language::Java => &JAVA,
        Language::DotNet => &DOTNET,
        _ => &[],
    }
}

/// The blocked version that lies between two images of the same repository, if any.
pub fn crossed(language: Language, current: &str, target: &str) -> Option<&'static BlockedVersion> {
    let ((current_repository, current), (target_repository, target)) = (split(current), split(target));
    if current_repository != target_repository {
        return None;
    }
    versions(language).iter().find(|blocked| {
        match (AgentVersion::parse(current), AgentVersion::parse(target)) {
            (Some(from), Some(to)) => {
                AgentVersion::parse(blocked.version).is_some_and(|blocked| from < blocked && blocked <= to)
            }
            _ => current == blocked.version,
        }
    })
}

/// Repository and tag. A colon before a slash belongs to a registry's port.
fn split(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

/// A version with the revision of its image. `2.0.0-1` is the first rebuild of the image for 2.0.0, so it comes
/// after `2.0.0`, although semantic versioning calls it a pre-release; `2.0.0-rc.1` is one.
#[derive(Debug, PartialEq, Eq)]
struct AgentVersion {
    version: Version,
    revision: u64,
}

static LENIENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$").ok()
});

impl AgentVersion {
    /// Reads `2.0.0`, `v2.0.0`, `2.0`, `2`, each with an optional revision or pre-release.
    fn parse(tag: &str) -> Option<AgentVersion> {
        let parts = LENIENT.as_ref()?.captures(tag)?;
        let number = |i| parts.get(i).map_or(Some(0), |n| n.as_str().parse::<u64>().ok());
        let mut version = Version::new(number(1)?, number(2)?, number(3)?);
        let suffix = parts.get(4).map_or("", |s| s.as_str());
        let revision = if suffix.bytes().all(|b| b.is_ascii_digit()) {
            if suffix.is_empty() { 0 } else { suffix.parse().ok()? }
        } else {
            version.pre = Prerelease::new(suffix).ok()?;
            0
        };
        Some(AgentVersion { version, revision })
    }
}

impl Ord for AgentVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.version.cmp(&other.version).then(self.revision.cmp(&other.revision))
    }
}

impl PartialOrd for AgentVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(language: Language, from: &str, to: &str) -> bool {
        crossed(language, &format!("r/agent:{from}"), &format!("r/agent:{to}")).is_some()
    }

    #[test]
    fn an_upgrade_that_reaches_or_passes_the_version_is_blocked() {
        assert!(blocked(Language::Java, "1.33.6", "2.0.0"));
        assert!(blocked(Language::Java, "1.33.6", "2.30.0"));
        assert!(blocked(Language::DotNet, "1.2.0", "1.16.0"));
        assert!(!blocked(Language::Java, "1.31.0", "1.33.6"));
        assert!(!blocked(Language::Java, "2.0.0", "2.30.0"));
        assert!(!blocked(Language::Java, "2.30.0", "1.33.6"), "a way back is not blocked");
        assert!(!blocked(Language::Python, "0.1.0", "9.0.0"), "Python has no blocked versions");
    }

    #[test]
    fn tags_are_read_leniently() {
        assert!(blocked(Language::Java, "v1.33.6", "v2"));
        assert!(blocked(Language::Java, "1.33", "2.30"));
        assert!(!blocked(Language::Java, "latest", "2.30.0"), "an unreadable tag is not blocked");
        assert!(!blocked(Language::Java, "1.33.6", "nightly"));
        assert!(blocked(Language::Java, "2.0.0", "nightly"), "but the blocked version itself is");
        assert!(!blocked(Language::Java, "99999999999999999999.0.0", "2.30.0"));
    }

    #[test]
    fn digits_after_a_version_are_a_revision_of_its_image() {
        assert!(!blocked(Language::Java, "2.0.0-1", "2.30.0"), "2.0.0-1 already has the break");
        assert!(blocked(Language::Java, "1.33.6", "2.0.0-1"), "2.0.0-1 does not slip past");
        assert!(blocked(Language::Java, "1.33.6-2", "2.0.0-10"));
        assert!(blocked(Language::Java, "2.0.0-rc.1", "2.30.0"), "a pre-release comes before its release");
        assert!(!blocked(Language::Java, "1.33.6", "2.0.0-rc.1"));
        assert!(AgentVersion::parse("2.0.0-2") < AgentVersion::parse("2.0.0-10"));
    }

    #[test]
    fn images_of_different_repositories_are_not_compared() {
        assert_eq!(crossed(Language::Java, "mirror/agent:1.33.6", "r/agent:2.30.0"), None);
        assert_eq!(
            crossed(Language::Java, "r:5000/agent", "r:5000/agent:2.30.0"),
            None,
            "no tag means latest"
        );
        assert_eq!(crossed(Language::Java, "r/agent@sha256:11", "r/agent:2.30.0"), None);
    }
}
