//! The programs of a node: Go modules pinned in `testing/node`, and Debian packages for what is written in C.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::{binaries::cache, go_module::GoModule, node::debian};

/// Paths of the programs of a node.
#[derive(Clone, Debug)]
pub struct NodeBinaries {
    pub(crate) containerd: PathBuf,
    pub(crate) ctr: PathBuf,
    pub(crate) kubelet: PathBuf,
    pub(crate) kube_proxy: PathBuf,
    pub(crate) kube_scheduler: PathBuf,
    pub(crate) coredns: PathBuf,
    /// The folder with the network plugins.
    pub(crate) cni: PathBuf,
    /// The root folder of unpacked Debian packages with runc and nft.
    pub(crate) debian: PathBuf,
}

/// runc starts containers; nft is what kube-proxy calls. The rest are libraries of nft.
const PACKAGES: &[&str] = &[
    "runc",
    "nftables",
    "libnftables1",
    "libjansson4",
    "libmnl0",
    "libnftnl11",
    "libgmp10",
    "libxtables12",
    "libedit2",
    "libbsd0",
    "libmd0",
];

/// Finds or builds all programs. Blocks: the first build takes about eight minutes on two cores, and says so on
/// stderr.
///
/// # Errors
/// When a program is missing and can neither be built nor downloaded.
pub fn get() -> anyhow::Result<NodeBinaries> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing");
    let modules = modules.canonicalize().with_context(|| format!("cannot find {}", modules.display()))?;
    let cache = cache("node")?;
    let module = |folder: &str, package: &str, tags| -> anyhow::Result<GoModule> {
        Ok(GoModule::new(&modules.join(folder), package)?.of("node", tags))
    };
    let containerd_module = "github.com/containerd/containerd/v2";
    let containerd = module("node/containerd", containerd_module, "no_btrfs,no_devmapper,no_zfs")?;
    let from_containerd =
        |name: &str| containerd.binary(&cache, name, &format!("{containerd_module}/cmd/{name}"));
    let plugins_module = "github.com/containernetworking/plugins";
    let plugins = module("node/cni", plugins_module, "")?;
    let plugin = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        plugins.binary(&cache, name, &format!("{plugins_module}/plugins/{path}"))
    };
    let kubernetes = module("node/kubernetes", "k8s.io/kubernetes", "")?;
    let from_kubernetes =
        |name: &str| kubernetes.binary(&cache, name, &format!("k8s.io/kubernetes/cmd/{name}"));
    let coredns = module("node/coredns", "github.com/coredns/coredns", "")?;

    // containerd looks for it beside its own program.
    from_containerd("containerd-shim-runc-v2")?;
    plugin("main/loopback")?;
    plugin("ipam/host-local")?;
    let bridge = plugin("main/bridge")?;
    Ok(NodeBinaries {
        containerd: from_containerd("containerd")?,
        ctr: from_containerd("ctr")?,
        kubelet: from_kubernetes("kubelet")?,
        kube_proxy: from_kubernetes("kube-proxy")?,
        kube_scheduler: from_kubernetes("kube-scheduler")?,
        coredns: coredns.binary(&cache, "coredns", ".")?,
        cni: bridge.parent().context("the plugin has no folder")?.to_owned(),
        debian: debian::packages("node", PACKAGES)?,
    })
}
