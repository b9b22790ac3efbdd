//! The objects of an installation: one source for `--install`, `otel-operator manifests`, `otel-operator crds` and
//! `deploy/install.yaml`.
//!
//! Names are those of the reference's release manifest, so that scripts which patch them keep working.

pub mod apply;
mod cert_manager;
pub mod chart;
mod deployment;
mod grant;
pub mod kustomize;
pub mod olm;
mod rbac;
pub mod webhook;

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Who the fields are said to belong to in server-side apply.
pub const FIELD_MANAGER: &str = "opentelemetry-operator";
/// The operator's namespace when nothing else is said.
pub const NAMESPACE: &str = "opentelemetry-operator-system";
/// The Service in front of the webhooks.
pub const WEBHOOK_SERVICE: &str = "opentelemetry-operator-webhook-service";
/// The image of this release.
pub const IMAGE: &str = concat!(
    "ghcr.io/open-telemetry/opentelemetry-operator/opentelemetry-operator:",
    env!("CARGO_PKG_VERSION")
);

const SERVICE_ACCOUNT: &str = "opentelemetry-operator-controller-manager";
const NAME_LABEL: (&str, &str) = ("app.kubernetes.io/name", "opentelemetry-operator");
const CONTROL_PLANE_LABEL: (&str, &str) = ("control-plane", "controller-manager");

/// Names by which the API server and the process find each other; the Helm chart has its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The Service in front of the webhooks, in the operator's namespace.
    pub webhook_service: String,
    /// The MutatingWebhookConfiguration.
    pub mutating: String,
    /// The ValidatingWebhookConfiguration.
    pub validating: String,
}

impl Default for Names {
    fn default() -> Self {
        Names {
            webhook_service: WEBHOOK_SERVICE.to_owned(),
            mutating: webhook::MUTATING.to_owned(),
            validating: webhook::VALIDATING.to_owned(),
        }
    }
}

/// How the certificate of the webhooks comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificates {
    /// The process is its own authority: nothing has to be there before it.
    #[default]
    Own,
    /// cert-manager issues and renews it, and tells the API server which authority to trust.
    CertManager,
}

/// What an installation may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// The operator's namespace.
    pub namespace: String,
    /// Image of the Deployment.
    pub image: String,
    /// How many pods.
    pub replicas: u32,
    /// Where certificates come from.
    pub certificates: Certificates,
    /// Whether the process may hand out rights to collectors: it holds, then, every right that it may have to give.
    pub create_rbac_permissions: bool,
    /// Names that the process must know.
    pub names: Names,
    /// Base URL of the webhooks of a process outside the cluster; none: through the Service.
    pub webhook_url: Option<String>,
    /// PEM of the CA that signs the webhooks' certificate, when it is known already.
    pub ca: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            namespace: NAMESPACE.to_owned(),
            image: IMAGE.to_owned(),
            replicas: 2,
            certificates: Certificates::Own,
            create_rbac_permissions: false,
            names: Names::default(),
            webhook_url: None,
            ca: None,
        }
    }
}

/// The label that everything of ours carries.
pub fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([(NAME_LABEL.0.to_owned(), NAME_LABEL.1.to_owned())])
}

/// The custom resource definitions.
pub fn crds() -> Vec<Value> {
    api::crds()
}

/// The custom resource definitions, with the conversion webhook where this installation has it.
fn crds_of(options: &Options) -> Vec<Value> {
    let mut crds = crds();
    for crd in &mut crds {
        if let Some(conversion) = crd.pointer_mut("/spec/conversion/webhook") {
            conversion["clientConfig"] =
                webhook::client_config(options, crate::webhook::collector::CONVERT_PATH);
            cert_manager::annotate(crd, options);
        }
    }
    crds
}

/// The name of what a definition defines, as in its path.
fn plural(crd: &Value) -> &str {
    crd["spec"]["names"]["plural"].as_str().unwrap_or_default()
}

/// Everything, in the order in which it can be applied. A process outside the cluster is nobody's pod, so there are neither a
/// Deployment nor Services for it.
pub fn all(options: &Options) -> Vec<Value> {
    let mut objects = vec![namespace(options)];
    objects.extend(crds_of(options));
    objects.extend(rbac::objects(options));
    if options.webhook_url.is_none() {
        objects.extend(deployment::objects(options));
    }
    objects.extend(cert_manager::objects(options));
    objects.extend(webhook::objects(options));
    objects
}

/// What a process applies itself with `--install`.
///
/// `own_namespace`: whether the namespace may have to be made, as for a process outside the cluster.
pub fn of_the_process(options: &Options, own_namespace: bool) -> Vec<Value> {
    let mut objects: Vec<Value> = if own_namespace { vec![namespace(options)] } else { Vec::new() };
    objects.extend(crds_of(options));
    objects.extend(webhook::objects(options));
    objects
}

/// Objects as a YAML stream for `kubectl apply`.
///
/// # Errors
/// When the YAML writer refuses a value.
pub fn yaml(objects: &[Value]) -> Result<String, serde_saphyr::ser::Error> {
    let mut text = String::new();
    for (i, object) in objects.iter().enumerate() {
        if i > 0 {
            text.push_str("---\n");
        }
        let document = serde_saphyr::to_string(object)?;
        text.push_str(document.trim_end());
        text.push('\n');
    }
    Ok(text)
}

fn namespace(options: &Options) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": options.namespace,
            "labels": {NAME_LABEL.0: NAME_LABEL.1, CONTROL_PLANE_LABEL.0: CONTROL_PLANE_LABEL.1},
        },
    })
}

/// Metadata of a cluster-scoped object, or of one in the operator's namespace.
fn metadata(name: &str, namespace: Option<&Options>) -> Value {
    let mut metadata = json!({"name": name, "labels": {NAME_LABEL.0: NAME_LABEL.1}});
    if let Some(options) = namespace {
        metadata["namespace"] = options.namespace.as_str().into();
    }
    metadata
}
