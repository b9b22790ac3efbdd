//! One connection to the API server for everything.
//!
//! The client that kube makes by itself speaks HTTP/1.1, where every watch occupies a connection of its own, with its own TLS state and
//! buffers. Over HTTP/2 they are streams of one connection, and a connection that died is noticed by pings, for all of them at once.

use std::{sync::Arc, time::Duration};

use hyper_rustls::{FixedServerNameResolver, HttpsConnector};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::{Client, Config, client::ConfigExt};
use rustls::pki_types::ServerName;
use tower::{BoxError, ServiceBuilder};

use super::{proxy::Proxy, way::Way};

/// How often a connection is asked whether it still works.
const PING: Duration = Duration::from_secs(30);
/// How long the answer may take.
const PONG: Duration = Duration::from_secs(15);
/// What may be under way in one stream: a page of a list. Streams are read as soon as something arrives.
const STREAM_WINDOW: u32 = 1 << 20;
/// What may be under way in all of them.
const CONNECTION_WINDOW: u32 = 8 << 20;

/// A client whose requests share one connection, where the API server speaks HTTP/2; else HTTP/1.1.
///
/// # Errors
/// When certificates or credentials of the configuration cannot be used.
pub(super) fn client(config: Config, proxy: Option<&Proxy>) -> Result<Client, kube::Error> {
    let mut tls = config.rustls_client_config()?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let way = Way::new(proxy, http);
    let name = config.tls_server_name.clone().and_then(|name| ServerName::try_from(name).ok());
    let https = match name {
        Some(name) => HttpsConnector::new(way, tls, false, Arc::new(FixedServerNameResolver::new(name))),
        None => HttpsConnector::from((way, tls)),
    };
    let mut connector = TimeoutConnector::new(https);
    connector.set_connect_timeout(config.connect_timeout);
    let transport = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        // Watches keep it in use all the time, so one that nobody borrowed for a while is as good as new.
        .pool_idle_timeout(None)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(transport);
    Ok(Client::new(service, config.default_namespace))
}
