//! A control plane of one's own.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use crate::{
    binaries::{self, Binaries},
    certificate::{Authority, Certificates, Pair},
    cluster::Cluster,
    component::{self, Component, Ports},
    process::Process,
    run_dir::RunDir,
    wait::wait_for,
};

/// Generous: a machine that compiles at the same time is slow. A quiet one needs five seconds.
const START: Duration = Duration::from_secs(120);
/// How long a component may take to end by itself. The API server would wait a minute for the watches of others.
const GRACE: Duration = Duration::from_secs(1);
/// Another process may take a port between its choice and its use.
const ATTEMPTS: usize = 4;

/// Records every request once it is answered: who, which verb, which object, which code.
pub const METADATA_AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

/// How a control plane differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// More flags for kube-apiserver, for example `--feature-gates=…`. A flag given twice counts the last time.
    pub api_server_args: Vec<String>,
    /// More flags for kube-controller-manager.
    pub controller_manager_args: Vec<String>,
    /// More names and addresses that the API server's certificate is valid for.
    pub api_server_names: Vec<String>,
    /// An audit policy (YAML); then [`ControlPlane::audit_events`] returns what was recorded.
    pub audit_policy: Option<String>,
}

/// etcd, kube-apiserver and kube-controller-manager as child processes, stopped in reverse order on drop, and killed
/// by the kernel when this process is killed.
///
/// Dereferences to [`Cluster`], which has the kubeconfig and the clients.
#[derive(Debug)]
pub struct ControlPlane {
    cluster: Cluster,
    ports: Ports,
    processes: Mutex<[Process; 3]>,
    authority: Authority,
    // After the processes, so that they are gone when their folder is removed.
    folder: RunDir,
}

impl ControlPlane {
    /// Starts one, building its binaries first where they are missing, and waits until it is ready.
    ///
    /// # Errors
    /// When a binary cannot be had, or a component ends or does not get ready; with the end of its log.
    pub async fn start() -> anyhow::Result<ControlPlane> {
        Self::start_with(Options::default()).await
    }

