//! The bytes' way to the API server: directly, or through a proxy. One type for both, so that what speaks HTTP over it is compiled once.

use std::task::{Context, Poll};

use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use hyper::Uri;
use hyper_util::{
    client::legacy::connect::{HttpConnector, proxy::Tunnel},
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower::{BoxError, Service};

use super::proxy::Proxy;

/// Connects.
#[derive(Clone)]
pub(super) enum Way {
    /// To the API server itself.
    Direct(HttpConnector),
    /// To a proxy, here, that is asked for a tunnel.
    Through(Box<Uri>, Tunnel<HttpConnector>),
}

impl Way {
    pub(super) fn new(proxy: Option<&Proxy>, connector: HttpConnector) -> Way {
        let Some(proxy) = proxy else { return Way::Direct(connector) };
        let tunnel = Tunnel::new(proxy.uri.clone(), connector);
        let tunnel = match &proxy.authorization {
            Some(authorization) => tunnel.with_auth(authorization.clone()),
            None => tunnel,
        };
        Way::Through(Box::new(proxy.uri.clone()), tunnel)
    }
}

impl Service<Uri> for Way {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Way::Direct(connector) => connector.poll_ready(context).map_err(Into::into),
            Way::Through(_, tunnel) => tunnel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        match self {
            Way::Direct(connector) => connector.call(target).map_err(Into::into).boxed(),
            Way::Through(proxy, tunnel) => {
                let what = format!("the proxy {proxy} gave no way to {target}");
                tunnel.call(target).map_err(|error| anyhow::Error::from(error).context(what).into()).boxed()
            }
        }
    }
}
