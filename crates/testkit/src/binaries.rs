//! Where the binaries of the control plane, and the tools that tests use on it, come from.
//!
//! Each one that is in the folder named by `KUBEBUILDER_ASSETS` is used. The others are built once, from the Go
//! modules pinned in `testing`, into a cache that all checkouts of this machine share.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::go_module::GoModule;

/// Names a folder with ready-made binaries; known from controller-runtime's envtest.
pub const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// Paths of the binaries.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The store behind the API server.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// Makes pods of Deployments, service accounts for namespaces, and collects garbage.
    pub kube_controller_manager: PathBuf,
    /// The command line that users have.
    pub kubectl: PathBuf,
}

/// Finds or builds all binaries. Blocks: the first build takes about ten minutes on two cores, and says so on stderr.
///
/// # Errors
/// When a binary is missing and Go cannot build it; the message names both ways out.
pub fn get() -> anyhow::Result<Binaries> {
    let etcd_module = module("control-plane/etcd", "go.etcd.io/etcd/server/v3")?;
    let kubernetes_module = module("control-plane/kubernetes", "k8s.io/kubernetes")?;
    let kubernetes =
        |name: &str| find(name, &kubernetes_module, &format!("{}/cmd/{name}", kubernetes_module.package()));
    Ok(Binaries {
        etcd: find("etcd", &etcd_module, etcd_module.package())?,
        kube_apiserver: kubernetes("kube-apiserver")?,
        kube_controller_manager: kubernetes("kube-controller-manager")?,
        kubectl: kubernetes("kubectl")?,
    })
}

/// Helm, which people install the chart with. Blocks: the first build takes about a minute.
///
/// # Errors
/// As [`get`].
pub fn helm() -> anyhow::Result<PathBuf> {
    find("helm", &module("helm", "helm.sh/helm/v3")?.of("helm", ""), "helm.sh/helm/v3/cmd/helm")
}

/// The validator of OLM bundles. Blocks: the first build takes about a minute.
///
/// # Errors
/// As [`get`].
pub fn operator_verify() -> anyhow::Result<PathBuf> {
    let module = module("olm", "github.com/operator-framework/api")?.of("olm", "");
    find("operator-verify", &module, "github.com/operator-framework/api/cmd/operator-verify")
}

/// The Go module in this folder of `testing` that pins `package`.
fn module(folder: &str, package: &str) -> anyhow::Result<GoModule> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing").join(folder);
    let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
    GoModule::new(&path, package)
}

/// The binary from the user's folder, or else built.
fn find(name: &str, module: &GoModule, package: &str) -> anyhow::Result<PathBuf> {
    let assets = std::env::var_os(ASSETS_VARIABLE).map(PathBuf::from);
    match assets.map(|folder| folder.join(name)).filter(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => module.binary(&cache("control-plane")?, name, package),
    }
}

/// `~/.cache/otel-operator/<name>`, or below `XDG_CACHE_HOME` where that is set; made when it is missing.
///
/// # Errors
/// When neither `HOME` nor `XDG_CACHE_HOME` is set, or the folder cannot be made.
pub fn cache(name: &str) -> anyhow::Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let root = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    let Some(root) = root else {
        bail!("no folder for the binaries of the {name}: set HOME or XDG_CACHE_HOME to an absolute path");
    };
    let cache = root.join("otel-operator").join(name);
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make the folder {}", cache.display()))?;
    Ok(cache)
}
