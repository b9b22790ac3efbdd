//! One HTTP/2 connection over TLS, as the API server has one to a webhook.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http2::{self, SendRequest},
    header::CONTENT_TYPE,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What the API server grants a webhook.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection; clones of it are streams of the same one.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    uri: String,
}

impl Connection {
    /// Connects to a port of loopback, trusting this CA (PEM).
    pub(crate) async fn open(port: u16, ca: &str, path: &str) -> anyhow::Result<Connection> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            roots.add(certificate.context("the CA is not PEM")?)?;
        }
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender, uri: format!("https://localhost:{port}{path}") })
    }

    /// Sends one request and returns the body of the answer.
    pub(crate) async fn post(&mut self, body: &Bytes) -> anyhow::Result<Bytes> {
        let request = Request::post(&self.uri)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))
            .context("a request")?;
        let exchange = async {
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&body));
            Ok(body)
        };
        tokio::time::timeout(PATIENCE, exchange).await.context("no answer in time")?
    }
}
