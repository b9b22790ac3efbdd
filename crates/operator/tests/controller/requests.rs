//! What the operator asks of the API server: little for a collector, nothing at rest. The API server's audit log counts.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{ControlPlane, METADATA_AUDIT_POLICY, Operator, OperatorOptions, Options};

use crate::given::{PATIENCE, collectors, event, ready_collector, until};

/// Verb and path of what the operator asked for, but for watches. The list of a watch belongs to it.
fn requests(control_plane: &ControlPlane) -> Result<Vec<(String, String)>> {
    let events = control_plane.audit_events()?;
    let ours = events.iter().filter(|event| {
        event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("opentelemetry-operator/"))
    });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(ours
        .map(|event| (text(&event["verb"]), text(&event["requestURI"])))
        .filter(|(verb, _)| verb != "watch")
        .map(|(verb, path)| (verb, path.split('?').next().unwrap_or_default().to_owned()))
        .collect())
}

/// What was asked for once nothing new has been asked for in a while.
async fn settled(control_plane: &ControlPlane) -> Result<Vec<(String, String)>> {
    let mut before = requests(control_plane)?;
    testkit::wait_for("the operator to rest", PATIENCE, async || {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let now = requests(control_plane)?;
        let rests = now == before;
        before.clone_from(&now);
        Ok(rests.then_some(now))
    })
    .await
}

#[tokio::test]
async fn a_collector_takes_twelve_requests_and_no_child_is_written_twice_and_then_there_is_silence()
-> Result<()> {
    let options = Options { audit_policy: Some(METADATA_AUDIT_POLICY.to_owned()), ..Options::default() };
    let control_plane = ControlPlane::start_with(options).await?;
    let _operator = Operator::start(&control_plane, OperatorOptions::default()).await?;
    let client = control_plane.client().await?;
    let namespace = testkit::namespace(&client, "count").await?;
    let before = settled(&control_plane).await?;

    ready_collector(&client, &namespace, "edge", &json!({})).await?;
    until(&collectors(&client, &namespace), "edge", "with its replicas", |collector| {
        collector.data["status"]["scale"]["statusReplicas"] == "0/1"
    })
    .await?;
    event(&client, &namespace, "edge", "Info").await?;
    let after = settled(&control_plane).await?;
    let made = &after[before.len()..];
    let mut times = BTreeMap::<&str, usize>::new();
    let children = made.iter().filter(|(_, path)| path.contains("/edge-collector"));
    for (verb, path) in children {
        assert_eq!(verb, "patch", "{path}");
        *times.entry(path).or_default() += 1;
    }
    assert_eq!(times.len(), 8, "{made:#?}");
    assert!(times.values().all(|times| *times == 1), "{made:#?}");
    assert!(made.len() <= 12, "{} requests: {made:#?}", made.len());
    Ok(())
}
