//! The rights of the manifest are enough, and no more is asked for: the process runs as its own service account.
//!
//! All other tests run it so, too, with the role for handing out rights to collectors; here it is without where that is said.

#[path = "permissions/audit.rs"]
mod audit;
#[path = "permissions/collectors.rs"]
mod collectors;
#[allow(dead_code, reason = "each test file uses its own part")]
#[path = "controller/given.rs"]
mod given;
#[path = "permissions/pods.rs"]
mod pods;
#[path = "permissions/process.rs"]
mod process;
mod support;
#[path = "permissions/table.rs"]
mod table;

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use operator::{
    certificate::{Current, Lifetimes, bundle, keep::Keep, own::Own},
    manifest::{self, Options},
};
use serde_json::{Value, json};
use support::{ask, ca_bundle, pod, review};
use testkit::{Cluster, ControlPlane, METADATA_AUDIT_POLICY, Operator, OperatorOptions, Rights};

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

/// Applies the manifest; the cluster as its service account sees it.
async fn installed(cluster: &Cluster) -> Result<(Cluster, tempfile::TempDir)> {
    let admin = cluster.client().await?;
    testkit::apply_yaml(&admin, &manifest::yaml(&manifest::all(&Options::default()))?, NAMESPACE).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kubeconfig");
    testkit::wait_for("a token", Duration::from_secs(20), async || {
        Ok(Some(kubeconfig_of_the_process(cluster, &path)?))
    })
    .await?;
    Ok((Cluster::from_kubeconfig(&path).await?, folder))
}

/// An operator without the role for handing out rights.
fn installed_already() -> OperatorOptions {
    OperatorOptions { rights: Rights::OfTheKubeconfig, no_install: true, ..OperatorOptions::default() }
}

#[tokio::test]
async fn the_service_account_can_do_everything_the_process_does() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let admin = cluster.client().await?;
    let (as_the_process, _folder) = installed(&cluster).await?;
    let operator = Operator::start(&as_the_process, installed_already()).await?;
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

    // Inside a cluster the authority is kept in a Secret: replicas that start at once end up with the same, whatever
    // their names.
    let client = as_the_process.client().await?;
    let replica = |names: &[&str]| {
        let keep = Keep::Secret { client: client.clone(), namespace: NAMESPACE.to_owned() };
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let current = Arc::new(Current::default());
        let own = Own::new(
            keep,
            names,
            Lifetimes::default(),
            client.clone(),
            bundle::objects(&manifest::Names::default()),
            current.clone(),
        );
        (own, current)
    };
    let (first, second) = (replica(&["localhost"]), replica(&["localhost", "webhook.example"]));
    let looked = tokio::join!(first.0.look(), second.0.look());
    looked.0?;
    looked.1?;
    let served = |replica: &(Arc<Own>, Arc<Current>)| replica.1.served().context("nothing is served");
    let (first, second) = (served(&first)?, served(&second)?);
    assert_eq!(first.ca, second.ca);
    assert_eq!(second.certificate.names.len(), 2);
    assert_ne!(first.certificate.public_key, second.certificate.public_key, "each has a key of its own");
    Ok(())
}

#[tokio::test]
async fn secrets_are_only_asked_for_by_name_and_warm_decisions_ask_for_nothing() -> Result<()> {
    let audited = testkit::Options {
        audit_policy: Some(METADATA_AUDIT_POLICY.to_owned()),
        ..testkit::Options::default()
    };
    let cluster = ControlPlane::start_with(audited).await?;
    let admin = cluster.client().await?;
    let (as_the_process, _folder) = installed(&cluster).await?;
    let operator = Operator::start(&as_the_process, installed_already()).await?;
    let ca = testkit::wait_for("the caBundle", Duration::from_secs(20), async || {
        ca_bundle(&admin).await.map(Some)
    })
    .await?;
    // The Service of the manifest leads nowhere here: the webhook is asked directly, and must not be in the way.
    cluster
        .kubectl(&["delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "--all"], "")?;
    let namespace = testkit::namespace(&admin, "audited").await?;
    testkit::create_yaml(&admin, INSTRUMENTATION_WITH_TLS, &namespace).await?;
    let object = pod("p", "instrumentation.opentelemetry.io/inject-sdk", "true");
    let decide = async || -> Result<Value> {
        let answer =
            ask(operator.webhook_port(), &ca, "/mutate-v1-pod", &[], &review(&namespace, &object)).await?;
        Ok(serde_json::from_str(&answer.1)?)
    };
    let declined = testkit::wait_for("the Instrumentation", Duration::from_secs(10), async || {
        let answer = decide().await?;
        Ok((answer["response"]["auditAnnotations"]["verdict"] == "sdk=CertificateObjectMissing")
            .then_some(answer))
    })
    .await?;
    let message = declined["response"]["status"]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains(&format!("secret {namespace}/exporter with certificates does not exists")),
        "{message}"
    );
    let requests = || -> Result<Vec<(String, String, String)>> {
        Ok(audit::of_the_process(&cluster)?
            .into_iter()
            .map(|request| (request.verb, request.resource, request.name))
            // Looked at every few seconds, whatever the pods do.
            .filter(|(_, resource, _)| {
                !resource.ends_with("webhookconfigurations") && resource != "customresourcedefinitions"
            })
            .collect())
    };
    // The audit log is written a moment after the answer.
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Watches begin anew whenever they like. A declined pod without owner is looked for after the answer, to record an event on it;
    // the leader writes the status of Instrumentations.
    let asked = || -> Result<Vec<_>> {
        let of_decisions = |verb: &str, resource: &str| {
            !matches!(verb, "list" | "watch")
                && !matches!(resource, "pods" | "instrumentations" | "instrumentations/status")
        };
        Ok(requests()?.into_iter().filter(|(verb, resource, _)| of_decisions(verb, resource)).collect())
    };
    let before = asked()?;
    for _ in 0..50 {
        decide().await?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = asked()?;
    assert_eq!(before, after, "50 decisions within seconds asked for nothing");
    let secrets: Vec<_> = after.iter().filter(|(_, resource, _)| resource == "secrets").collect();
    assert!(!secrets.is_empty());
    assert!(secrets.iter().all(|(verb, _, name)| verb == "get" && name == "exporter"), "{secrets:?}");
    let all = requests()?;
    let watched: BTreeSet<_> =
        all.iter().filter(|(verb, ..)| verb == "watch").map(|(_, r, _)| r.as_str()).collect();
    for kind in ["instrumentations", "jobs", "limitranges", "namespaces", "replicasets"] {
        assert!(watched.contains(kind), "{kind} is not watched: {watched:?}");
    }
    // Pods are watched by the leader alone, their metadata only, for the status of Instrumentations.
    assert!(!watched.contains("secrets"), "secrets are watched");
    Ok(())
}

const INSTRUMENTATION_WITH_TLS: &str = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: main}
spec:
  exporter:
    endpoint: https://collector:4318
    tls: {secretName: exporter, ca_file: ca.crt}
";
