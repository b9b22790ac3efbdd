//! The webhooks: HTTP paths of the reference operator, one file for each endpoint.

pub mod collector;
mod instrumentation;
pub mod pod;
pub mod prefilter;
pub mod review;
pub mod server;

use std::{sync::Arc, time::Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
};

use crate::{metrics::Metrics, telemetry::Span};

/// Path of the defaulting webhook of Instrumentations.
pub use instrumentation::{DEFAULT_PATH, VALIDATE_PATH};
use pod::Pods;

/// The path that the process asks itself whether it is being served.
pub const PROBE_PATH: &str = "/probe";

/// Longer bodies are refused. The API server accepts objects of 3 MiB, and an update carries two of them.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// The webhooks.
pub struct Webhooks {
    /// `/mutate-v1-pod`.
    pub pods: Pods,
    /// Collectors.
    pub collectors: collector::Collectors,
}

impl Webhooks {
    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let metrics: &Arc<Metrics> = &self.pods.metrics;
        let path = match request.uri().path() {
            pod::PATH => pod::PATH,
            DEFAULT_PATH => DEFAULT_PATH,
            VALIDATE_PATH => VALIDATE_PATH,
            collector::DEFAULT_PATH => collector::DEFAULT_PATH,
            collector::VALIDATE_PATH => collector::VALIDATE_PATH,
            collector::CONVERT_PATH => collector::CONVERT_PATH,
            PROBE_PATH => return text(StatusCode::OK, "ok"),
            _ => return text(StatusCode::NOT_FOUND, "no such webhook"),
        };
        let began = Instant::now();
        let in_flight = metrics.in_flight(path);
        in_flight.inc();
        let span = Span::of_request(path, request.headers());
        let response = self.answer(path, request).await;
        let code = response.status();
        span.with_number("http.response.status_code", code.as_u16().into())
            .end((!code.is_success()).then(|| code.canonical_reason().unwrap_or_default()));
        in_flight.dec();
        metrics.request(path, response.status().as_u16(), began.elapsed());
        response
    }

    async fn answer(&self, path: &'static str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "webhooks are asked with POST");
        }
        let body = match Limited::new(request.into_body(), BODY_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(e) if e.is::<http_body_util::LengthLimitError>() => {
                return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 8 MiB");
            }
            Err(e) => return text(StatusCode::BAD_REQUEST, &format!("the body could not be received: {e}")),
        };
        let settings = &self.pods.settings;
        let answer = match path {
            pod::PATH => self.pods.answer(&body).await,
            DEFAULT_PATH => instrumentation::default(&body, settings),
            collector::DEFAULT_PATH => self.collectors.default(&body),
            collector::VALIDATE_PATH => self.collectors.validate(&body).await,
            collector::CONVERT_PATH => collector::convert(&body),
            _ => instrumentation::validate(&body, settings),
        };
        match answer {
            Ok(json) => {
                let mut response = Response::new(Full::new(json.into()));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
                response
            }
            Err(message) => text(StatusCode::BAD_REQUEST, &message),
        }
    }
}

/// A plain text response.
pub(crate) fn text(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(message.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
