//! HTTP/1.1 and HTTP/2 servers, with or without TLS, that stop gracefully.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::tls::acceptor::Acceptor;

/// A client that does not finish its handshake or its headers within this time is dropped.
const PATIENCE: Duration = Duration::from_secs(10);
/// When told to stop, it stops listening once no connection came for this long.
const LAST_CONNECTIONS: Duration = Duration::from_millis(10);
/// Idle HTTP/2 connections are pinged this often.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Binds a listener. An empty host means all addresses, IPv6 ones too where there are any.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener> {
    let listener = match host {
        "" => match TcpListener::bind(SocketAddr::from(([0_u16; 8], port))).await {
            Ok(listener) => Ok(listener),
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => Err(e),
            Err(_) => TcpListener::bind(SocketAddr::from(([0_u8; 4], port))).await,
        },
        host => TcpListener::bind((host, port)).await,
    };
    listener.with_context(|| format!("cannot listen on {host}:{port}"))
}

/// Serves until told to stop, then lets running requests finish.
///
/// When other TLS settings hold, connections that were made by the old ones end as soon as their running requests have.
pub async fn serve<F, R>(listener: TcpListener, mut tls: Option<Acceptor>, stop: CancellationToken, handle: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let mut graceful = GracefulShutdown::new();
    let mut ending = JoinSet::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(PATIENCE);
    let builder = Arc::new(builder);
    let until = stop.clone();
    let mut last = None;
    loop {
        let accepted = tokio::select! {
            biased;
            Some(()) = async { tls.as_mut()?.changed().await } => {
                ending.spawn(std::mem::take(&mut graceful).shutdown());
                continue;
            }
            accepted = listener.accept() => accepted,
            // The kernel completes connections before they are accepted here. One that a client has may not be reset.
            () = async { until.cancelled().await; tokio::time::sleep(LAST_CONNECTIONS).await } => break,
        };
        if stop.is_cancelled() && *last.get_or_insert_with(Instant::now) + PATIENCE < Instant::now() {
            break;
        }
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(e) => {
                // Out of file descriptors, most likely: a pause lets other connections end.
                debug!(target: "server", "cannot accept a connection: {e}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (builder, handle, watcher) = (builder.clone(), handle.clone(), graceful.watcher());
        let tls = tls.as_ref().map(Acceptor::current);
        tokio::spawn(async move {
            match tls {
                None => connection(stream, &builder, handle, watcher).await,
                Some(tls) => match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, &builder, handle, watcher).await,
                    Ok(Err(e)) => debug!(target: "server", "TLS handshake failed: {e}"),
                    Err(_) => debug!(target: "server", "TLS handshake took too long"),
                },
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
    while ending.join_next().await.is_some() {}
}

async fn connection<S, F, R>(
    stream: S,
    builder: &Builder<TokioExecutor>,
    handle: F,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = handle(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(e) = watcher.watch(connection).await {
        debug!(target: "server", "connection ended: {e}");
    }
}
