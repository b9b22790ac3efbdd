//! Reaching the cluster: which kubeconfig, which namespace.

mod connection;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hyper::header::{HeaderValue, USER_AGENT};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

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
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("the kubeconfig {} cannot be used", path.display()))?
        }
        None if place.inside => Config::incluster().context("the pod's service account cannot be used")?,
        None => Config::from_kubeconfig(&KubeConfigOptions::default())
            .await
            .context("no usable kubeconfig; give --kubeconfig, KUBECONFIG or ~/.kube/config")?,
    };
    // Each caller knows how long it can wait and tries again by itself.
    config.default_retry = false;
    config.headers.push((USER_AGENT, HeaderValue::from_static(NAME)));
    connection::client(config).context("cannot make a client for the cluster")
}
