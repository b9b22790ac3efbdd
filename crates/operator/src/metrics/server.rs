//! `/metrics`: the OpenMetrics text, to everybody or to authorised clients.

use std::sync::Arc;

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
};
use kube::Client;
use prometheus_client::registry::Registry;

use super::authorization::{Access, Gate};
use crate::webhook::text;

/// Answers scrapes.
pub struct MetricsEndpoint {
    registry: Registry,
    /// None: everybody may read (`--metrics-secure=false`).
    gate: Option<Gate>,
}

impl MetricsEndpoint {
    /// With a client, callers are asked for a token and its rights are checked.
    pub fn new(registry: Registry, secure: Option<Client>) -> Arc<Self> {
        Arc::new(MetricsEndpoint { registry, gate: secure.map(Gate::new) })
    }

    /// Answers one request.
    pub async fn handle<B>(self: Arc<Self>, request: Request<B>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "give /metrics");
        }
        if let Some(gate) = &self.gate {
            match gate.check(request.headers()).await {
                Access::Granted => {}
                Access::Unauthenticated => {
                    return text(StatusCode::UNAUTHORIZED, "give a bearer token of the cluster");
                }
                Access::Denied(user) => {
                    let why = format!(
                        "{user} may not get /metrics; bind it to ClusterRole opentelemetry-operator-metrics-reader"
                    );
                    return text(StatusCode::FORBIDDEN, &why);
                }
                Access::Unknown(why) => return text(StatusCode::INTERNAL_SERVER_ERROR, &why),
            }
        }
        let mut body = String::new();
        if prometheus_client::encoding::text::encode(&mut body, &self.registry).is_err() {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written");
        }
        let mut response = Response::new(Full::new(body.into()));
        let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}
