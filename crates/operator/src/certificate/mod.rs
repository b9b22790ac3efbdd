//! Certificates of the webhook server: the operator's own authority, or mounted files.
//!
//! * [`authority`]: making CA and serving certificate.
//! * [`keep`]: where they are kept between starts.
//! * [`mounted`]: files of cert-manager, Helm or OLM, used instead when they are there.
//! * [`bundle`]: telling the API server which CA to trust.
//!
//! New handshakes use the newest pair; nothing is restarted.

pub mod authority;
pub mod bundle;
pub mod keep;
pub mod mounted;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use time::OffsetDateTime;
use tokio::sync::watch;

pub use authority::{Authority, Certificate};

/// The certificate in use, swapped while connections are being accepted.
#[derive(Debug, Default)]
pub struct Current {
    served: ArcSwapOption<Served>,
    changes: watch::Sender<()>,
}

/// A certificate in use.
#[derive(Debug)]
pub struct Served {
    key: Arc<CertifiedKey>,
    /// What the certificate says of itself.
    pub certificate: Certificate,
    /// The CA that clients trust, as PEM; none when mounted files bring none.
    pub ca: Option<String>,
}

/// Why a pair of certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no PEM certificate or key.
    #[error("cannot read the PEM text: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The key is of an unknown kind, or does not belong to the certificate.
    #[error("key and certificate cannot be used: {0}")]
    Key(#[from] rustls::Error),
    /// The certificate cannot be parsed.
    #[error(transparent)]
    Certificate(#[from] authority::Error),
}

/// Certificate and key in the form that TLS needs.
pub fn certified_key(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, Error> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key)?;
    let provider = rustls::crypto::ring::default_provider();
    // This also checks that the key belongs to the certificate.
    Ok(CertifiedKey::from_der(chain, key, &provider)?)
}

impl Current {
    /// Serves this pair from now on.
    pub fn serve(&self, certificate: &str, key: &str, ca: Option<String>) -> Result<(), Error> {
        let key = Arc::new(certified_key(certificate.as_bytes(), key.as_bytes())?);
        let certificate = Certificate::read(certificate)?;
        self.served.store(Some(Arc::new(Served { key, certificate, ca })));
        self.changes.send_replace(());
        Ok(())
    }

    /// Tells when another pair is served.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The pair in use.
    pub fn served(&self) -> Option<Arc<Served>> {
        self.served.load_full()
    }

    /// Whether there is a certificate and it is valid now; why not otherwise.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), String> {
        let Some(served) = self.served() else { return Err("there is no certificate yet".to_owned()) };
        let Certificate { begins, expires, .. } = &served.certificate;
        if now < *begins {
            return Err(format!("the certificate is not valid before {begins}"));
        }
        if now >= *expires {
            return Err(format!("the certificate expired at {expires}"));
        }
        Ok(())
    }
}

impl Served {
    /// The serving certificate itself, first of the chain.
    pub fn end_entity(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.served.load().as_ref().map(|served| served.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_does_not_match_is_refused_and_the_old_one_stays() {
        let now = OffsetDateTime::now_utc();
        let names = ["localhost".to_owned()].into();
        let (a, b) = (Authority::create(&names, now).unwrap(), Authority::create(&names, now).unwrap());
        let current = Current::default();
        assert!(current.check(now).unwrap_err().contains("no certificate yet"));
        current.serve(&a.certificate, &a.key, None).unwrap();
        assert!(current.serve(&a.certificate, &b.key, None).is_err());
        assert_eq!(current.check(now), Ok(()));
        assert!(current.check(now + time::Duration::days(400)).unwrap_err().contains("expired"));
    }
}
