//! TLS of the servers: versions, cipher suites, certificates.
//!
//! * [`profile`]: what OpenShift's TLS profile means.
//! * [`follow`]: the profile while the process runs.
//! * [`acceptor`]: what servers make of all that.

pub mod acceptor;
pub mod follow;
pub mod profile;

use std::sync::Arc;

use rustls::{
    CipherSuite, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    server::ResolvesServerCert,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;

use crate::settings::values::{Invalid, Values};

/// The oldest version and the cipher suites that servers offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    only_13: bool,
    /// Empty: all that rustls has.
    suites: Vec<CipherSuite>,
}

impl TlsSettings {
    /// Reads `--tls-min-version` and `--tls-cipher-suites`.
    ///
    /// # Errors
    /// When a version is unknown or no suite is left.
    pub fn read(values: &Values, warnings: &mut Vec<String>) -> Result<TlsSettings, Invalid> {
        let given = values.get("tls-min-version");
        let only_13 = match values.text("tls-min-version").as_str() {
            "VersionTLS13" => true,
            "VersionTLS12" | "" => false,
            "VersionTLS10" | "VersionTLS11" => {
                warnings.push(format!(
                    "{}: TLS 1.0 and 1.1 are broken and not offered; VersionTLS12 is used",
                    given.origin
                ));
                false
            }
            _ => return Err(Invalid::new(&given, "no TLS version", "give VersionTLS12 or VersionTLS13")),
        };
        let mut suites = Vec::new();
        for name in values.list("tls-cipher-suites") {
            let Some(suite) = offered(&name) else {
                let names: Vec<_> = ring::ALL_CIPHER_SUITES.iter().map(|s| iana(s.suite())).collect();
                let fix = format!("{name} is not offered; choose from {}", names.join(", "));
                return Err(Invalid::new(
                    &values.get("tls-cipher-suites"),
                    "no list of usable cipher suites",
                    fix,
                ));
            };
            suites.push(suite);
        }
        Ok(TlsSettings { only_13, suites: with_13(suites) })
    }

    /// The suites with these IANA names, as far as they are offered; all when none of them is.
    fn offering<'a>(only_13: bool, names: impl Iterator<Item = &'a str>) -> TlsSettings {
        TlsSettings { only_13, suites: with_13(names.filter_map(offered).collect()) }
    }

    /// Whether TLS 1.2 is not offered.
    pub fn only_13(&self) -> bool {
        self.only_13
    }

    /// TLS for a server that offers HTTP/2 and HTTP/1.1 and takes its certificate from the resolver.
    ///
    /// # Errors
    /// When no cipher suite fits the versions.
    pub fn acceptor(&self, certificates: Arc<dyn ResolvesServerCert>) -> Result<TlsAcceptor, rustls::Error> {
        let mut provider = ring::default_provider();
        if !self.suites.is_empty() {
            provider.cipher_suites.retain(|s| self.suites.contains(&s.suite()));
        }
        let versions: &[&SupportedProtocolVersion] = if self.only_13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
        let provider: Arc<CryptoProvider> = provider.into();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// The suite with this IANA name, if it is offered.
fn offered(name: &str) -> Option<CipherSuite> {
    ring::ALL_CIPHER_SUITES.iter().map(SupportedCipherSuite::suite).find(|suite| iana(*suite) == name)
}

/// As in Go, a list concerns TLS 1.2; the suites of TLS 1.3 are always offered.
fn with_13(mut suites: Vec<CipherSuite>) -> Vec<CipherSuite> {
    if !suites.is_empty() {
        let of_13 = ring::ALL_CIPHER_SUITES.iter().filter(|suite| suite.tls13().is_some());
        for suite in of_13.map(SupportedCipherSuite::suite) {
            if !suites.contains(&suite) {
                suites.push(suite);
            }
        }
    }
    suites
}

/// The name that Go and IANA use: the suites of TLS 1.3 have no `13` in it.
fn iana(suite: CipherSuite) -> String {
    suite.as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: &str, suites: &str) -> Result<TlsSettings, Invalid> {
        let mut values = Values::default();
        values.from_environment(|name| match name {
            "TLS_MIN_VERSION" => Some(version.to_owned()),
            "TLS_CIPHER_SUITES" => Some(suites.to_owned()),
            _ => None,
        });
        TlsSettings::read(&values, &mut Vec::new())
    }

    #[test]
    fn the_minimum_version_takes_effect() {
        assert!(read("VersionTLS13", "").unwrap().only_13);
        assert!(!read("VersionTLS11", "").unwrap().only_13);
        assert!(read("TLS1.3", "").unwrap_err().to_string().contains("VersionTLS13"));
    }

    #[test]
    fn suites_are_those_of_go_by_name() {
        let settings = read("", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256").unwrap();
        assert!(settings.suites.contains(&CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256));
        assert!(settings.suites.contains(&CipherSuite::TLS13_AES_128_GCM_SHA256));
        let message = read("", "TLS_RSA_WITH_AES_128_CBC_SHA").unwrap_err().to_string();
        assert!(message.contains("TLS_RSA_WITH_AES_128_CBC_SHA is not offered; choose from"), "{message}");
    }

    /// Shakes hands with a client that speaks TLS 1.2 only.
    async fn greet_with_12(settings: &TlsSettings) -> std::io::Result<()> {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let chain = vec![own.cert.der().clone()];
        let certified =
            rustls::sign::CertifiedKey::from_der(chain, key.into(), &ring::default_provider()).unwrap();
        let acceptor = settings.acceptor(Arc::new(rustls::sign::SingleCertAndKey::from(certified))).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (here, there) = tokio::io::duplex(64 * 1024);
        let client = tokio_rustls::TlsConnector::from(Arc::new(config));
        let (served, asked) =
            tokio::join!(acceptor.accept(there), client.connect("localhost".try_into().unwrap(), here));
        served.map(|_| ()).and(asked.map(|_| ()))
    }

    #[tokio::test]
    async fn t5_t6_a_client_that_is_too_old_is_refused() {
        greet_with_12(&read("", "").unwrap()).await.unwrap();
        let error = greet_with_12(&read("VersionTLS13", "").unwrap()).await.unwrap_err().to_string();
        assert!(error.contains("PeerIncompatible") || error.contains("peer is incompatible"), "{error}");
    }
}
