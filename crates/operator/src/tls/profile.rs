//! What OpenShift's TLS profile means for servers and collectors. Pure: from the `APIServer` object to settings.

use collector::component::TlsProfile;
use serde_json::Value;

use super::TlsSettings;

/// A profile, as far as it can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prescribed {
    /// The type that is followed.
    pub name: &'static str,
    /// For the servers of the process.
    pub servers: TlsSettings,
    /// For servers of collectors.
    pub collectors: TlsProfile,
    /// What is not followed, and what happens instead.
    pub warnings: Vec<String>,
}

/// A cipher by its name in OpenSSL, which profiles use, and at IANA, which rustls and the Collector use.
struct Cipher {
    openssl: &'static str,
    iana: &'static str,
    /// Whether the Collector starts with it: it refuses what Go calls insecure.
    collector: bool,
}

const fn cipher(openssl: &'static str, iana: &'static str) -> Cipher {
    Cipher { openssl, iana, collector: true }
}

const fn insecure(openssl: &'static str, iana: &'static str) -> Cipher {
    Cipher { openssl, iana, collector: false }
}

/// The ciphers of the profile `Old`, which has all that others have, in the order of preference.
#[rustfmt::skip]
const CIPHERS: &[Cipher] = &[
    cipher("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    cipher("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    cipher("TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"),
    cipher("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    cipher("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    cipher("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    cipher("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    cipher("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    cipher("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    insecure("DHE-RSA-AES128-GCM-SHA256", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    insecure("DHE-RSA-AES256-GCM-SHA384", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    insecure("DHE-RSA-CHACHA20-POLY1305", "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    insecure("ECDHE-ECDSA-AES128-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    insecure("ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    cipher("ECDHE-ECDSA-AES128-SHA", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    cipher("ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    insecure("ECDHE-ECDSA-AES256-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    insecure("ECDHE-RSA-AES256-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    cipher("ECDHE-ECDSA-AES256-SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    cipher("ECDHE-RSA-AES256-SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    insecure("DHE-RSA-AES128-SHA256", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    insecure("DHE-RSA-AES256-SHA256", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    insecure("AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    insecure("AES256-GCM-SHA384", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    insecure("AES128-SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    insecure("AES256-SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    insecure("AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    insecure("AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"),
    insecure("DES-CBC3-SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
];

/// How many of [`CIPHERS`] the profile `Intermediate` has.
const INTERMEDIATE: usize = 11;
/// How many of them `Modern` has: those of TLS 1.3.
const MODERN: usize = 3;

/// Versions as profiles and as the Collector write them.
const VERSIONS: [(&str, &str); 4] =
    [("VersionTLS10", "1.0"), ("VersionTLS11", "1.1"), ("VersionTLS12", "1.2"), ("VersionTLS13", "1.3")];

/// Reads the profile of an `APIServer` of `config.openshift.io/v1`. Whatever is in it, something comes out that works.
pub fn read(api_server: &Value) -> Prescribed {
    let profile = &api_server["spec"]["tlsSecurityProfile"];
    let intermediate = |warnings| prescribe("Intermediate", "1.2", first(INTERMEDIATE), warnings);
    match profile["type"].as_str().unwrap_or_default() {
        "Old" => prescribe("Old", "1.0", first(CIPHERS.len()), Vec::new()),
        // What OpenShift itself takes when nothing is said.
        "" | "Intermediate" => intermediate(Vec::new()),
        "Modern" => prescribe("Modern", "1.3", first(MODERN), Vec::new()),
        "Custom" if profile["custom"].is_object() => custom(&profile["custom"]),
        "Custom" => {
            intermediate(vec!["the TLS profile is Custom without custom: Intermediate is used".to_owned()])
        }
        other => intermediate(vec![format!("the TLS profile {other:?} is not known: Intermediate is used")]),
    }
}

fn first(count: usize) -> Vec<&'static Cipher> {
    CIPHERS.iter().take(count).collect()
}

fn custom(custom: &Value) -> Prescribed {
    let mut warnings = Vec::new();
    let wanted = custom["minTLSVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.iter().find(|(profile, _)| *profile == wanted).map(|(_, version)| *version);
    let version = version.unwrap_or_else(|| {
        warnings.push(format!("custom.minTLSVersion {wanted:?} is not known: VersionTLS12 is used"));
        "1.2"
    });
    let names = custom["ciphers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ciphers = Vec::new();
    let mut unknown = Vec::new();
    for name in names.iter().filter_map(Value::as_str) {
        match CIPHERS.iter().find(|cipher| cipher.openssl == name || cipher.iana == name) {
            Some(cipher) => ciphers.push(cipher),
            None => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        warnings.push(format!("ciphers that are not known are left out: {}", unknown.join(", ")));
        if ciphers.is_empty() {
            warnings.push("no cipher of the TLS profile is known: the default ones are used".to_owned());
        }
    }
    prescribe("Custom", version, ciphers, warnings)
}

/// `version` is one of [`VERSIONS`], as the Collector writes it.
fn prescribe(
    name: &'static str,
    version: &'static str,
    ciphers: Vec<&'static Cipher>,
    mut warnings: Vec<String>,
) -> Prescribed {
    if matches!(version, "1.0" | "1.1") {
        warnings.push("TLS 1.0 and 1.1 are broken and not offered; 1.2 is the oldest here".to_owned());
    }
    // Profiles name many that nobody should offer any more, so those are no news, unless nothing else is left.
    let servers = TlsSettings::offering(version == "1.3", ciphers.iter().map(|cipher| cipher.iana));
    if servers.suites.is_empty() && !ciphers.is_empty() {
        warnings.push("no cipher of the TLS profile is offered here: the default ones are".to_owned());
    }
    let cipher_suites: Vec<_> =
        ciphers.iter().filter(|cipher| cipher.collector).map(|cipher| cipher.iana.to_owned()).collect();
    if cipher_suites.is_empty() && !ciphers.is_empty() {
        warnings
            .push("collectors accept no cipher of the TLS profile: they keep their default ones".to_owned());
    }
    let collectors = TlsProfile { min_version: version.to_owned(), cipher_suites };
    Prescribed { name, servers, collectors, warnings }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(profile: &Value) -> Prescribed {
        read(&json!({"spec": {"tlsSecurityProfile": profile}}))
    }

    fn offered(prescribed: &Prescribed) -> usize {
        prescribed.servers.suites.len()
    }

    #[test]
    fn modern_is_tls_1_3_only() {
        let modern = of(&json!({"type": "Modern", "modern": {}}));
        assert!(modern.servers.only_13() && modern.warnings.is_empty());
        assert_eq!(modern.collectors.min_version, "1.3");
        assert_eq!(modern.collectors.cipher_suites.len(), 3);
    }

    #[test]
    fn nothing_said_is_intermediate() {
        let intermediate = of(&json!({"type": "Intermediate", "intermediate": {}}));
        assert!(!intermediate.servers.only_13() && intermediate.warnings.is_empty());
        // Nine of its eleven; ephemeral Diffie-Hellman over numbers is offered neither here nor by collectors.
        assert_eq!((offered(&intermediate), intermediate.collectors.cipher_suites.len()), (9, 9));
        assert_eq!(intermediate.collectors.min_version, "1.2");
        for nothing in [json!(null), json!({}), json!({"type": ""})] {
            assert_eq!(of(&nothing), intermediate);
        }
        assert_eq!(read(&json!({})), intermediate);
    }

    #[test]
    fn old_is_followed_as_far_as_it_is_safe() {
        let old = of(&json!({"type": "Old"}));
        assert!(!old.servers.only_13());
        assert_eq!(offered(&old), 9);
        // The cluster's administrator decides about collectors. One that is told an insecure cipher would not start.
        assert_eq!(old.collectors.min_version, "1.0");
        assert_eq!(old.collectors.cipher_suites.len(), 13);
        assert!(!old.collectors.cipher_suites.iter().any(|name| name.starts_with("TLS_RSA_")));
        assert_eq!(old.warnings.len(), 1);
        assert!(old.warnings[0].contains("TLS 1.0 and 1.1"));
    }

    #[test]
    fn custom_names_its_ciphers() {
        let custom = of(&json!({"type": "Custom", "custom": {
            "ciphers": ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"],
            "minTLSVersion": "VersionTLS12",
        }}));
        assert!(custom.warnings.is_empty(), "{:?}", custom.warnings);
        // With those of TLS 1.3, which cannot be chosen.
        assert_eq!(offered(&custom), 2 + 3);
        let names = [
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ];
        assert_eq!(custom.collectors.cipher_suites, names);
    }

    #[test]
    fn a_custom_profile_of_which_nothing_is_left_means_the_defaults() {
        let insecure = of(
            &json!({"type": "Custom", "custom": {"ciphers": ["AES128-SHA"], "minTLSVersion": "VersionTLS12"}}),
        );
        assert_eq!((offered(&insecure), insecure.collectors.cipher_suites.len()), (0, 0));
        assert_eq!(insecure.warnings.len(), 2, "{:?}", insecure.warnings);
        let unknown =
            of(&json!({"type": "Custom", "custom": {"ciphers": ["ROT13"], "minTLSVersion": "VersionTLS13"}}));
        assert!(unknown.servers.only_13() && unknown.warnings[0].contains("ROT13"));
        assert!(unknown.warnings[1].contains("the default ones are used"), "{:?}", unknown.warnings);
        let none = of(&json!({"type": "Custom", "custom": {"minTLSVersion": "VersionTLS12"}}));
        assert!(none.warnings.is_empty() && offered(&none) == 0);
    }

    #[test]
    fn what_makes_no_sense_is_told_and_something_works() {
        let odd = of(&json!({"type": "Custom", "custom": {"ciphers": [1, {}], "minTLSVersion": 3}}));
        assert!(odd.warnings[0].contains("minTLSVersion") && odd.collectors.min_version == "1.2");
        for (profile, word) in
            [(json!({"type": "Custom"}), "without custom"), (json!({"type": "Newer"}), "Newer")]
        {
            let followed = of(&profile);
            assert_eq!(followed.name, "Intermediate");
            assert!(followed.warnings[0].contains(word), "{:?}", followed.warnings);
        }
        assert_eq!(of(&json!("Modern")).name, "Intermediate");
    }

    #[test]
    fn all_that_rustls_offers_can_be_named() {
        let everything = TlsSettings::offering(false, CIPHERS.iter().map(|cipher| cipher.iana));
        assert_eq!(everything.suites.len(), rustls::crypto::ring::ALL_CIPHER_SUITES.len());
    }
}
