//! A real node beside the control plane: containerd, kubelet, kube-proxy and CoreDNS as processes, so that pods run.
//!
//! Everything lives in namespaces of its own (network, mounts, processes), see [`sandbox`]: no packet leaves the
//! machine, no port clashes, and when the first process in there ends, the kernel ends all others and drops all mounts.

pub mod sandbox;

mod binaries;
mod cgroup;
mod config;
mod debian;
mod support;
mod sysctl;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context, bail};
use k8s_openapi::api::{core::v1::Node as KubernetesNode, rbac::v1::ClusterRoleBinding};
use kube::{Api, api::PostParams};

pub use binaries::{NodeBinaries, get as binaries};
pub use debian::packages as debian_packages;
pub use support::unsupported;

use crate::{
    control_plane::{ControlPlane, Options},
    process::Process,
    wait::wait_for,
};

/// The address of the node; pods reach the host's processes there.
pub const ADDRESS: &str = "10.199.0.1";
/// The node's name.
pub const NAME: &str = "node";
/// containerd's namespace for what the kubelet runs.
const CONTAINERD_NAMESPACE: &str = "k8s.io";
/// Generous: other builds may run on the same machine.
const START: Duration = Duration::from_secs(180);

/// A running one-node cluster. Must be started inside [`sandbox`].
pub struct Node {
    control_plane: ControlPlane,
    binaries: NodeBinaries,
    state: PathBuf,
    kubelet: Mutex<Process>,
    /// Scheduler, containerd, kube-proxy, CoreDNS: they run until the end.
    others: Vec<Process>,
}

impl Node {
    /// Starts the control plane and the node, imports the image archives, and waits until the node is ready.
    ///
    /// `pause` is the name of the image that holds a pod's namespaces; it must be in one of the archives.
    ///
    /// # Errors
    /// When a program ends or does not get ready; with the end of its log.
    pub async fn start(pause: &str, archives: &[PathBuf], options: Options) -> anyhow::Result<Node> {
        let binaries = tokio::task::spawn_blocking(binaries::get).await??;
        let state = sandbox::state();
        own_run_folder()?;
        network()?;
        let control_plane = ControlPlane::start_with(for_a_node(options)).await?;
        let mut node = Node {
            kubelet: Mutex::new(Process::new(
                "kubelet",
                &binaries.kubelet,
                Vec::new(),
                state.join("kubelet.log"),
            )),
            control_plane,
            binaries,
            state,
            others: Vec::new(),
        };
        node.bind_roles().await?;
        let files = config::write(&node.state, &node.binaries, &node.control_plane, pause)?;
        node.run("kube-scheduler", &node.binaries.kube_scheduler.clone(), files.scheduler)?;
        node.run("containerd", &node.binaries.containerd.clone(), files.containerd)?;
        wait_for("containerd to answer", START, async || node.ctr(&["version"]).map(Some)).await?;
        for archive in archives {
            node.import(archive)?;
        }
        *node.kubelet() =
            Process::new("kubelet", &node.binaries.kubelet, files.kubelet, node.state.join("kubelet.log"));
        node.kubelet().env("PATH", &files.path);
        node.kubelet().start()?;
        node.run_with("kube-proxy", &node.binaries.kube_proxy.clone(), files.kube_proxy, &files.path)?;
        node.run("coredns", &node.binaries.coredns.clone(), files.coredns)?;
        node.wait_until_ready().await?;
        Ok(node)
    }

