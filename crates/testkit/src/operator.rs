//! The operator as users run it: the real binary, as a process beside the control plane.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::sync::OnceCell;

use crate::{
    cluster::Cluster,
    installation::{self, Installation},
    process::Process,
    run_dir::RunDir,
    wait::wait_for,
};

/// Names the binary to run; without it, it is built.
pub const OPERATOR_BINARY_VARIABLE: &str = "OTEL_OPERATOR_BIN";
/// Generous for a machine that compiles at the same time; a quiet one needs a fraction of a second.
const READY: Duration = Duration::from_secs(60);
/// What Kubernetes grants a pod.
const GRACE: Duration = Duration::from_secs(30);

/// What an operator may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rights {
    /// What the manifest gives its ServiceAccount, with `--create-rbac-permissions`: as users run it.
    #[default]
    OfTheManifest,
    /// What the user of the cluster's kubeconfig may do, an administrator as a rule. Such an operator installs what it needs by
    /// itself (`--install`).
    OfTheKubeconfig,
}

/// How an operator differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct OperatorOptions {
    /// More arguments, after the usual ones.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Where it keeps its certificate authority; none: a folder that ends with this operator.
    pub state_dir: Option<PathBuf>,
    /// Where the API server finds the webhooks, when something stands in front of this process, for example a
    /// [`crate::Balancer`]; none: at the process itself.
    pub webhook_url: Option<String>,
    /// The subcommand; none: `run`.
    pub role: Option<&'static str>,
    /// The custom resources and webhook configurations are applied by nobody.
    pub no_install: bool,
    /// What it may do.
    pub rights: Rights,
}

impl OperatorOptions {
    /// Where it keeps its Lease, its settings and its own certificate authority.
    fn namespace(&self) -> &str {
        let said = self.env.iter().rev().find(|(name, _)| name == "NAMESPACE");
        said.map_or(installation::NAMESPACE, |(_, namespace)| namespace)
    }
}

/// A running operator, stopped on drop, and killed by the kernel when this process is killed.
#[derive(Debug)]
pub struct Operator {
    process: Mutex<Process>,
    webhook_port: u16,
    health_port: u16,
    metrics_port: u16,
    // After the process, so that it is gone when its folder is removed.
    folder: RunDir,
}

impl Operator {
    /// Installs what `otel-operator manifests` prints for an operator outside the cluster, starts the operator with the rights of
    /// the ServiceAccount in there, and waits until it is ready.
    ///
    /// The webhook configurations are those of the whole cluster: on a shared control plane use [`Operator::shared`].
    ///
    /// # Errors
    /// When the binary cannot be built, ends, or does not get ready; with the end of its log.
    pub async fn start(cluster: &Cluster, options: OperatorOptions) -> anyhow::Result<Operator> {
        let binary = tokio::task::spawn_blocking(operator_binary).await??;
        let operator = Self::prepare(&binary, cluster, &options).await?;
        operator.start_again().await?;
        // Behind an address of its own it can be asked as soon as whoever gave it that leads there.
        if options.rights == Rights::OfTheManifest && !options.no_install && options.webhook_url.is_none() {
            installation::in_effect(cluster).await.with_context(|| operator.tail())?;
        }
        Ok(operator)
    }

