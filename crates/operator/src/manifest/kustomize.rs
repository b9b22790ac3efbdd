//! The kustomize base: the objects of `install.yaml`, one file for each purpose, for overlays that change them.

use serde_json::{Value, json};

use super::{Certificates, Options, cert_manager, yaml};

/// Path below `deploy/` and content of each file.
///
/// # Errors
/// When the YAML writer refuses a value.
pub fn files() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    let mut files: Vec<(&str, Vec<Value>)> = Vec::new();
    for object in super::all(&Options::default()) {
        let file = match object["kind"].as_str().unwrap_or_default() {
            // Checked in already, for those who want nothing else.
            "CustomResourceDefinition" => continue,
            "Namespace" => "namespace.yaml",
            "ServiceAccount" | "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => "rbac.yaml",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => "webhooks.yaml",
            "NetworkPolicy" => "network-policy.yaml",
            _ => "operator.yaml",
        };
        match files.iter_mut().find(|(name, _)| *name == file) {
            Some((_, objects)) => objects.push(object),
            None => files.push((file, vec![object])),
        }
    }
    let resources: Vec<&str> =
        std::iter::once("../../crds").chain(files.iter().map(|(name, _)| *name)).collect();
    let definitions: Vec<String> =
        super::crds().iter().map(|crd| format!("{}.yaml", super::plural(crd))).collect();
    let with_cert_manager = Options { certificates: Certificates::CertManager, ..Options::default() };
    let mut written = vec![
        ("crds/kustomization.yaml".to_owned(), yaml(&[kustomization(json!(definitions))])?),
        ("kustomize/base/kustomization.yaml".to_owned(), yaml(&[kustomization(json!(resources))])?),
        (
            "kustomize/cert-manager/certificates.yaml".to_owned(),
            yaml(&cert_manager::objects(&with_cert_manager))?,
        ),
    ];
    for (name, objects) in files {
        written.push((format!("kustomize/base/{name}"), yaml(&objects)?));
    }
    Ok(written)
}

fn kustomization(resources: Value) -> Value {
    json!({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources})
}
