//! Volumes that injection adds.

use api::instrumentation::Agent;
use serde_json::{Value, json};

use crate::draft::Volume;

/// Longest name of a volume, a DNS label.
pub(crate) const MAX_NAME: usize = 63;

/// The volume that an agent is copied to: an ephemeral claim when a template is set, else an emptyDir with a limit
/// (spec 5.8). Without a limit of the user's, `default_limit` counts; none means no limit.
pub(crate) fn agent_volume(name: &str, agent: &dyn Agent, default_limit: Option<&str>) -> Volume {
    if let Some(template) = agent.volume_claim_template() {
        return Volume::new(name, json!({"ephemeral": {"volumeClaimTemplate": template}}));
    }
    let limit = agent.volume_limit_size().cloned().or_else(|| default_limit.map(Value::from));
    match limit {
        Some(limit) => Volume::new(name, json!({"emptyDir": {"sizeLimit": limit}})),
        None => Volume::new(name, json!({"emptyDir": {}})),
    }
}

/// A volume name made from an object's name. As the reference forms it, unless that would not be a DNS label or would have
/// to be shortened: then unfit characters become `-` and a hash of the whole name keeps different objects apart (W14).
pub(crate) fn name(prefix: &str, object: &str) -> String {
    let plain = format!("{prefix}{object}");
    let fits = plain.len() <= MAX_NAME
        && plain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !plain.ends_with('-');
    if fits {
        return plain;
    }
    let clean: String = plain
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(MAX_NAME - 9)
        .collect();
    format!("{}-{:08x}", clean.trim_end_matches('-'), fnv1a(object))
}

/// FNV-1a, 32 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): stable across releases, as a volume name must be.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_fits_stays() {
        assert_eq!(name("otel-auto-secret-", "my-certs"), "otel-auto-secret-my-certs");
    }

    #[test]
    fn dots_and_length_are_mended_without_collisions() {
        let long = "a".repeat(60);
        for object in ["my.certs", "my-certs.", &long, &format!("{long}b")] {
            let name = name("otel-auto-secret-", object);
            assert!(name.len() <= MAX_NAME && !name.ends_with('-') && !name.contains('.'), "{name}");
        }
        assert_ne!(name("s-", "a.b"), name("s-", "a_b"));
        assert_ne!(name("otel-auto-secret-", &long), name("otel-auto-secret-", &format!("{long}b")));
    }
}
