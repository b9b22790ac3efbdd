//! `/healthz` and `/readyz`, plain HTTP.
//!
//! Alive: the process answers. Ready: the certificate is valid, the caches are filled, and the webhook server answered
//! a request of the process's own over TLS with the certificate that the API server is told to trust, and has been told.
//! So a pod that is ready does instrument.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Bytes};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::{
    certificate::{Current, Served},
    store::Store,
    webhook,
};

/// A probe of the webhook server takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(2);
/// A good answer of the webhook server is believed this long.
const BELIEVED: Duration = Duration::from_secs(5);

/// What readiness depends on.
pub struct Health {
    /// Caches.
    pub store: Arc<Store>,
    /// Certificate of the webhook server.
    pub certificate: Arc<Current>,
    /// Port of the webhook server; none when webhooks are off.
    pub webhook_port: Option<u16>,
    /// Cancelled when the process is stopping.
    pub stopping: CancellationToken,
    /// When the webhook server last answered.
    answered: Mutex<Option<Instant>>,
}

/// One named check and its result.
type Check = (&'static str, Result<(), String>);

impl Health {
    /// Nothing is checked before somebody asks.
    pub fn new(
        store: Arc<Store>,
        certificate: Arc<Current>,
        webhook_port: Option<u16>,
        stopping: CancellationToken,
    ) -> Health {
        Health { store, certificate, webhook_port, stopping, answered: Mutex::new(None) }
    }

    /// Answers a request to the probe server.
    pub async fn handle<B>(self: Arc<Self>, request: Request<B>) -> Response<Full<Bytes>> {
        let verbose = request
            .uri()
            .query()
            .is_some_and(|q| q.split('&').any(|p| p == "verbose" || p.starts_with("verbose=")));
        let path = request.uri().path().trim_end_matches('/');
        let (kind, name) = match path.strip_prefix('/').unwrap_or_default().split_once('/') {
            Some((kind, name)) => (kind, Some(name)),
            None => (path.trim_start_matches('/'), None),
        };
        let checks: Vec<Check> = match kind {
            "healthz" => vec![("healthz", Ok(()))],
            "readyz" => self.readiness().await,
            _ => return webhook::text(StatusCode::NOT_FOUND, "give /healthz or /readyz"),
        };
        let checks: Vec<Check> = match name {
            None => checks,
            Some(name) => checks.into_iter().filter(|(check, _)| *check == name).collect(),
        };
        if checks.is_empty() {
            return webhook::text(StatusCode::NOT_FOUND, "no check of this name");
        }
        report(kind, &checks, verbose)
    }

    async fn readiness(&self) -> Vec<Check> {
        let running =
            if self.stopping.is_cancelled() { Err("the process is stopping".to_owned()) } else { Ok(()) };
        let caches = match self.store.unfilled() {
            empty if empty.is_empty() => Ok(()),
            missing => Err(format!("not listed yet: {}", missing.join(", "))),
        };
        let mut checks = vec![("readyz", running), ("caches", caches)];
        if let Some(port) = self.webhook_port {
            let valid = self.certificate.check(OffsetDateTime::now_utc());
            let webhook = match &valid {
                Ok(()) => self.webhook(port).await,
                Err(_) => Err("there is no valid certificate".to_owned()),
            };
            let certificate = valid.and_then(|()| match self.certificate.is_told() {
                true => Ok(()),
                false => Err("the API server has not been told yet whom to trust (caBundle)".to_owned()),
            });
            checks.extend([("certificate", certificate), ("webhook", webhook)]);
        }
        checks
    }

    /// Asks the webhook server, unless it answered a moment ago.
    async fn webhook(&self, port: u16) -> Result<(), String> {
        let answered = || self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered().is_some_and(|at| at.elapsed() < BELIEVED) {
            return Ok(());
        }
        let served = self.certificate.served().ok_or("there is no certificate")?;
        match tokio::time::timeout(PATIENCE, probe(port, served)).await {
            Ok(Ok(())) => {
                *answered() = Some(Instant::now());
                Ok(())
            }
            Ok(Err(e)) => Err(format!("the webhook server did not answer: {e:#}")),
            Err(_) => Err(format!("the webhook server did not answer within {} s", PATIENCE.as_secs())),
        }
    }
}

/// In the format of Kubernetes' components.
fn report(kind: &str, checks: &[Check], verbose: bool) -> Response<Full<Bytes>> {
    let good = checks.iter().all(|(_, result)| result.is_ok());
    if good && !verbose {
        return webhook::text(StatusCode::OK, "ok");
    }
    let mut text = String::new();
    for (name, result) in checks {
        match result {
            Ok(()) => text.push_str(&format!("[+]{name} ok\n")),
            Err(why) => text.push_str(&format!("[-]{name} failed: {why}\n")),
        }
    }
    text.push_str(&format!("{kind} check {}\n", if good { "passed" } else { "failed" }));
    webhook::text(if good { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }, &text)
}

/// One request over TLS, trusting what the API server is told to trust.
async fn probe(port: u16, served: Arc<Served>) -> anyhow::Result<()> {
    let name = served.certificate.names.first().cloned().unwrap_or_else(|| "localhost".to_owned());
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match &served.ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
                roots.add(certificate?)?;
            }
            config.with_root_certificates(roots).with_no_client_auth()
        }
        // Mounted without a CA: whom the API server trusts is not ours to know, but it must be this certificate.
        None => config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Exactly(served)))
            .with_no_client_auth(),
    };
    let stream = TcpStream::connect(("localhost", port)).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name)?, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request =
        Request::get(webhook::PROBE_PATH).header("host", "localhost").body(Full::<Bytes>::default())?;
    let response = sender.send_request(request).await?;
    anyhow::ensure!(response.status() == StatusCode::OK, "it answered {}", response.status());
    response.into_body().collect().await?;
    connection.abort();
    Ok(())
}

/// Accepts exactly the certificate that is being served.
#[derive(Debug)]
struct Exactly(Arc<Served>);

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.0.end_entity() == Some(end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("another certificate is being served".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &ring::default_provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &ring::default_provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
