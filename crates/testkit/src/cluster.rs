//! A cluster that one can reach: a kubeconfig, clients, kubectl, namespaces.

use std::{
    hash::{BuildHasher, RandomState},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api, Client, Config,
    api::{ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::OnceCell;

use crate::{binaries, certificate::Pair, control_plane::ControlPlane, wait::wait_for};

/// Names the kubeconfig of a control plane that is up already; `cargo xtask test` sets it.
pub const KUBECONFIG_VARIABLE: &str = "OTEL_OPERATOR_TEST_KUBECONFIG";

/// A cluster with administrator's rights.
#[derive(Clone, Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    url: String,
}

impl Cluster {
    pub(crate) fn new(kubeconfig: PathBuf, url: String) -> Cluster {
        Cluster { kubeconfig, url }
    }

    /// The cluster of a kubeconfig's current context.
    ///
    /// # Errors
    /// When the file cannot be read or names no server.
    pub async fn from_kubeconfig(path: &Path) -> anyhow::Result<Cluster> {
        let url = config(path).await?.cluster_url.to_string();
        Ok(Cluster { kubeconfig: path.to_owned(), url: url.trim_end_matches('/').to_owned() })
    }

    /// The kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server, for example `https://127.0.0.1:23456`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new client. It belongs to the runtime it is made in, so each test makes its own.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::try_from(config(&self.kubeconfig).await?)?)
    }

    /// The answer to a GET of any path of the API server, for example `/readyz`.
    ///
    /// # Errors
    /// When there is no answer or it is not a success.
    pub async fn get(&self, path: &str) -> anyhow::Result<String> {
        let request = http::Request::get(path).body(Vec::new())?;
        Ok(self.client().await?.request_text(request).await?)
    }

    /// Runs the real kubectl with these arguments and this standard input, and returns what it printed.
    ///
    /// # Errors
    /// When it ends with another code than 0; the error holds what it wrote to stderr.
    pub fn kubectl(&self, arguments: &[&str], stdin: &str) -> anyhow::Result<String> {
        let mut command = Command::new(binaries::get()?.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        output("kubectl", arguments, command, stdin)
    }

    /// Runs the real Helm with these arguments, and returns what it printed.
    ///
    /// # Errors
    /// As [`Cluster::kubectl`].
    pub fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        helm_with(Some(&self.kubeconfig), arguments)
    }
}

/// Runs the real Helm without a cluster, for example `template` or `lint`, and returns what it printed.
///
/// # Errors
/// As [`Cluster::kubectl`].
pub fn helm(arguments: &[&str]) -> anyhow::Result<String> {
    helm_with(None, arguments)
}

fn helm_with(kubeconfig: Option<&Path>, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(binaries::helm()?);
    // Not the plugins and repositories of whoever runs the tests, and never their cluster.
    let nowhere = Path::new("/nonexistent");
    for variable in ["HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_CACHE_HOME"] {
        command.env(variable, nowhere);
    }
    command.env("KUBECONFIG", kubeconfig.unwrap_or(nowhere)).args(arguments);
    output("helm", arguments, command, "")
}

fn output(name: &str, arguments: &[&str], mut command: Command, stdin: &str) -> anyhow::Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let mut pipe = child.stdin.take().with_context(|| format!("{name} has no stdin"))?;
    let text = stdin.to_owned();
    // On a thread of its own: it may write before it has read everything. It may also end without reading.
    let writer = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {name}"))?;
    let _ = writer.join();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{name} {} ended with {}: {}", arguments.join(" "), output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The control plane that all tests share: the one whose kubeconfig [`KUBECONFIG_VARIABLE`] names, or else one that
/// is started for this process at first use and ends with it.
///
/// # Errors
/// When it cannot be started or reached.
pub async fn shared() -> anyhow::Result<&'static Cluster> {
    static SHARED: OnceCell<(Cluster, Option<ControlPlane>)> = OnceCell::const_new();
    let start = async || -> anyhow::Result<_> {
        match std::env::var_os(KUBECONFIG_VARIABLE) {
            Some(path) => Ok((Cluster::from_kubeconfig(Path::new(&path)).await?, None)),
            None => {
                let control_plane = ControlPlane::start().await?;
                Ok((Cluster::clone(&control_plane), Some(control_plane)))
            }
        }
    };
    Ok(&SHARED.get_or_try_init(start).await?.0)
}

/// [`Cluster::kubectl`] on the shared control plane.
///
/// # Errors
/// As [`shared`] and [`Cluster::kubectl`].
pub async fn kubectl(arguments: &[&str], stdin: &str) -> anyhow::Result<String> {
    shared().await?.kubectl(arguments, stdin)
}

/// Makes a namespace named `<prefix>-<random>` and waits for its service account, without which no pod can be made.
///
/// # Errors
/// When the API server refuses it or the account does not appear.
pub async fn namespace(client: &Client, prefix: &str) -> anyhow::Result<String> {
    let random = RandomState::new().hash_one(std::process::id());
    let name = format!("{prefix}-{:08x}", random & 0xffff_ffff);
    let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .with_context(|| format!("namespace {name}"))?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
    let what = format!("the service account of namespace {name}");
    wait_for(&what, Duration::from_secs(60), async || Ok(accounts.get_opt("default").await?)).await?;
    Ok(name)
}

async fn config(kubeconfig: &Path) -> anyhow::Result<Config> {
    // rustls wants to be told once per process. An error means that it has been.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("cannot read the kubeconfig {}", kubeconfig.display()))?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("the kubeconfig {} cannot be used", kubeconfig.display()))?;
    // A test wants the server's answer, not that of the fifteenth attempt.
    config.default_retry = false;
    Ok(config)
}

/// A kubeconfig that can be copied: it refers to no other file.
pub(crate) fn kubeconfig(url: &str, authority: &str, user: &Pair) -> String {
    let base64 = |pem: &str| BASE64_STANDARD.encode(pem);
    format!(
        "\
apiVersion: v1
kind: Config
clusters:
- name: testkit
  cluster:
    server: {url}
    certificate-authority-data: {}
users:
- name: testkit
  user:
    client-certificate-data: {}
    client-key-data: {}
contexts:
- name: testkit
  context: {{cluster: testkit, user: testkit}}
current-context: testkit
",
        base64(authority),
        base64(&user.certificate),
        base64(&user.key)
    )
}