    /// One operator for all tests of this process, on the shared control plane, with every language switched on.
    ///
    /// # Errors
    /// As [`crate::shared`] and [`Operator::start`].
    pub async fn shared() -> anyhow::Result<&'static Operator> {
        static SHARED: OnceCell<Operator> = OnceCell::const_new();
        let start = async || {
            let args = ["--enable-go-instrumentation", "--enable-nginx-instrumentation"];
            let options =
                OperatorOptions { args: args.map(String::from).to_vec(), ..OperatorOptions::default() };
            Operator::start(crate::shared().await?, options).await
        };
        SHARED.get_or_try_init(start).await
    }

    async fn prepare(
        binary: &Path,
        cluster: &Cluster,
        options: &OperatorOptions,
    ) -> anyhow::Result<Operator> {
        let folder = RunDir::new("operator")?;
        let (webhook_port, health_port, metrics_port) =
            (crate::free_port()?, crate::free_port()?, crate::free_port()?);
        let state = options.state_dir.clone().unwrap_or_else(|| folder.path().join("state"));
        let own_url = || format!("https://127.0.0.1:{webhook_port}");
        let webhook_url = options.webhook_url.clone().unwrap_or_else(own_url);
        let kubeconfig = match options.rights {
            Rights::OfTheKubeconfig => cluster.kubeconfig().to_owned(),
            Rights::OfTheManifest => {
                let kubeconfig = folder.path().join("kubeconfig");
                let installation = Installation {
                    binary,
                    cluster,
                    namespace: options.namespace(),
                    webhook_url: &webhook_url,
                    only_rights: options.no_install,
                };
                installation.make(&kubeconfig).await.context("the operator's installation")?;
                kubeconfig
            }
        };
        let mut arguments = vec![
            options.role.unwrap_or("run").to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--webhook-url={webhook_url}"),
            format!("--webhook-port={webhook_port}"),
            format!("--health-probe-addr=127.0.0.1:{health_port}"),
            format!("--metrics-addr=127.0.0.1:{metrics_port}"),
            "--metrics-secure=false".to_owned(),
            format!("--state-dir={}", state.display()),
            // Several operators run on one machine.
            "--admin-addr=0".to_owned(),
        ];
        if options.rights == Rights::OfTheKubeconfig && !options.no_install {
            arguments.push("--install".to_owned());
        }
        arguments.extend(options.args.iter().cloned());
        let mut process = Process::new("operator", binary, arguments, folder.path().join("operator.log"));
        for (name, value) in &options.env {
            process.env(name, value);
        }
        let process = Mutex::new(process);
        Ok(Operator { process, webhook_port, health_port, metrics_port, folder })
    }

    /// Starts a stopped operator with the same ports and state, and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already, ends, or does not get ready; with the end of its log.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        let pid = self.lock().start()?;
        self.folder.record(pid);
        let ready = wait_for("the operator to get ready", READY, async || {
            // Ended: no use in waiting on; said below.
            if !self.is_running() {
                return Ok(Some(()));
            }
            let (status, body) = crate::http::get(self.health_port, "/readyz").await?;
            if status != 200 {
                bail!("/readyz: {status} {}", body.trim());
            }
            Ok(Some(()))
        });
        let ready = ready.await.with_context(|| self.tail());
        // In a statement of its own, so that the lock is free again when the log is read.
        let ended = self.lock().exit_status();
        if let Some(status) = ended {
            self.folder.keep();
            bail!("the operator ended with {status}; {}", self.tail());
        }
        if ready.is_err() {
            self.folder.keep();
        }
        ready
    }

    /// Stops the operator as Kubernetes does and starts it again.
    ///
    /// # Errors
    /// As [`Operator::start_again`].
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.terminate();
        self.start_again().await
    }

    /// Kills the operator at once.
    pub fn kill9(&self) {
        self.lock().kill();
    }

    /// Sends SIGTERM and waits until the operator has ended, 30 seconds at most. Says whether it ended by itself.
    pub fn terminate(&self) -> bool {
        self.lock().stop(GRACE)
    }

    /// Freezes the operator (SIGSTOP): connections to it stay open and nothing answers.
    pub fn pause(&self) -> bool {
        self.lock().signal(libc::SIGSTOP)
    }

    /// Lets a frozen operator go on.
    pub fn resume(&self) -> bool {
        self.lock().signal(libc::SIGCONT)
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        self.lock().is_running()
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().pid()
    }

    /// What the operator has logged since it was first started.
    pub fn log(&self) -> String {
        self.lock().log_tail(u64::MAX)
    }

    /// Keeps the folder with the log when this operator stops.
    pub fn keep_log(&self) {
        self.folder.keep();
    }

    /// The port of the webhooks (TLS).
    pub fn webhook_port(&self) -> u16 {
        self.webhook_port
    }

    /// The port of the probes (plain HTTP).
    pub fn health_port(&self) -> u16 {
        self.health_port
    }

    /// Status and body of a path of the probe server, for example `/healthz`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn probe(&self, path: &str) -> anyhow::Result<(u16, String)> {
        crate::http::get(self.health_port, path).await
    }

    /// The metrics, in the text format.
    ///
    /// # Errors
    /// When there is no answer or it is not a success.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        match crate::http::get(self.metrics_port, "/metrics").await? {
            (200, text) => Ok(text),
            (status, text) => bail!("/metrics: {status} {}", text.trim()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tail(&self) -> String {
        format!("the end of its log:\n{}", self.lock().log_tail(4000))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.lock().stop(GRACE);
    }
}

/// The path of `otel-operator`: the one that `OTEL_OPERATOR_BIN` names, or else built, once per process. Blocks.
///
/// # Errors
/// When it does not compile.
pub fn operator_binary() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = std::env::var_os(OPERATOR_BINARY_VARIABLE) {
        return Ok(path.into());
    }
    if let Some(path) = BUILT.get() {
        return Ok(path.clone());
    }
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()))
        .args(["build", "--package", "otel-operator-cli", "--bin", "otel-operator"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo build --package otel-operator-cli ended with {}", output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let path = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    let path = path.context("cargo build named no executable for otel-operator")?;
    Ok(BUILT.get_or_init(|| path).clone())
}
