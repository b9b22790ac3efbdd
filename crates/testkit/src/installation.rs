//! What an administrator prepares for an operator: the objects of `otel-operator manifests`, and a kubeconfig of the ServiceAccount
//! among them. So the operators of tests can do what those of users can, and no more.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, PostParams},
    config::{AuthInfo, Kubeconfig, NamedAuthInfo},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use crate::{apply::apply, cluster::Cluster, wait::wait_for};

/// The operator's namespace when nothing else is said.
pub(crate) const NAMESPACE: &str = "opentelemetry-operator-system";
const ACCOUNT: &str = "opentelemetry-operator-controller-manager";
/// What rights consist of, and the namespace that they are in.
const RIGHTS: [&str; 6] =
    ["Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
/// Longer than any test or bench runs.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;
/// Generous for a machine that compiles at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

/// An installation for an operator beside the control plane.
pub(crate) struct Installation<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) cluster: &'a Cluster,
    /// The operator's.
    pub(crate) namespace: &'a str,
    /// Where the API server finds the webhooks.
    pub(crate) webhook_url: &'a str,
    /// The custom resource definitions and webhook configurations are left out.
    pub(crate) only_rights: bool,
}

impl Installation<'_> {
    /// Makes it, and writes the kubeconfig of its ServiceAccount to `file` once that may do what its roles say.
    pub(crate) async fn make(&self, file: &Path) -> anyhow::Result<()> {
        let client = self.cluster.client().await?;
        let mut objects = self.objects().await?;
        if self.only_rights {
            objects.retain(|object| RIGHTS.iter().any(|kind| object["kind"] == *kind));
        }
        // Operators in several namespaces of one cluster share the roles; each has an account and bindings of its own.
        if self.namespace != NAMESPACE {
            for binding in objects.iter_mut().filter(|object| object["kind"] == "ClusterRoleBinding") {
                let name = format!("{}-{}", text(&binding["metadata"]["name"]), self.namespace);
                binding["metadata"]["name"] = name.into();
            }
        }
        let questions = questions(&objects)?;
        apply(&client, objects, self.namespace).await?;
        let token = wait_for("a token of the operator's account", PATIENCE, async || {
            token(&client, self.namespace).await.map(Some)
        });
        write_kubeconfig(self.cluster, token.await?, file)?;
        let account = Cluster::from_kubeconfig(file).await?.client().await?;
        // The API server learns of a role or binding a moment after it has stored it.
        wait_for("the rights of the operator's account", PATIENCE, async || {
            for question in &questions {
                may(&account, question).await?;
            }
            Ok(Some(()))
        })
        .await
    }

    async fn objects(&self) -> anyhow::Result<Vec<Value>> {
        let mut command = Command::new(self.binary);
        command.args(["manifests", "--create-rbac-permissions", "--output=json"]);
        command
            .args([format!("--namespace={}", self.namespace), format!("--webhook-url={}", self.webhook_url)]);
        let output = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = output.with_context(|| format!("cannot start {}", self.binary.display()))?;
        if !output.status.success() {
            bail!("otel-operator manifests: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut list: Value = serde_json::from_slice(&output.stdout)?;
        match list["items"].take() {
            Value::Array(objects) => Ok(objects),
            _ => bail!("otel-operator manifests printed no list"),
        }
    }
}

/// Waits until the API server asks the webhooks and trusts them: it learns of both a moment after they are configured. A collector of
/// the older version goes through conversion, defaulting and validation.
pub(crate) async fn in_effect(cluster: &Cluster) -> anyhow::Result<()> {
    let kind = GroupVersionKind::gvk("opentelemetry.io", "v1alpha1", "OpenTelemetryCollector");
    let collectors: Api<DynamicObject> =
        Api::namespaced_with(cluster.client().await?, "default", &ApiResource::from_gvk(&kind));
    let config = json!({
        "receivers": {"otlp": {"protocols": {"grpc": {}}}},
        "exporters": {"debug": {}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}},
    });
    let collector: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "opentelemetry.io/v1alpha1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": "never-made"},
        "spec": {"config": config.to_string()},
    }))?;
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    wait_for("the webhooks to be asked", PATIENCE, async || {
        collectors.create(&parameters, &collector).await?;
        Ok(Some(()))
    })
    .await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Something that each bound role allows. The rules of a role come into effect together, so one of each is enough.
fn questions(objects: &[Value]) -> anyhow::Result<Vec<ResourceAttributes>> {
    let bindings = objects.iter().filter(|object| text(&object["kind"]).ends_with("RoleBinding"));
    let question = |binding: &Value| {
        let is_it = |role: &&Value| {
            role["kind"] == binding["roleRef"]["kind"]
                && role["metadata"]["name"] == binding["roleRef"]["name"]
        };
        let rule = &objects.iter().find(is_it)?["rules"][0];
        let resource = rule["resources"][0].as_str()?;
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (resource, None),
        };
        Some(ResourceAttributes {
            namespace: binding["metadata"]["namespace"].as_str().map(str::to_owned),
            group: rule["apiGroups"][0].as_str().map(str::to_owned),
            resource: Some(resource.to_owned()),
            subresource,
            name: rule["resourceNames"][0].as_str().map(str::to_owned),
            verb: rule["verbs"][0].as_str().map(str::to_owned),
            ..ResourceAttributes::default()
        })
    };
    bindings
        .map(|binding| {
            question(binding).with_context(|| format!("{} binds no rule", binding["metadata"]["name"]))
        })
        .collect()
}

/// An error when the answer is no.
async fn may(client: &Client, question: &ResourceAttributes) -> anyhow::Result<()> {
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(question.clone()),
        ..SelfSubjectAccessReviewSpec::default()
    };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    ensure!(answer.status.is_some_and(|status| status.allowed), "not allowed yet: {question:?}");
    Ok(())
}

async fn token(client: &Client, namespace: &str) -> anyhow::Result<String> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let answer = accounts.create_token_request(ACCOUNT, &PostParams::default(), &request).await?;
    answer.status.and_then(|status| status.token).context("the answer holds no token")
}

/// The cluster's kubeconfig with this token in place of its users.
fn write_kubeconfig(cluster: &Cluster, token: String, file: &Path) -> anyhow::Result<()> {
    let mut config = Kubeconfig::read_from(cluster.kubeconfig())?;
    let user = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
    for NamedAuthInfo { auth_info, .. } in &mut config.auth_infos {
        *auth_info = Some(user.clone());
    }
    let text = serde_json::to_string(&config)?;
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
