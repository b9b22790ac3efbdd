//! OpenTelemetryCollectors on a real API server: children, status, changes, deletion.

mod support;

use std::time::Duration;

use anyhow::{Context, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use testkit::Operator;

/// The Collector of the documentation page, as printed there.
const DEMO: &str = include_str!("../../../examples/docs-page/collector/collector.yaml");

const PATIENCE: Duration = Duration::from_secs(60);

async fn start(prefix: &str) -> Result<(Client, String)> {
    Operator::shared().await?;
    let client = testkit::shared().await?.client().await?;
    let namespace = testkit::namespace(&client, prefix).await?;
    Ok((client, namespace))
}

fn api(client: &Client, namespace: &str, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn collectors(client: &Client, namespace: &str) -> Api<DynamicObject> {
    api(client, namespace, "opentelemetry.io", "v1beta1", "OpenTelemetryCollector")
}

/// Waits until the collector says that everything is there, at its present generation.
async fn ready(client: &Client, namespace: &str, name: &str) -> Result<DynamicObject> {
    let api = collectors(client, namespace);
    testkit::wait_for(&format!("collector {name} to be ready"), PATIENCE, async || {
        let collector = api.get(name).await?;
        let condition = &collector.data["status"]["conditions"][0];
        let current = condition["observedGeneration"].as_i64() == collector.metadata.generation;
        Ok((condition["status"] == "True" && current).then_some(collector))
    })
    .await
}

/// Kind, name and resource version of everything that the collector owns.
async fn children(client: &Client, namespace: &str) -> Result<Vec<(String, String, String)>> {
    let kinds = [
        ("", "v1", "ConfigMap"),
        ("", "v1", "ServiceAccount"),
        ("", "v1", "Service"),
        ("apps", "v1", "Deployment"),
        ("apps", "v1", "DaemonSet"),
        ("apps", "v1", "StatefulSet"),
        ("autoscaling", "v2", "HorizontalPodAutoscaler"),
        ("policy", "v1", "PodDisruptionBudget"),
        ("networking.k8s.io", "v1", "Ingress"),
        ("networking.k8s.io", "v1", "NetworkPolicy"),
    ];
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=opentelemetry-operator");
    let mut found = Vec::new();
    for (group, version, kind) in kinds {
        for object in api(client, namespace, group, version, kind).list(&ours).await? {
            let metadata = object.metadata;
            let spec_version = match metadata.generation {
                // The status of a workload moves by itself.
                Some(generation) if group == "apps" || group == "autoscaling" => generation.to_string(),
                _ => metadata.resource_version.unwrap_or_default(),
            };
            found.push((kind.to_owned(), metadata.name.unwrap_or_default(), spec_version));
        }
    }
    found.sort();
    Ok(found)
}

fn names(children: &[(String, String, String)]) -> Vec<String> {
    children.iter().map(|(kind, name, _)| format!("{kind}/{name}")).collect()
}

#[tokio::test]
async fn the_pages_collector_as_printed_comes_about_and_goes() -> Result<()> {
    let (client, namespace) = start("demo").await?;
    testkit::create_yaml(&client, DEMO, &namespace).await?;
    let collector = ready(&client, &namespace, "demo").await?;
    assert_eq!(collector.data["status"]["version"], env!("CARGO_PKG_VERSION"));
    testkit::wait_for("the replicas in the status", PATIENCE, async || {
        let collector = collectors(&client, &namespace).get("demo").await?;
        Ok((collector.data["status"]["scale"]["statusReplicas"] == "0/1").then_some(()))
    })
    .await?;

    let made = names(&children(&client, &namespace).await?);
    let config_map =
        made.iter().find(|n| n.starts_with("ConfigMap/demo-collector-")).context("no ConfigMap")?;
    let expected = [
        config_map,
        "Deployment/demo-collector",
        "NetworkPolicy/demo-collector-networkpolicy",
        "PodDisruptionBudget/demo-collector",
        "Service/demo-collector",
        "Service/demo-collector-headless",
        "Service/demo-collector-monitoring",
        "ServiceAccount/demo-collector",
    ];
    assert_eq!(made, expected);
    let service = api(&client, &namespace, "", "v1", "Service").get("demo-collector").await?;
    let ports: Vec<_> =
        service.data["spec"]["ports"].as_array().context("no ports")?.iter().map(|p| &p["port"]).collect();
    assert_eq!(ports, [&json!(4317), &json!(4318)]);

    // The same object in its old version, as `kubectl get otelcol.v1alpha1` shows it.
    let old = api(&client, &namespace, "opentelemetry.io", "v1alpha1", "OpenTelemetryCollector")
        .get("demo")
        .await?;
    assert!(old.data["spec"]["config"].as_str().context("config is text")?.contains("memory_limiter:"));

    collectors(&client, &namespace).delete("demo", &DeleteParams::default()).await?;
    testkit::wait_for("the children to go", PATIENCE, async || {
        Ok(children(&client, &namespace).await?.is_empty().then_some(()))
    })
    .await
}

fn collector(name: &str, spec: Value) -> Value {
    let config = json!({
        "receivers": {"otlp": {"protocols": {"grpc": {}}}},
        "exporters": {"debug": {}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}},
    });
    let mut object = json!({
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": name},
        "spec": {"config": config},
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

#[tokio::test]
async fn a_change_reaches_the_children_and_a_pass_without_one_writes_nothing() -> Result<()> {
    let (client, namespace) = start("change").await?;
    testkit::create(&client, collector("gateway", json!({"autoscaler": {"maxReplicas": 3}})), &namespace)
        .await?;
    ready(&client, &namespace, "gateway").await?;
    let before = children(&client, &namespace).await?;
    assert!(names(&before).contains(&"HorizontalPodAutoscaler/gateway-collector".to_owned()), "{before:?}");

    // A label that no child shows the change of: the pass finds nothing to do.
    let api = collectors(&client, &namespace);
    let touch =
        json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x"}}});
    api.patch("gateway", &PatchParams::default(), &Patch::Merge(touch)).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(children(&client, &namespace).await?, before);

    let change = json!({"spec": {"autoscaler": null, "config": {"receivers": {"otlp": {"protocols": {"grpc": null, "http": {}}}}}}});
    api.patch("gateway", &PatchParams::default(), &Patch::Merge(change)).await?;
    ready(&client, &namespace, "gateway").await?;
    let after = children(&client, &namespace).await?;
    assert!(!names(&after).iter().any(|n| n.starts_with("HorizontalPodAutoscaler")), "{after:?}");
    let maps = names(&after).iter().filter(|n| n.starts_with("ConfigMap")).count();
    assert_eq!(maps, 2, "the earlier configuration is kept: {after:?}");
    Ok(())
}

#[tokio::test]
async fn an_edited_child_is_put_right_and_a_foreign_one_is_left_alone() -> Result<()> {
    let (client, namespace) = start("edited").await?;
    testkit::create(&client, collector("edge", json!({})), &namespace).await?;
    ready(&client, &namespace, "edge").await?;
    let deployments = api(&client, &namespace, "apps", "v1", "Deployment");
    let edit = json!({"spec": {"replicas": 5}});
    deployments.patch("edge-collector", &PatchParams::default(), &Patch::Merge(edit)).await?;
    testkit::wait_for("the replicas to be put right", PATIENCE, async || {
        Ok((deployments.get("edge-collector").await?.data["spec"]["replicas"] == 1).then_some(()))
    })
    .await?;

    let foreign = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "mine-collector", "labels": {"app.kubernetes.io/managed-by": "Helm"}},
        "spec": {"ports": [{"port": 1}]},
    });
    testkit::create(&client, foreign, &namespace).await?;
    testkit::create(&client, collector("mine", json!({})), &namespace).await?;
    let api = collectors(&client, &namespace);
    let message = testkit::wait_for("the collision to be reported", PATIENCE, async || {
        let collector = api.get("mine").await?;
        let condition = &collector.data["status"]["conditions"][0];
        Ok((condition["status"] == "False").then(|| condition["message"].to_string()))
    })
    .await?;
    assert!(message.contains("Service mine-collector exists and belongs to Helm"), "{message}");
    Ok(())
}

#[tokio::test]
async fn what_the_go_operator_made_is_taken_over_without_a_restart() -> Result<()> {
    let (client, namespace) = start("takeover").await?;
    // First as ours, to have the objects; then rewritten as if the Go operator had made them by updates.
    testkit::create(&client, collector("old", json!({"managementState": "managed"})), &namespace).await?;
    ready(&client, &namespace, "old").await?;
    let api = collectors(&client, &namespace);
    let unmanaged = json!({"spec": {"managementState": "unmanaged"}});
    api.patch("old", &PatchParams::default(), &Patch::Merge(unmanaged)).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let deployments = self::api(&client, &namespace, "apps", "v1", "Deployment");
    let mut deployment = deployments.get("old-collector").await?;
    let generation = deployment.metadata.generation;
    let mut fields = deployment.metadata.managed_fields.take().context("managed fields")?;
    for entry in
        fields.iter_mut().filter(|e| e.manager.as_deref() == Some("opentelemetry-operator-collector"))
    {
        entry.manager = Some("manager".to_owned());
        entry.operation = Some("Update".to_owned());
    }
    let rewrite = json!({"metadata": {"managedFields": fields}});
    deployments.patch("old-collector", &PatchParams::default(), &Patch::Merge(rewrite)).await?;

    let managed = json!({"spec": {"managementState": "managed"}});
    api.patch("old", &PatchParams::default(), &Patch::Merge(managed)).await?;
    let taken = testkit::wait_for("the Deployment to be ours", PATIENCE, async || {
        let deployment = deployments.get("old-collector").await?;
        let ours = deployment.metadata.managed_fields.iter().flatten().any(|e| {
            e.manager.as_deref() == Some("opentelemetry-operator-collector")
                && e.operation.as_deref() == Some("Apply")
        });
        Ok(ours.then_some(deployment))
    })
    .await?;
    assert_eq!(taken.metadata.generation, generation, "nothing restarts");
    Ok(())
}
