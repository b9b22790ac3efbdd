//! Collectors of another version than the operator's.

use anyhow::Result;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::given::{change, collectors, condition, event, events, failed, ready_collector, start, until};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const GATE: &str = "-component.UseLocalHostAsDefaultHost";

/// Says that a collector was reconciled by an operator of this version.
async fn last_seen_by(client: &kube::Client, namespace: &str, name: &str, version: &str) -> Result<()> {
    let status = Patch::Merge(json!({"status": {"version": version}}));
    collectors(client, namespace).patch_status(name, &PatchParams::default(), &status).await?;
    Ok(())
}

#[tokio::test]
async fn row_r10_an_old_collector_is_patched_in_place_and_gets_the_version() -> Result<()> {
    let (client, namespace) = start("upgrade").await?;
    let args = json!({"args": {"feature-gates": GATE, "other": "stays"}});
    ready_collector(&client, &namespace, "old", &args).await?;
    last_seen_by(&client, &namespace, "old", "0.109.0").await?;
    let upgraded = until(&collectors(&client, &namespace), "old", "upgraded", |object| {
        object.data["status"]["version"] == VERSION
    })
    .await?;
    assert_eq!(upgraded.data["spec"]["args"], json!({"other": "stays"}));
    let deployments = crate::given::deployments(&client, &namespace);
    until(&deployments, "old-collector", "without the gate", |object| {
        let args = &object.data["spec"]["template"]["spec"]["containers"][0]["args"];
        args.is_array() && !args.to_string().contains("feature-gates")
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn notes_of_an_upgrade_become_events() -> Result<()> {
    let (client, namespace) = start("notes").await?;
    ready_collector(&client, &namespace, "old", &json!({})).await?;
    last_seen_by(&client, &namespace, "old", "0.103.0").await?;
    let (kind, note) = event(&client, &namespace, "old", "Upgrade").await?;
    assert_eq!(kind, "Warning");
    assert!(note.contains("otlp receivers is no longer listen on 0.0.0.0"), "{note}");
    Ok(())
}

#[tokio::test]
async fn row_r15_a_version_that_is_none_is_told_once_and_mended_by_the_user() -> Result<()> {
    let (client, namespace) = start("unparsable").await?;
    ready_collector(&client, &namespace, "odd", &json!({})).await?;
    last_seen_by(&client, &namespace, "odd", "newest").await?;
    let (reason, message) = failed(&client, &namespace, "odd").await?;
    assert_eq!(reason, "ReconcileError");
    assert!(message.contains("status.version is newest"), "{message}");
    let (kind, note) = event(&client, &namespace, "odd", "Upgrade").await?;
    assert_eq!(kind, "Warning");
    assert!(
        note.starts_with("automated update not possible. Configuration must be corrected manually"),
        "{note}"
    );
    last_seen_by(&client, &namespace, "odd", VERSION).await?;
    crate::given::ready(&client, &namespace, "odd").await?;
    let told = events(&client, &namespace, "odd").await?;
    assert_eq!(told.iter().filter(|(_, reason, _)| reason == "Upgrade").count(), 1, "{told:?}");
    Ok(())
}

/// With neither of these versions is anything upgraded, and the collector is brought about all the same.
async fn is_left_alone(namespace: &str, version: &str, spec: Value) -> Result<()> {
    let (client, namespace) = start(namespace).await?;
    ready_collector(&client, &namespace, "kept", &spec).await?;
    last_seen_by(&client, &namespace, "kept", version).await?;
    let changed = change(&client, &namespace, "kept", json!({"spec": {"replicas": 2}})).await?;
    assert_eq!(condition(&changed).1, "Reconciled");
    assert_eq!(changed.data["status"]["version"], version);
    assert_eq!(changed.data["spec"]["args"]["feature-gates"], GATE);
    let deployment = crate::given::deployments(&client, &namespace).get("kept-collector").await?;
    assert_eq!(deployment.data["spec"]["replicas"], 2);
    Ok(())
}

#[tokio::test]
async fn row_r16_a_collector_that_asks_not_to_be_upgraded_is_reconciled() -> Result<()> {
    is_left_alone("none", "0.109.0", json!({"upgradeStrategy": "none", "args": {"feature-gates": GATE}}))
        .await
}

#[tokio::test]
async fn row_r17_wd5_a_collector_of_a_newer_operator_is_reconciled() -> Result<()> {
    is_left_alone("newer", "9.9.9", json!({"args": {"feature-gates": GATE}})).await
}

#[tokio::test]
async fn row_r18_the_first_reconcile_sets_the_version() -> Result<()> {
    let (client, namespace) = start("first").await?;
    let collector = ready_collector(&client, &namespace, "first", &json!({})).await?;
    assert_eq!(collector.data["status"]["version"], VERSION);
    Ok(())
}
