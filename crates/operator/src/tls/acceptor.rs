//! The TLS of a server while it runs: other settings hold from the next connection on.

use std::sync::Arc;

use rustls::server::ResolvesServerCert;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::error;

use super::TlsSettings;

/// Accepts connections by the settings in force.
pub struct Acceptor {
    settings: watch::Receiver<TlsSettings>,
    certificates: Arc<dyn ResolvesServerCert>,
    current: TlsAcceptor,
}

impl Acceptor {
    /// With the certificate of the resolver.
    ///
    /// # Errors
    /// When no cipher suite fits the versions.
    pub fn new(
        mut settings: watch::Receiver<TlsSettings>,
        certificates: Arc<dyn ResolvesServerCert>,
    ) -> Result<Acceptor, rustls::Error> {
        let current = settings.borrow_and_update().acceptor(certificates.clone())?;
        Ok(Acceptor { settings, certificates, current })
    }

    /// For a new connection.
    pub fn current(&self) -> TlsAcceptor {
        self.current.clone()
    }

    /// Waits until other settings are in force, and takes them; none when that cannot happen any more.
    pub async fn changed(&mut self) -> Option<()> {
        loop {
            self.settings.changed().await.ok()?;
            let new = self.settings.borrow_and_update().acceptor(self.certificates.clone());
            match new {
                Ok(new) => {
                    self.current = new;
                    return Some(());
                }
                Err(e) => error!(target: "tls", "new TLS settings cannot be used, the old ones stay: {e}"),
            }
        }
    }
}