    /// The control plane of this node.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// Makes the images of an OCI archive known to the node.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn import(&self, archive: &Path) -> anyhow::Result<()> {
        let path = archive.to_string_lossy();
        self.ctr(&["images", "import", "--local", &path])
            .with_context(|| format!("image archive {path}"))
            .map(drop)
    }

    /// Gives an image of the node another name as well.
    ///
    /// # Errors
    /// When there is no such image.
    pub fn tag(&self, image: &str, name: &str) -> anyhow::Result<()> {
        self.ctr(&["images", "tag", image, name]).map(drop)
    }

    /// Kills the kubelet as `kill -9` does and starts it again; pods keep running meanwhile.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart_kubelet(&self) -> anyhow::Result<()> {
        let mut kubelet = self.kubelet();
        kubelet.kill();
        kubelet.start().map(drop)
    }

    /// Waits until the node can run pods.
    ///
    /// # Errors
    /// When it does not get ready; with the end of the kubelet's log.
    pub async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let nodes: Api<KubernetesNode> = Api::all(self.control_plane.client().await?);
        let ready = wait_for("the node to get ready", START, async || {
            if let Some(status) = self.kubelet().exit_status() {
                bail!("the kubelet ended with {status}");
            }
            let conditions = nodes.get(NAME).await?.status.unwrap_or_default().conditions.unwrap_or_default();
            Ok(conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True").then_some(()))
        });
        ready
            .await
            .with_context(|| format!("the end of the kubelet's log:\n{}", self.kubelet().log_tail(3000)))
    }

    /// The folder with the logs of the node's programs.
    pub fn log_dir(&self) -> &Path {
        &self.state
    }

    fn kubelet(&self) -> std::sync::MutexGuard<'_, Process> {
        self.kubelet.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn run(&mut self, name: &str, program: &Path, arguments: Vec<String>) -> anyhow::Result<()> {
        self.run_with(name, program, arguments, "")
    }

    fn run_with(
        &mut self,
        name: &str,
        program: &Path,
        arguments: Vec<String>,
        path: &str,
    ) -> anyhow::Result<()> {
        let mut process = Process::new(name, program, arguments, self.state.join(format!("{name}.log")));
        if !path.is_empty() {
            process.env("PATH", path);
        }
        process.start()?;
        self.others.push(process);
        Ok(())
    }

    fn ctr(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.binaries.ctr)
            .arg("--address")
            .arg(config::containerd_socket(&self.state))
            .args(["--namespace", CONTAINERD_NAMESPACE])
            .args(arguments)
            .output()
            .context("cannot start ctr")?;
        if !output.status.success() {
            bail!("ctr {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// kube-proxy's user may read what it needs.
    async fn bind_roles(&self) -> anyhow::Result<()> {
        let binding: ClusterRoleBinding = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "node-proxier"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node-proxier"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "system:kube-proxy"}],
        }))?;
        let bindings: Api<ClusterRoleBinding> = Api::all(self.control_plane.client().await?);
        bindings.create(&PostParams::default(), &binding).await.context("ClusterRoleBinding node-proxier")?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The kubelet first, or it would start again what ends. Containers end with the sandbox.
        self.kubelet().stop(Duration::from_secs(2));
        for process in self.others.iter_mut().rev() {
            process.stop(Duration::from_secs(2));
        }
    }
}

/// What the API server must know where there is a node. A flag given twice counts the last time.
fn for_a_node(mut options: Options) -> Options {
    options.api_server_names.push(ADDRESS.to_owned());
    options.api_server_args.extend([
        "--bind-address=0.0.0.0".to_owned(),
        format!("--advertise-address={ADDRESS}"),
        // The Service `kubernetes` gets the address, so that pods reach the API server.
        "--endpoint-reconciler-type=lease".to_owned(),
        // Lists add up: RBAC is there already.
        "--authorization-mode=Node".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        // The node's name resolves nowhere.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
    ]);
    options
}

/// containerd's shims and runc keep files in `/run` whatever their configuration says: this node gets a `/run` of its own.
fn own_run_folder() -> anyhow::Result<()> {
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs", "/run"])
        .status()
        .context("cannot start mount")?;
    if !status.success() {
        bail!("mount -t tmpfs /run: {status}");
    }
    Ok(())
}

/// The node's address on a bridge without ports, and a route that leads nowhere: without any route a process gets
/// "network unreachable" for a Service address, because routes are looked up before addresses are translated.
fn network() -> anyhow::Result<()> {
    for arguments in [
        "link set lo up".to_owned(),
        "link add node0 type bridge".to_owned(),
        format!("address add {ADDRESS}/24 dev node0"),
        "link set node0 up".to_owned(),
        "route add default dev node0".to_owned(),
    ] {
        let output = Command::new("ip").args(arguments.split(' ')).output().context("cannot start ip")?;
        if !output.status.success() {
            bail!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("net.ipv4.ip_forward")
}
