//! The command lines of the three programs of the control plane.

use std::path::{Path, PathBuf};

use crate::certificate::Certificates;

/// A program of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers that come with Kubernetes.
    ControllerManager,
}

impl Component {
    /// In the order in which they start; they stop in reverse.
    pub const ALL: [Component; 3] = [Component::Etcd, Component::ApiServer, Component::ControllerManager];

    /// The program's name, which is also that of its log.
    pub fn name(self) -> &'static str {
        match self {
            Component::Etcd => "etcd",
            Component::ApiServer => "kube-apiserver",
            Component::ControllerManager => "kube-controller-manager",
        }
    }
}

/// The ports of one control plane, all on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) api_server: u16,
    pub(crate) controller_manager: u16,
}

impl Ports {
    pub(crate) fn free() -> anyhow::Result<Ports> {
        use crate::port::free;
        Ok(Ports { etcd: free()?, etcd_peer: free()?, api_server: free()?, controller_manager: free()? })
    }
}

pub(crate) fn etcd(folder: &Path, ports: Ports) -> Vec<String> {
    let url = |port| format!("http://127.0.0.1:{port}");
    vec![
        "--name=default".into(),
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={}", url(ports.etcd)),
        format!("--advertise-client-urls={}", url(ports.etcd)),
        format!("--listen-peer-urls={}", url(ports.etcd_peer)),
        format!("--initial-advertise-peer-urls={}", url(ports.etcd_peer)),
        format!("--initial-cluster=default={}", url(ports.etcd_peer)),
        // The data lives as long as the test.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

pub(crate) fn api_server(certificates: &Certificates, ports: Ports) -> Vec<String> {
    let file = |flag: &str, path: &PathBuf| format!("--{flag}={}", path.display());
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={}", ports.api_server),
        // Otherwise it looks for the interface of the default route, which a machine without network lacks, and
        // publishes it in the Service `kubernetes`.
        "--advertise-address=127.0.0.1".into(),
        "--endpoint-reconciler-type=none".into(),
        file("tls-cert-file", &certificates.server_file),
        file("tls-private-key-file", &certificates.server_key_file),
        file("client-ca-file", &certificates.authority_file),
        // For logs, exec and port-forward, where there is a node.
        file("kubelet-client-certificate", &certificates.admin_file),
        file("kubelet-client-key", &certificates.admin_key_file),
        file("service-account-key-file", &certificates.service_account_public_key_file),
        file("service-account-signing-key-file", &certificates.service_account_key_file),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        "--authorization-mode=RBAC".into(),
        "--service-cluster-ip-range=10.96.0.0/16".into(),
        "--allow-privileged=true".into(),
        "--profiling=false".into(),
    ]
}

pub(crate) fn controller_manager(
    certificates: &Certificates,
    kubeconfig: &Path,
    ports: Ports,
) -> Vec<String> {
    let file = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    vec![
        file("kubeconfig", kubeconfig),
        file("authentication-kubeconfig", kubeconfig),
        file("authorization-kubeconfig", kubeconfig),
        "--use-service-account-credentials=true".into(),
        file("service-account-private-key-file", &certificates.service_account_key_file),
        file("root-ca-file", &certificates.authority_file),
        file("cluster-signing-cert-file", &certificates.authority_file),
        file("cluster-signing-key-file", &certificates.authority_key_file),
        "--leader-elect=false".into(),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={}", ports.controller_manager),
        // The default of 20 requests a second makes a test with hundreds of pods wait for it.
        "--kube-api-qps=300".into(),
        "--kube-api-burst=600".into(),
        "--profiling=false".into(),
    ]
}
