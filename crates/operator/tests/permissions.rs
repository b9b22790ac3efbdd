//! The rights of the manifest are enough, and no more is asked for: the process runs as its own service account.

mod support;

use std::{path::Path, time::Duration};

use anyhow::Result;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use operator::{
    certificate::keep::Keep,
    manifest::{self, Options},
};
use serde_json::{Value, json};
use support::ca_bundle;
use testkit::{Cluster, ControlPlane, Operator, OperatorOptions};

const NAMESPACE: &str = manifest::NAMESPACE;

/// A kubeconfig of the service account of the manifest.
fn kubeconfig_of_the_process(cluster: &Cluster, path: &Path) -> Result<()> {
    let text = cluster.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"], "")?;
    let token = cluster
        .kubectl(&["create", "token", "opentelemetry-operator-controller-manager", "-n", NAMESPACE], "")?;
    let mut config: Value = serde_json::from_str(&text)?;
    config["users"][0]["user"] = json!({"token": token.trim()});
    Ok(std::fs::write(path, config.to_string())?)
}

#[tokio::test]
async fn the_service_account_can_do_everything_the_process_does() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let admin = cluster.client().await?;
    testkit::apply_yaml(&admin, &manifest::yaml(&manifest::all(&Options::default()))?, NAMESPACE).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kubeconfig");
    testkit::wait_for("a token", Duration::from_secs(20), async || {
        Ok(Some(kubeconfig_of_the_process(&cluster, &path)?))
    })
    .await?;
    let as_the_process = Cluster::from_kubeconfig(&path).await?;
    let options = OperatorOptions { no_install: true, ..OperatorOptions::default() };
    let operator = Operator::start(&as_the_process, options).await?;
    // It writes its caBundle, publishes its settings, and finishes the upgrade pass.
    testkit::wait_for("the caBundle", Duration::from_secs(20), async || ca_bundle(&admin).await.map(Some))
        .await?;
    testkit::wait_for("the settings", Duration::from_secs(20), async || {
        operator::settings::published::read(&admin, NAMESPACE).await
    })
    .await?;
    testkit::wait_for("the upgrade pass", Duration::from_secs(20), async || {
        Ok(operator.log().contains("all Instrumentations are up to date").then_some(()))
    })
    .await?;
    assert!(!operator.log().contains("forbidden"), "{}", operator.log());

    // Inside a cluster the authority is kept in a Secret: replicas that start at once end up with the same.
    let config = Config::from_custom_kubeconfig(Kubeconfig::read_from(&path)?, &KubeConfigOptions::default());
    let client = Client::try_from(config.await?)?;
    let keep = || Keep::Secret { client: client.clone(), namespace: NAMESPACE.to_owned() };
    let names = ["localhost".to_owned()].into();
    let (first, second) = (keep(), keep());
    let (first, second) = tokio::join!(first.authority(&names), second.authority(&names));
    let first = first?;
    assert_eq!(first, second?);
    let more = ["localhost".to_owned(), "webhook.example".to_owned()].into();
    let renewed = keep().authority(&more).await?;
    assert_eq!(
        renewed.ca_certificate, first.ca_certificate,
        "another name gives a new certificate of the same CA"
    );
    assert_ne!(renewed.certificate, first.certificate);
    Ok(())
}
