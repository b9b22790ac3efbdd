//! What goes wrong is said, belongs to somebody, and never sticks.

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    cluster::{PATIENCE, V1BETA1, collector, collectors, get, send, settled},
    rows::{a_collector, create, patch, shared},
};

fn with_roles() -> serde_json::Value {
    let mut object = a_collector("c", json!({}));
    object["spec"]["config"]["processors"] = json!({"k8sattributes": {}});
    object["spec"]["config"]["service"]["pipelines"]["traces"]["processors"] = json!(["k8sattributes"]);
    object
}

fn role(name: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}")
}

#[tokio::test]
async fn roles_go_when_nothing_needs_them_ws4_b9() -> Result<()> {
    let (_, client, namespace) = shared("roles").await?;
    create(&client, &namespace, &with_roles()).await?;
    let stored = settled(&client, &namespace, "c").await?;
    assert_eq!(
        stored["metadata"]["finalizers"],
        json!(["opentelemetrycollector.opentelemetry.io/finalizer"])
    );
    let role = role(&format!("c-{namespace}-cluster-role"));
    assert_eq!(get(&client, &role).await?["kind"], "ClusterRole");
    // The finalizer is all that was written to it (WD12).
    let fields = stored["metadata"]["managedFields"].as_array().context("no managed fields")?;
    let ours = fields
        .iter()
        .filter(|f| f["manager"] == "opentelemetry-operator-collector" && f["subresource"].is_null());
    for entry in ours {
        assert!(entry["fieldsV1"]["f:spec"].is_null(), "{entry}");
    }

    let without = json!({"spec": {"config": {"processors": null, "service": {"pipelines": {"traces": {"processors": null}}}}}});
    patch(&client, &namespace, "c", &without).await?;
    testkit::wait_for("the role to go", PATIENCE, async || {
        Ok((send(&client, "GET", &role, &json!(null)).await?.code == 404).then_some(()))
    })
    .await
}

#[tokio::test]
async fn roles_of_another_collector_are_left_alone_ws5() -> Result<()> {
    let (_, client, namespace) = shared("ws5").await?;
    // The name that the collector's role will have, labelled for another collector.
    let name = format!("c-{namespace}-cluster-role");
    let foreign = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {
            "app.kubernetes.io/managed-by": "opentelemetry-operator",
            "app.kubernetes.io/instance": "elsewhere.other",
            "app.kubernetes.io/component": "opentelemetry-collector",
            "app.kubernetes.io/part-of": "opentelemetry",
        }},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
    });
    send(&client, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", &foreign).await?.object()?;
    create(&client, &namespace, &with_roles()).await?;
    let stored = settled(&client, &namespace, "c").await?;
    let condition = &stored["status"]["conditions"][0];
    assert_eq!(condition["status"], "False");
    let message = condition["message"].as_str().context("no message")?;
    assert!(message.contains(&name) && message.contains("elsewhere.other"), "{message}");
    assert_eq!(get(&client, &role(&name)).await?["rules"], foreign["rules"]);
    Ok(())
}

#[tokio::test]
async fn deletion_does_not_wait_for_a_target_allocator_wd6() -> Result<()> {
    let (_, client, namespace) = shared("wd6").await?;
    create(&client, &namespace, &with_roles()).await?;
    settled(&client, &namespace, "c").await?;
    // There is no such allocator, and not even the definition of one.
    let label = json!({"metadata": {"labels": {"opentelemetry.io/target-allocator": "gone"}}});
    send(&client, "PATCH", &collector(V1BETA1, &namespace, "c"), &label).await?.object()?;
    send(&client, "DELETE", &collector(V1BETA1, &namespace, "c"), &json!(null)).await?.object()?;
    testkit::wait_for("the collector to go", PATIENCE, async || {
        Ok((send(&client, "GET", &collector(V1BETA1, &namespace, "c"), &json!(null)).await?.code == 404)
            .then_some(()))
    })
    .await?;
    testkit::wait_for("its role to go", PATIENCE, async || {
        let role = role(&format!("c-{namespace}-cluster-role"));
        Ok((send(&client, "GET", &role, &json!(null)).await?.code == 404).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_immutable_change_is_one_pass_wd7() -> Result<()> {
    let (_, client, namespace) = shared("wd7").await?;
    let object = a_collector("c", json!({"mode": "statefulset", "serviceName": "one"}));
    create(&client, &namespace, &object).await?;
    settled(&client, &namespace, "c").await?;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/c-collector");
    let before = get(&client, &path).await?;
    let after = patch(&client, &namespace, "c", &json!({"spec": {"serviceName": "two"}})).await?;
    assert_eq!(after["status"]["conditions"][0]["status"], "True");
    let stateful_set = get(&client, &path).await?;
    assert_eq!(stateful_set["spec"]["serviceName"], "two");
    assert_ne!(stateful_set["metadata"]["uid"], before["metadata"]["uid"]);
    let events = get(&client, &format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events")).await?;
    let warnings: Vec<_> = events["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|event| event["type"] == "Warning" && event["regarding"]["kind"] == "OpenTelemetryCollector")
        .collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    Ok(())
}

#[tokio::test]
async fn an_early_error_is_in_the_condition_wd10() -> Result<()> {
    let (_, client, namespace) = shared("wd10").await?;
    let mut object = a_collector("c", json!({}));
    object["spec"]["config"]["service"]["telemetry"] =
        json!({"metrics": {"address": "localhost:${env:PORT}"}});
    let answer = send(&client, "POST", &collectors(V1BETA1, &namespace), &object).await?;
    assert!(!answer.warnings.is_empty(), "admission warns");
    answer.object()?;
    let stored = settled(&client, &namespace, "c").await?;
    let condition = &stored["status"]["conditions"][0];
    assert_eq!(condition["status"], "False");
    let message = condition["message"].as_str().context("no message")?;
    assert!(message.contains("localhost:${env:PORT}"), "{message}");
    let events = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let event = testkit::wait_for("the event", PATIENCE, async || {
        let events = get(&client, &events).await?;
        let mut items = events["items"].as_array().cloned().unwrap_or_default().into_iter();
        Ok(items.find(|event| event["type"] == "Warning"))
    })
    .await?;
    assert_eq!(event["note"], condition["message"]);
    Ok(())
}
