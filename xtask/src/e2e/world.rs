//! What the scenarios have in common: the cluster, and waiting for things to become true.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ListParams, LogParams},
};
use testkit::{
    node::{ADDRESS, Node, sandbox},
    wait_for,
};

/// Java once needed two minutes on a machine that compiled at the same time.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
const OPERATOR: &str = "deployment/opentelemetry-operator-controller-manager";
pub(super) const OPERATOR_NAMESPACE: &str = "opentelemetry-operator-system";
pub(super) const OPERATOR_LABEL: &str = "app.kubernetes.io/name=opentelemetry-operator";

pub(super) struct World<'a> {
    pub(super) node: &'a Node,
    pub(super) client: Client,
}

impl<'a> World<'a> {
    pub(super) async fn new(node: &'a Node) -> anyhow::Result<World<'a>> {
        let client = node.control_plane().client().await?;
        Ok(World { node, client })
    }

    /// `deploy/install.yaml` as it is, the image has the name that it asks for; then Go, which is off by default, is switched on as
    /// the documentation page says.
    pub(super) async fn install_operator(&self) -> anyhow::Result<()> {
        self.kubectl(&["apply", "--server-side", "-f", "-"], &super::file("deploy/install.yaml")?)?;
        self.operator_is_ready().await?;
        let switch = r#"[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--enable-go-instrumentation=true"}]"#;
        self.kubectl(&["patch", OPERATOR, "-n", OPERATOR_NAMESPACE, "--type=json", "-p", switch], "")?;
        self.operator_is_ready().await
    }

    /// Waits until every replica of the operator is ready.
    pub(super) async fn operator_is_ready(&self) -> anyhow::Result<()> {
        self.rolled_out(OPERATOR_NAMESPACE, OPERATOR).await
    }

    pub(super) fn kubectl(&self, arguments: &[&str], stdin: &str) -> anyhow::Result<String> {
        self.node.control_plane().kubectl(arguments, stdin)
    }

    /// Makes a namespace, with these labels (`key=value`), and waits until pods can be made in it.
    pub(super) async fn namespace(&self, name: &str, labels: &[&str]) -> anyhow::Result<()> {
        self.kubectl(&["create", "namespace", name], "")?;
        if !labels.is_empty() {
            self.kubectl(&[&["label", "namespace", name], labels].concat(), "")?;
        }
        wait_for("the service account", PATIENCE, async || {
            self.kubectl(&["get", "serviceaccount", "default", "-n", name], "").map(Some)
        })
        .await
        .map(drop)
    }

    pub(super) fn apply(&self, namespace: &str, yaml: &str) -> anyhow::Result<()> {
        self.kubectl(&["apply", "-n", namespace, "-f", "-"], yaml).map(drop)
    }

    /// Waits until every replica of a workload, for example `deployment/web`, is the newest and ready.
    pub(super) async fn rolled_out(&self, namespace: &str, workload: &str) -> anyhow::Result<()> {
        let what = format!("{namespace}/{workload} to be rolled out");
        let arguments = ["rollout", "status", workload, "-n", namespace, "--timeout=10s"];
        wait_for(&what, PATIENCE, async || self.kubectl(&arguments, "").map(Some))
            .await
            .map(drop)
            .with_context(|| self.kubectl(&["get", "pods,events", "-n", namespace], "").unwrap_or_default())
    }

    /// The running pods with this label.
    pub(super) async fn pods(&self, namespace: &str, label: &str) -> anyhow::Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let list = pods.list(&ListParams::default().labels(label)).await?;
        Ok(list.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect())
    }

    /// The only pod with this label, ready.
    pub(super) async fn pod(&self, namespace: &str, label: &str) -> anyhow::Result<Pod> {
        let what = format!("one ready pod {label} in {namespace}");
        wait_for(&what, PATIENCE, async || {
            let mut pods = self.pods(namespace, label).await?;
            match (pods.pop(), pods.is_empty()) {
                (Some(pod), true) if is_ready(&pod) => Ok(Some(pod)),
                (Some(_), true) => bail!("it is not ready"),
                (Some(_), false) => bail!("there is more than one"),
                (None, _) => bail!("there is none"),
            }
        })
        .await
        .with_context(|| {
            self.kubectl(&["describe", "pods", "-n", namespace, "-l", label], "").unwrap_or_default()
        })
    }

    pub(super) async fn logs(&self, namespace: &str, pod: &str) -> anyhow::Result<String> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        Ok(pods.logs(pod, &LogParams::default()).await?)
    }

    /// What the application in a pod answers to `GET /`; waits for a success.
    pub(super) async fn ask(&self, pod: &Pod) -> anyhow::Result<String> {
        let address = address(pod)?;
        wait_for("an answer of the application", PATIENCE, async || {
            let (status, body) = testkit::get_from(&address, 8080, "/").await?;
            if status != 200 {
                bail!("{status} {body}");
            }
            Ok(Some(body))
        })
        .await
    }

    /// A folder of the node that pods mount; tests read in it what a Collector writes.
    pub(super) fn shared_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let folder = sandbox::state().join("telemetry").join(name);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        Ok(folder)
    }

    /// What somebody wants to see when a scenario fails.
    pub(super) fn evidence(&self) {
        for arguments in [
            &["get", "pods", "-A", "-o", "wide"][..],
            &["logs", "-n", OPERATOR_NAMESPACE, "-l", OPERATOR_LABEL, "--tail=30"],
        ] {
            println!("$ kubectl {}", arguments.join(" "));
            println!("{}", self.kubectl(arguments, "").unwrap_or_else(|error| error.to_string()));
        }
    }
}

/// What the operator decided, as the pod carries it; empty when it carries nothing.
pub(super) fn verdict(pod: &Pod) -> &str {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.and_then(|all| all.get(api::annotation::VERDICT)).map(String::as_str).unwrap_or_default()
}

/// Ready as its Service sees it.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// The address of a pod.
pub(super) fn address(pod: &Pod) -> anyhow::Result<String> {
    pod.status.as_ref().and_then(|s| s.pod_ip.clone()).context("the pod has no address")
}

/// The address of the node, where daemonset collectors listen.
pub(super) fn node_address() -> &'static str {
    ADDRESS
}

/// CPU seconds that pods have used since the node began.
pub(super) fn cpu_seconds() -> f64 {
    let text =
        fs::read_to_string("/sys/fs/cgroup/cpuacct/otel-operator-node/cpuacct.usage").unwrap_or_default();
    text.trim().parse::<f64>().unwrap_or_default() / 1e9
}
