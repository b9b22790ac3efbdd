//! Reaching the cluster: which kubeconfig, which namespace, which way.

mod connection;
pub mod proxy;
mod way;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hyper::header::{HeaderValue, USER_AGENT};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use proxy::Proxy;
use tracing::info;

use crate::manifest;

/// How the process introduces itself, for audit logs and metrics of the API server.
const NAME: &str = concat!("opentelemetry-operator/", env!("CARGO_PKG_VERSION"));

const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where the process runs, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whether it runs as a pod of the cluster that it serves.
    pub inside: bool,
    /// The operator's namespace: `NAMESPACE`, else that of the service account, else the usual one.
    pub namespace: String,
}

impl Place {
    /// Finds out. A given kubeconfig, or `KUBECONFIG`, means outside.
    pub fn find(kubeconfig: Option<&PathBuf>) -> Place {
        let inside = kubeconfig.is_none()
            && std::env::var_os("KUBECONFIG").is_none_or(|files| files.is_empty())
            && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
            && Path::new(SERVICE_ACCOUNT).join("token").exists();
        let of_account =
            || std::fs::read_to_string(Path::new(SERVICE_ACCOUNT).join("namespace")).ok().filter(|_| inside);
        let namespace = std::env::var("NAMESPACE").ok().or_else(of_account).map(|n| n.trim().to_owned());
        let namespace = namespace.filter(|n| !n.is_empty()).unwrap_or_else(|| manifest::NAMESPACE.to_owned());
        Place { inside, namespace }
    }
}

/// A client for the cluster.
///
/// # Errors
/// When no kubeconfig can be used; the message names the ways to give one.
pub async fn client(kubeconfig: Option<&PathBuf>, place: &Place) -> Result<Client> {
    let options = KubeConfigOptions::default();
    let (mut config, proxy) = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
            outside(file, &options)
                .await
                .with_context(|| format!("the kubeconfig {} cannot be used", path.display()))?
        }
        // Collectors are told of proxies, the API server of the own cluster is nearer than any of them.
        None if place.inside => {
            (Config::incluster().context("the pod's service account cannot be used")?, None)
        }
        None => {
            let none = "no usable kubeconfig; give --kubeconfig, KUBECONFIG or ~/.kube/config";
            outside(Kubeconfig::read().context(none)?, &options).await.context(none)?
        }
    };
    if let Some(proxy) = &proxy {
        info!(target: "setup", proxy = %proxy.uri, "the API server is reached through a proxy");
    }
    // Each caller knows how long it can wait and tries again by itself.
    config.default_retry = false;
    config.headers.push((USER_AGENT, HeaderValue::from_static(NAME)));
    connect(config, proxy.as_ref())
}

/// What a kubeconfig says, and the proxy on the way to its cluster, which the configuration itself does not name any more.
///
/// # Errors
/// When the kubeconfig names no usable cluster, or a proxy that cannot be used.
pub async fn outside(mut file: Kubeconfig, options: &KubeConfigOptions) -> Result<(Config, Option<Proxy>)> {
    let stated = proxy::stated(&file, options);
    // With one stated kube leaves the environment alone, which it would read without a look at NO_PROXY.
    for cluster in file.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        cluster.proxy_url = Some("http://not.used".to_owned());
    }
    let mut config = Config::from_custom_kubeconfig(file, options).await?;
    config.proxy_url = None;
    let proxy = proxy::choose(stated.as_deref(), &config.cluster_url, |name| std::env::var(name).ok())?;
    Ok((config, proxy))
}

/// A client for this configuration.
///
/// # Errors
/// When certificates or credentials of the configuration cannot be used.
pub fn connect(config: Config, proxy: Option<&Proxy>) -> Result<Client> {
    connection::client(config, proxy).context("cannot make a client for the cluster")
}
