//! The parts of the Helm chart that are the same objects as in every other installation: its templates read them from
//! `files/` and put names, namespace and the user's values in.

use serde_json::Value;

use super::{Options, grant, rbac, webhook, yaml};

/// Path in the chart and content of each generated file.
///
/// # Errors
/// When the YAML writer refuses a value.
pub fn files() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    let options = Options::default();
    let mut files = Vec::new();
    for crd in super::crds() {
        files.push((format!("files/crds/{}.yaml", super::plural(&crd)), yaml(&[crd])?));
    }
    for (name, rules) in [
        ("cluster-role", rbac::rules(rbac::CLUSTER, &options)),
        ("role", rbac::rules(rbac::OWN_NAMESPACE, &options)),
        ("metrics-role", rbac::rules(rbac::METRICS, &options)),
        ("grant-role", rbac::rules(grant::RULES, &options)),
    ] {
        files.push((format!("files/{name}.yaml"), list(rules)?));
    }
    for configuration in webhook::objects(&options) {
        let name = match configuration["kind"].as_str() {
            Some("MutatingWebhookConfiguration") => "mutating-webhooks",
            _ => "validating-webhooks",
        };
        let webhooks = configuration["webhooks"].as_array().cloned().unwrap_or_default();
        files.push((format!("files/{name}.yaml"), list(webhooks)?));
    }
    Ok(files)
}

fn list(items: Vec<Value>) -> Result<String, serde_saphyr::ser::Error> {
    let text = serde_saphyr::to_string(&Value::Array(items))?;
    Ok(format!("# Generated from the code; `cargo xtask generate` rewrites it.\n{}\n", text.trim_end()))
}
