//! Spans are collected and sent in batches. Nobody waits for them: what does not fit is dropped and counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use prost::Message;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use tracing::warn;

use super::{settings::Settings, wire};

/// Spans that wait, the size of a batch, and the pause between batches: the defaults of OpenTelemetry SDKs.
const WAITING: usize = 2048;
const BATCH: usize = 512;
const PAUSE: Duration = Duration::from_secs(5);
/// Attempts for one batch.
const ATTEMPTS: u32 = 4;
/// A receiver that is away is reported this often.
const REPORT: Duration = Duration::from_secs(60);

enum Job {
    Span(wire::Span),
    Flush(oneshot::Sender<()>),
}

/// Collects spans for the task that sends them.
pub struct Exporter {
    jobs: mpsc::Sender<Job>,
    dropped: Arc<AtomicU64>,
}

impl Exporter {
    /// Starts the task that sends.
    ///
    /// # Errors
    /// When the CA of the endpoint cannot be read.
    pub fn start(settings: Settings) -> Result<Exporter> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let sender =
            Sender { client: client(&settings)?, settings, dropped: dropped.clone(), reported: None };
        tokio::spawn(sender.run(waiting));
        Ok(Exporter { jobs, dropped })
    }

    /// Takes a span that has ended.
    pub fn take(&self, span: wire::Span) {
        if self.jobs.try_send(Job::Span(span)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when everything taken so far is sent or given up.
    pub async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.jobs.send(Job::Flush(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

fn client(settings: &Settings) -> Result<HttpClient> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let config = match &settings.certificate {
        Some(path) => {
            let unreadable = || format!("OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read {}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).with_context(unreadable)? {
                roots.add(certificate.with_context(unreadable)?).with_context(unreadable)?;
            }
            config.with_root_certificates(roots).with_no_client_auth()
        }
        // The system's own are only read when they are needed.
        None if settings.endpoint.scheme_str() == Some("https") => {
            config.with_platform_verifier()?.with_no_client_auth()
        }
        None => config.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
    };
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector))
}

struct Sender {
    client: HttpClient,
    settings: Settings,
    dropped: Arc<AtomicU64>,
    reported: Option<Instant>,
}

impl Sender {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        let mut due = None;
        loop {
            let job = match due {
                None => jobs.recv().await,
                Some(due) => match tokio::time::timeout_at(due, jobs.recv()).await {
                    Ok(job) => job,
                    Err(_) => Some(Job::Flush(oneshot::channel().0)),
                },
            };
            match job {
                None => return,
                Some(Job::Span(span)) => {
                    batch.push(span);
                    due = due.or_else(|| Some(Instant::now() + PAUSE));
                    if batch.len() < BATCH {
                        continue;
                    }
                    self.send(std::mem::take(&mut batch)).await;
                }
                Some(Job::Flush(done)) => {
                    self.send(std::mem::take(&mut batch)).await;
                    let _ = done.send(());
                }
            }
            due = None;
        }
    }

    async fn send(&mut self, spans: Vec<wire::Span>) {
        if spans.is_empty() {
            return;
        }
        let count = spans.len() as u64;
        let body = Bytes::from(self.request(spans).encode_to_vec());
        let mut pause = Duration::from_secs(1);
        for attempt in 1..=ATTEMPTS {
            let error = match timeout(self.settings.timeout, self.post(body.clone())).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => Failure { what: "no answer in time".to_owned(), passes: true },
            };
            if !error.passes || attempt == ATTEMPTS {
                self.dropped.fetch_add(count, Ordering::Relaxed);
                self.report(&error.what);
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn post(&self, body: Bytes) -> Result<(), Failure> {
        let mut request = Request::post(&self.settings.endpoint)
            .header("content-type", "application/x-protobuf")
            .header("user-agent", concat!("opentelemetry-operator/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        let failure = |what: String, passes| Failure { what, passes };
        let request = request.body(Full::new(body)).map_err(|e| failure(e.to_string(), false))?;
        let response = self.client.request(request).await;
        let response = response.map_err(|e| failure(format!("{:#}", anyhow::Error::new(e)), true))?;
        let status = response.status();
        if status.is_success() {
            // Read to its end, so that the connection is used again.
            let _ = Limited::new(response.into_body(), 64 * 1024).collect().await;
            return Ok(());
        }
        Err(failure(format!("it answered {status}"), matches!(status.as_u16(), 429 | 502 | 503 | 504)))
    }

    fn request(&self, spans: Vec<wire::Span>) -> wire::Request {
        let attributes = self.settings.resource.iter().map(|(k, v)| wire::KeyValue::text(k, v)).collect();
        let scope = wire::Scope {
            name: "opentelemetry-operator".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        wire::Request {
            resource_spans: vec![wire::ResourceSpans {
                resource: Some(wire::Resource { attributes }),
                scope_spans: vec![wire::ScopeSpans { scope: Some(scope), spans }],
            }],
        }
    }

    fn report(&mut self, error: &str) {
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT) {
            self.reported = Some(Instant::now());
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            warn!(target: "telemetry", dropped, "traces cannot be sent to {}: {error}", self.settings.endpoint);
        }
    }
}

struct Failure {
    what: String,
    /// Whether another attempt may do better.
    passes: bool,
}
