//! A real control plane for tests and the demo: etcd, kube-apiserver and kube-controller-manager as child
//! processes of whoever needs them, and the operator as a child process beside them.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let cluster = testkit::shared().await?;
//! let client = cluster.client().await?;
//! let namespace = testkit::namespace(&client, "java").await?;
//! testkit::apply_yaml(&client, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hello}", &namespace).await?;
//! # Ok(()) }
//! ```
//!
//! Every test makes a namespace of its own on one shared control plane ([`shared`]). A test that changes what all
//! namespaces see (webhook configurations, a stopped etcd) starts one for itself ([`ControlPlane::start`]).
//!
//! There is no scheduler and no node: pods stay Pending, with the mutated spec to look at. [`node`] adds both, where the
//! machine allows it.

pub mod binaries;
pub mod node;

mod apply;
mod balancer;
mod certificate;
mod cluster;
mod component;
mod control_plane;
mod definitions;
mod go_module;
mod http;
mod installation;
mod operator;
mod port;
mod process;
mod run_dir;
mod wait;

pub use apply::{apply_yaml, create, create_yaml, documents};
pub use balancer::Balancer;
pub use cluster::{Cluster, KUBECONFIG_VARIABLE, helm, kubectl, namespace, shared};
pub use component::Component;
pub use control_plane::{ControlPlane, METADATA_AUDIT_POLICY, Options};
pub use definitions::custom_resource_definitions;
pub use http::{get, get_from};
pub use operator::{OPERATOR_BINARY_VARIABLE, Operator, OperatorOptions, Rights, operator_binary};
pub use port::free as free_port;
pub use wait::wait_for;
