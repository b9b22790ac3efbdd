//! Certificates of the webhook server: the operator's own authority, or mounted files.
//!
//! * [`authority`]: making CA and serving certificate.
//! * [`rotation`]: from one CA to the next without a moment of distrust.
//! * [`keep`]: where CAs are kept between starts and shared by replicas.
//! * [`own`]: the three of them put together.
//! * [`mounted`]: files of cert-manager, Helm or OLM, used instead when they are there.
//! * [`trust`]: what the API server has to trust, and whether it does.
//! * [`bundle`]: telling it.
//!
//! New handshakes use the newest pair; nothing is restarted.

pub mod authority;
pub mod bundle;
pub mod keep;
pub mod mounted;
pub mod own;
pub mod rotation;
pub mod trust;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use futures::future::BoxFuture;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use time::OffsetDateTime;
use tokio::sync::watch;

pub use authority::{Authority, Ca, Certificate, Lifetimes};

/// The certificate in use, swapped while connections are being accepted.
#[derive(Default)]
pub struct Current {
    served: ArcSwapOption<Served>,
    changes: watch::Sender<()>,
    refresh: OnceLock<Refresh>,
    told: AtomicBool,
}

/// Makes sure that what is served and trusted is the newest.
type Refresh = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("served", &self.served).finish_non_exhaustive()
    }
}

/// A certificate in use.
#[derive(Clone, Debug)]
pub struct Served {
    key: Arc<CertifiedKey>,
    /// What the certificate says of itself.
    pub certificate: Certificate,
    /// The CAs that clients have to trust, as PEM; none when mounted files bring none.
    pub ca: Option<String>,
    /// Whether it comes from mounted files rather than from the process's own CA.
    pub mounted: bool,
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
    ///
    /// # Errors
    /// When the two do not belong together or cannot be read; then nothing changes.
    pub fn serve(
        &self,
        certificate: &str,
        key: &str,
        ca: Option<String>,
        mounted: bool,
    ) -> Result<(), Error> {
        let key = Arc::new(certified_key(certificate.as_bytes(), key.as_bytes())?);
        let certificate = Certificate::read(certificate)?;
        self.store(Served { key, certificate, ca, mounted });
        Ok(())
    }

    /// Serves the same pair, and has other CAs trusted.
    pub fn trust(&self, served: &Served, ca: String) {
        self.store(Served { ca: Some(ca), ..served.clone() });
    }

    fn store(&self, served: Served) {
        self.served.store(Some(Arc::new(served)));
        self.changes.send_replace(());
    }

    /// Tells when another pair is served, or another CA is to be trusted.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Whom [`Current::refresh`] asks; the first one counts.
    pub fn refresh_with(&self, refresh: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        let _ = self.refresh.set(Box::new(refresh));
    }

    /// Makes sure that [`Current::served`] is the newest. To be called *after* reading an object with a bundle and before
    /// writing it: another replica may have begun a rotation that this one has not noticed, and a write by what was known
    /// before would take the trust away from it. What was read before is then too old to be written over.
    pub async fn refresh(&self) {
        if let Some(refresh) = self.refresh.get() {
            refresh().await;
        }
    }

    /// The API server has been told once whom to trust, or it is not for this process to tell.
    pub fn told(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Whether [`Current::told`] was called.
    pub fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
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
        current.serve(&a.certificate, &a.key, None, false).unwrap();
        assert!(current.serve(&a.certificate, &b.key, None, false).is_err());
        assert_eq!(current.check(now), Ok(()));
        assert!(current.check(now + time::Duration::days(400)).unwrap_err().contains("expired"));
    }
}
