//! `--create-sm-operator-metrics`: a ServiceMonitor for the process's own metrics, owned by its Deployment and kept as the
//! settings are.

use std::time::Duration;

use anyhow::Result;
use collector::Available;
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::ConfigMap},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::manifest;

/// Its name.
pub const NAME: &str = "opentelemetry-operator-metrics-monitor";
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Makes it whenever the Prometheus operator's definitions are there. Runs on.
pub async fn keep(
    client: Client,
    namespace: String,
    secure: bool,
    mut available: watch::Receiver<Option<Available>>,
) {
    let mut pause = Duration::from_secs(1);
    loop {
        let there = |a: &Option<Available>| a.as_ref().is_some_and(|a| a.monitors);
        if available.wait_for(there).await.is_err() {
            return;
        }
        match apply(&client, &namespace, secure).await {
            Ok(true) => {
                info!(target: "operator-metrics-sm", "made ServiceMonitor {namespace}/{NAME}");
                // Made again when the definitions come back.
                if available.wait_for(|a| !there(a)).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(false) => warn!(
                target: "operator-metrics-sm",
                "no Deployment of the operator in {namespace}, so nobody would own ServiceMonitor {NAME}; trying again"
            ),
            Err(e) => {
                warn!(target: "operator-metrics-sm", "cannot make ServiceMonitor {namespace}/{NAME}, trying again: {e:#}")
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// False when there is no Deployment to own it.
async fn apply(client: &Client, namespace: &str, secure: bool) -> Result<bool> {
    let Some(owner) = owner(client, namespace).await? else { return Ok(false) };
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor"));
    let monitors: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let on_openshift = Api::<ConfigMap>::namespaced(client.clone(), "openshift-monitoring")
        .get_metadata_opt("serving-certs-ca-bundle")
        .await?
        .is_some();
    let object = object(namespace, &owner, secure, on_openshift);
    let by = PatchParams::apply(manifest::FIELD_MANAGER).force();
    monitors.patch(NAME, &by, &Patch::Apply(object)).await?;
    Ok(true)
}

/// The Deployment of the operator, whatever its name: the chart's has no other label in common with the manifest's.
async fn owner(client: &Client, namespace: &str) -> Result<Option<OwnerReference>> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let labels: Vec<_> =
        manifest::labels().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let found = deployments.list_metadata(&ListParams::default().labels(&labels.join(","))).await?;
    let of_manager = |d: &&kube::core::PartialObjectMeta<Deployment>| {
        d.metadata
            .labels
            .iter()
            .flatten()
            .any(|(key, value)| key == "control-plane" && value == "controller-manager")
    };
    let deployment = found.items.iter().find(of_manager).or_else(|| found.items.first());
    Ok(deployment.and_then(|deployment| {
        Some(OwnerReference {
            api_version: Deployment::api_version(&()).into_owned(),
            kind: Deployment::kind(&()).into_owned(),
            name: deployment.metadata.name.clone()?,
            uid: deployment.metadata.uid.clone()?,
            ..OwnerReference::default()
        })
    }))
}

/// The manifest's Service calls the port `https`, the chart's `metrics`: an endpoint for each.
fn object(namespace: &str, owner: &OwnerReference, secure: bool, on_openshift: bool) -> Value {
    let mut endpoint = json!({
        "path": "/metrics",
        "scheme": if secure { "https" } else { "http" },
        "interval": "30s",
        "scrapeTimeout": "10s",
    });
    if secure {
        endpoint["bearerTokenFile"] = json!("/var/run/secrets/kubernetes.io/serviceaccount/token");
        endpoint["tlsConfig"] = if on_openshift {
            json!({
                "caFile": "/etc/prometheus/configmaps/serving-certs-ca-bundle/service-ca.crt",
                "serverName": format!("opentelemetry-operator-controller-manager-metrics-service.{namespace}.svc"),
            })
        } else {
            json!({"insecureSkipVerify": true})
        };
    }
    // By the name of the port: the webhooks' Service has the same label and no port of this name.
    let endpoints = ["https", "metrics"].map(|port| {
        let mut endpoint = endpoint.clone();
        endpoint["port"] = json!(port);
        endpoint
    });
    let mut labels = manifest::labels();
    let selector = labels.clone();
    labels.insert("app.kubernetes.io/part-of".to_owned(), "opentelemetry-operator".to_owned());
    labels.insert("control-plane".to_owned(), "controller-manager".to_owned());
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels, "ownerReferences": [owner]},
        "spec": {"endpoints": endpoints, "selector": {"matchLabels": selector}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t18_the_monitor_follows_the_settings() {
        let owner = OwnerReference { name: "any-name".to_owned(), ..OwnerReference::default() };
        let secure = object("otel", &owner, true, false);
        let endpoint = &secure["spec"]["endpoints"][0];
        assert_eq!(
            (endpoint["scheme"].as_str(), &endpoint["tlsConfig"]["insecureSkipVerify"]),
            (Some("https"), &json!(true))
        );
        assert_eq!(secure["metadata"]["ownerReferences"][0]["name"], "any-name");
        let ports: Vec<_> = (0..2).map(|i| &secure["spec"]["endpoints"][i]["port"]).collect();
        assert_eq!(ports, [&json!("https"), &json!("metrics")], "of the manifest and of the chart");
        let plain = object("otel", &owner, false, false);
        assert!(plain["spec"]["endpoints"][0]["tlsConfig"].is_null(), "{plain}");
        let openshift = object("otel", &owner, true, true);
        assert_eq!(
            openshift["spec"]["endpoints"][0]["tlsConfig"]["serverName"],
            "opentelemetry-operator-controller-manager-metrics-service.otel.svc"
        );
    }
}
