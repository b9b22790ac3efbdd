//! Configuration files and command lines of the node's programs. Each setting that is not usual says why.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{ADDRESS, NAME, NodeBinaries, cgroup};
use crate::control_plane::ControlPlane;

/// The command lines, and the PATH on which the kubelet and kube-proxy find `runc` and `nft`.
pub(crate) struct Files {
    pub(crate) path: String,
    pub(crate) containerd: Vec<String>,
    pub(crate) kubelet: Vec<String>,
    pub(crate) kube_proxy: Vec<String>,
    pub(crate) scheduler: Vec<String>,
    pub(crate) coredns: Vec<String>,
}

/// Where containerd listens.
pub(crate) fn containerd_socket(state: &Path) -> PathBuf {
    state.join("containerd.sock")
}

/// Writes all files into the state folder.
pub(crate) fn write(
    state: &Path,
    binaries: &NodeBinaries,
    control_plane: &ControlPlane,
    pause: &str,
) -> anyhow::Result<Files> {
    let write = |name: &str, text: String| -> anyhow::Result<String> {
        let path = state.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.display().to_string())
    };
    let kubeconfig = |name: &str, organization: Option<&str>, user: &str| -> anyhow::Result<String> {
        let path = state.join(name);
        control_plane.write_kubeconfig(&path, organization, user)?;
        Ok(path.display().to_string())
    };
    // nft finds its libraries beside itself; runc needs only what apt itself needs, and loses its environment anyway.
    let debian = binaries.debian.display();
    let nft = write(
        "bin/nft",
        format!(
            "#!/bin/sh\nLD_LIBRARY_PATH={debian}/usr/lib/x86_64-linux-gnu exec {debian}/usr/sbin/nft \"$@\"\n"
        ),
    )?;
    fs::set_permissions(&nft, fs::Permissions::from_mode(0o755)).context("nft")?;
    let path = format!(
        "{}:{debian}/usr/sbin:{}",
        state.join("bin").display(),
        std::env::var("PATH").unwrap_or_default()
    );

    let containerd = write("containerd.toml", containerd(state, binaries, pause))?;
    write("cni/10-pods.conflist", cni(state))?;
    let resolv = write("resolv.conf", String::new())?;
    let kubelet_user =
        kubeconfig("kubelet.kubeconfig", Some("system:nodes"), &format!("system:node:{NAME}"))?;
    let kubelet = write("kubelet.yaml", kubelet(state, control_plane, &resolv))?;
    let proxy_user = kubeconfig("kube-proxy.kubeconfig", None, "system:kube-proxy")?;
    let kube_proxy = write("kube-proxy.yaml", kube_proxy(&proxy_user))?;
    let scheduler_user = kubeconfig("kube-scheduler.kubeconfig", None, "system:kube-scheduler")?;
    let dns_user = kubeconfig("coredns.kubeconfig", Some("system:masters"), "coredns")?;
    let corefile = write("Corefile", corefile(&dns_user))?;
    Ok(Files {
        path,
        containerd: vec![format!("--config={containerd}")],
        kubelet: vec![
            format!("--config={kubelet}"),
            format!("--kubeconfig={kubelet_user}"),
            format!("--hostname-override={NAME}"),
            format!("--node-ip={ADDRESS}"),
            format!("--root-dir={}", state.join("kubelet").display()),
            format!("--cert-dir={}", state.join("kubelet-certificates").display()),
        ],
        kube_proxy: vec![format!("--config={kube_proxy}"), format!("--hostname-override={NAME}")],
        scheduler: vec![
            format!("--kubeconfig={scheduler_user}"),
            format!("--authentication-kubeconfig={scheduler_user}"),
            format!("--authorization-kubeconfig={scheduler_user}"),
            "--leader-elect=false".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
        ],
        coredns: vec![format!("-conf={corefile}")],
    })
}

fn containerd(state: &Path, binaries: &NodeBinaries, pause: &str) -> String {
    let socket = containerd_socket(state);
    let (state, socket) = (state.display(), socket.display());
    let (cni, debian) = (binaries.cni.display(), binaries.debian.display());
    format!(
        r#"version = 3
root = "{state}/containerd/root"
state = "{state}/containerd/state"
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{state}/containerd/opt"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
# A score below the parent's needs a capability that virtual machines may lack; pods would not start.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
disable_apparmor = true
tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{debian}/usr/sbin/runc"
SystemdCgroup = false

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{cni}"]
conf_dir = "{state}/cni"
"#
    )
}

fn cni(state: &Path) -> String {
    format!(
        r#"{{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {{
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {{
        "type": "host-local",
        "dataDir": "{}",
        "ranges": [[{{"subnet": "10.200.0.0/16"}}]],
        "routes": [{{"dst": "0.0.0.0/0"}}]
      }}
    }}
  ]
}}
"#,
        state.join("addresses").display()
    )
}

fn kubelet(state: &Path, control_plane: &ControlPlane, resolv: &str) -> String {
    let authority = control_plane.authority_file();
    format!(
        "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://{socket}
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {authority}}}
authorization: {{mode: Webhook}}
readOnlyPort: 0
# Newer kubelets refuse cgroup v1 otherwise.
failCgroupV1: false
cgroupDriver: cgroupfs
# Everything of this node is found below it when it ends.
cgroupRoot: /{cgroup}
enforceNodeAllocatable: [none]
# A lower score needs a capability that virtual machines may lack.
oomScoreAdj: 0
failSwapOn: false
makeIPTablesUtilChains: false
clusterDNS: [{ADDRESS}]
clusterDomain: cluster.local
resolvConf: {resolv}
podLogsDir: {state}/pods
volumePluginDir: {state}/volume-plugins
# The machine's disk is not ours; and an image that is collected cannot be pulled again.
evictionHard: {{memory.available: 50Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}}
imageGCHighThresholdPercent: 100
# Tests wait for what these find out.
syncFrequency: 5s
nodeStatusUpdateFrequency: 5s
",
        socket = containerd_socket(state).display(),
        authority = authority.display(),
        cgroup = cgroup::NAME,
        state = state.display(),
    )
}

fn kube_proxy(kubeconfig: &str) -> String {
    format!(
        "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {{kubeconfig: {kubeconfig}}}
clusterCIDR: 10.200.0.0/16
metricsBindAddress: 127.0.0.1:10249
oomScoreAdj: 0
# Read-only in a network namespace that is not the machine's first.
conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
# An answer between two pods of one bridge would bypass the translation back without it.
nftables: {{masqueradeAll: true}}
"
    )
}

fn corefile(kubeconfig: &str) -> String {
    format!(
        "\
.:53 {{
    bind {ADDRESS}
    errors
    health 127.0.0.1:18080
    ready 127.0.0.1:18181
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
    }}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
    cache 5
}}
"
    )
}