    /// Like [`ControlPlane::start`], with options.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_with(options: Options) -> anyhow::Result<ControlPlane> {
        let binaries = tokio::task::spawn_blocking(binaries::get).await??;
        for attempt in 1.. {
            let control_plane = Self::prepare(&binaries, &options)?;
            let Err(error) = control_plane.bring_up().await else { return Ok(control_plane) };
            if attempt < ATTEMPTS && control_plane.port_was_taken() {
                continue;
            }
            control_plane.folder.keep();
            return Err(error.context("the control plane did not start"));
        }
        unreachable!("the loop above only ends by returning")
    }

    fn prepare(binaries: &Binaries, options: &Options) -> anyhow::Result<ControlPlane> {
        let folder = RunDir::new("control-plane")?;
        let path = folder.path();
        let logs = path.join("logs");
        fs::create_dir(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let ports = Ports::free()?;
        let certificates = Certificates::create(&path.join("certificates"), &options.api_server_names)?;
        let url = format!("https://127.0.0.1:{}", ports.api_server);
        let kubeconfig = |name: &str, user: &Pair| -> anyhow::Result<PathBuf> {
            let file = path.join(name);
            let text = crate::cluster::kubeconfig(&url, &certificates.authority, user);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(file)
        };
        let admin = kubeconfig("kubeconfig", &certificates.admin)?;
        let controllers = kubeconfig("controller-manager.kubeconfig", &certificates.controller_manager)?;

        let mut api_server = component::api_server(&certificates, ports);
        if let Some(policy) = &options.audit_policy {
            let file = path.join("audit-policy.yaml");
            fs::write(&file, policy).with_context(|| format!("cannot write {}", file.display()))?;
            api_server.push(format!("--audit-policy-file={}", file.display()));
            api_server.push(format!("--audit-log-path={}", audit_log(path).display()));
        }
        api_server.extend(options.api_server_args.iter().cloned());
        let mut controller_manager = component::controller_manager(&certificates, &controllers, ports);
        controller_manager.extend(options.controller_manager_args.iter().cloned());

        let process = |component: Component, program: &Path, arguments| {
            let log = logs.join(format!("{}.log", component.name()));
            Process::new(component.name(), program, arguments, log)
        };
        let processes = [
            process(Component::Etcd, &binaries.etcd, component::etcd(path, ports)),
            process(Component::ApiServer, &binaries.kube_apiserver, api_server),
            process(Component::ControllerManager, &binaries.kube_controller_manager, controller_manager),
        ];
        let cluster = Cluster::new(admin, url);
        let authority = certificates.issuer;
        Ok(ControlPlane { cluster, ports, processes: Mutex::new(processes), authority, folder })
    }

    async fn bring_up(&self) -> anyhow::Result<()> {
        for component in Component::ALL {
            self.start_component(component).await?;
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(self.cluster.client().await?, "default");
        wait_for("the service account of the namespace default", START, async || {
            self.check_running(Component::ControllerManager)?;
            Ok(accounts.get_opt("default").await?)
        })
        .await?;
        Ok(())
    }

    /// Writes a kubeconfig for another client of this control plane: user `common_name` in group `organization`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(
        &self,
        file: &Path,
        organization: Option<&str>,
        common_name: &str,
    ) -> anyhow::Result<()> {
        let user = self.authority.client(organization, common_name)?;
        let text = crate::cluster::kubeconfig(self.cluster.url(), &self.authority.certificate, &user);
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// The certificate (PEM) of the authority that everyone on this control plane trusts.
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join("certificates/ca.crt")
    }

    /// The folder with the logs of all components.
    pub fn log_dir(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// Keeps the folder with the logs when this control plane stops.
    pub fn keep_logs(&self) {
        self.folder.keep();
    }

    /// The process ids of the components that run.
    pub fn pids(&self) -> Vec<u32> {
        self.lock().iter_mut().filter_map(Process::pid).collect()
    }

    /// Starts a component that was stopped, with the same ports and data, and waits until it answers.
    ///
    /// # Errors
    /// When it runs already, or ends or does not get ready; with the end of its log.
    pub async fn start_component(&self, component: Component) -> anyhow::Result<()> {
        let pid = self.process(component, Process::start)?;
        self.folder.record(pid);
        // The controllers have nothing to offer; what they do is waited for where it is needed.
        if component == Component::ControllerManager {
            return Ok(());
        }
        let what = format!("{} to get ready", component.name());
        let answered = wait_for(&what, START, async || {
            // Ended: no use in waiting on. The check below makes an error of it.
            if self.check_running(component).is_err() {
                return Ok(Some(()));
            }
            let ready = match component {
                Component::Etcd => crate::http::get(self.ports.etcd, "/health").await?.0 == 200,
                _ => self.cluster.get("/readyz").await? == "ok",
            };
            Ok(ready.then_some(()))
        })
        .await;
        self.check_running(component)?;
        answered.with_context(|| self.tail(component))
    }

    /// Stops a component, killing it if it has not ended after a second. The others stay.
    pub fn stop_component(&self, component: Component) {
        self.process(component, |p| p.stop(GRACE));
    }

    /// Kills a component as `kill -9` does.
    pub fn kill_component(&self, component: Component) {
        self.process(component, Process::kill);
    }

    /// Freezes a component (SIGSTOP): its connections stay open and nothing answers.
    pub fn pause(&self, component: Component) -> bool {
        self.process(component, |p| p.signal(libc::SIGSTOP))
    }

    /// Lets a frozen component go on.
    pub fn resume(&self, component: Component) -> bool {
        self.process(component, |p| p.signal(libc::SIGCONT))
    }

    /// The requests recorded so far, in order; empty without an audit policy.
    ///
    /// # Errors
    /// When the log cannot be read or is not JSON.
    pub fn audit_events(&self) -> anyhow::Result<Vec<serde_json::Value>> {
        let path = audit_log(self.folder.path());
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // The last line may be half written.
        let complete = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        complete
            .lines()
            .map(|line| serde_json::from_str(line).context("an audit event is not JSON"))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, [Process; 3]> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn process<T>(&self, component: Component, f: impl FnOnce(&mut Process) -> T) -> T {
        let [etcd, api_server, controller_manager] = &mut *self.lock();
        f(match component {
            Component::Etcd => etcd,
            Component::ApiServer => api_server,
            Component::ControllerManager => controller_manager,
        })
    }

    fn check_running(&self, component: Component) -> anyhow::Result<()> {
        match self.process(component, Process::exit_status) {
            Some(status) => bail!("{} ended with {status}; {}", component.name(), self.tail(component)),
            None => Ok(()),
        }
    }

    fn tail(&self, component: Component) -> String {
        let (log, tail) = self.process(component, |p| (p.log().to_owned(), p.log_tail(3000)));
        format!("the end of {}:\n{tail}", log.display())
    }

    fn port_was_taken(&self) -> bool {
        Component::ALL
            .iter()
            .any(|c| self.process(*c, |p| p.log_tail(20_000)).contains("address already in use"))
    }
}

impl Deref for ControlPlane {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        for process in self.lock().iter_mut().rev() {
            process.stop(GRACE);
        }
    }
}

fn audit_log(folder: &Path) -> PathBuf {
    folder.join("logs").join("audit.log")
}
