//! Children come, change and go with what the collector asks for.

use anyhow::{Context, Result};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use testkit::{ControlPlane, Operator, OperatorOptions};

use crate::given::{
    api, change, collectors, condition, deployments, failed, gone, ready_collector, start, until,
};

/// Definitions with the names of the Prometheus operator's, as permissive as can be.
fn monitor_definition(kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

#[tokio::test]
async fn row_r1_what_is_not_asked_for_any_more_goes_and_the_history_stays() -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let _operator = Operator::start(&control_plane, OperatorOptions::default()).await?;
    let client = control_plane.client().await?;
    let namespace = testkit::namespace(&client, "less").await?;
    let spec = json!({
        "ingress": {"type": "ingress", "hostname": "otel.example"},
        "ports": [{"name": "extra", "port": 9999}],
        "autoscaler": {"maxReplicas": 3},
        "observability": {"metrics": {"enableMetrics": true}},
    });
    ready_collector(&client, &namespace, "edge", &spec).await?;
    let ingresses = api(&client, &namespace, "networking.k8s.io/v1", "Ingress");
    let scalers = api(&client, &namespace, "autoscaling/v2", "HorizontalPodAutoscaler");
    let monitors = api(&client, &namespace, "monitoring.coreos.com/v1", "ServiceMonitor");
    let services = api(&client, &namespace, "v1", "Service");
    ingresses.get("edge-ingress").await?;
    let scaler = scalers.get("edge-collector").await?;
    let target = &scaler.data["spec"]["scaleTargetRef"];
    assert_eq!((&target["kind"], &target["name"]), (&json!("OpenTelemetryCollector"), &json!("edge")));
    let has_port =
        |service: &kube::api::DynamicObject| service.data["spec"]["ports"].to_string().contains("9999");
    assert!(has_port(&services.get("edge-collector").await?));

    // The monitors' definitions appear while the operator runs, and it notices.
    for (kind, plural) in [("ServiceMonitor", "servicemonitors"), ("PodMonitor", "podmonitors")] {
        testkit::create(&client, monitor_definition(kind, plural), "").await?;
    }
    until(&monitors, "edge-monitoring-collector", "made", |_| true).await?;

    let less = json!({"spec": {
        "ingress": null, "ports": null, "autoscaler": null, "observability": null,
        "config": {"receivers": {"otlp": {"protocols": {"http": {}}}}},
    }});
    change(&client, &namespace, "edge", less).await?;
    gone(&ingresses, "edge-ingress").await?;
    gone(&scalers, "edge-collector").await?;
    gone(&monitors, "edge-monitoring-collector").await?;
    until(&services, "edge-collector", "without the port", |service| !has_port(service)).await?;
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=opentelemetry-operator");
    let maps = api(&client, &namespace, "v1", "ConfigMap").list(&ours).await?;
    assert_eq!(maps.items.len(), 2, "the earlier configuration stays");
    Ok(())
}

#[tokio::test]
async fn row_r2_a_named_service_account_takes_the_place_of_ours() -> Result<()> {
    let (client, namespace) = start("account").await?;
    ready_collector(&client, &namespace, "edge", &json!({})).await?;
    change(&client, &namespace, "edge", json!({"spec": {"serviceAccount": "mine"}})).await?;
    gone(&api(&client, &namespace, "v1", "ServiceAccount"), "edge-collector").await?;
    let deployment = deployments(&client, &namespace).get("edge-collector").await?;
    assert_eq!(deployment.data["spec"]["template"]["spec"]["serviceAccountName"], "mine");
    Ok(())
}

#[tokio::test]
async fn row_r3_an_unmanaged_collectors_children_are_the_users() -> Result<()> {
    let (client, namespace) = start("unmanaged").await?;
    ready_collector(&client, &namespace, "edge", &json!({})).await?;
    let api = collectors(&client, &namespace);
    let manage = |state: &str| Patch::Merge(json!({"spec": {"managementState": state, "replicas": 3}}));
    let patched = api.patch("edge", &PatchParams::default(), &manage("unmanaged")).await?;
    let deployments = deployments(&client, &namespace);
    let edit = Patch::Merge(json!({"spec": {"paused": true, "replicas": 7}}));
    deployments.patch("edge-collector", &PatchParams::default(), &edit).await?;
    // A collector that was made later has been brought about: the edit has been seen, too.
    ready_collector(&client, &namespace, "later", &json!({})).await?;
    assert_eq!(deployments.get("edge-collector").await?.data["spec"]["replicas"], 7);
    assert_ne!(condition(&api.get("edge").await?).3, patched.metadata.generation);
    api.patch("edge", &PatchParams::default(), &manage("managed")).await?;
    until(&deployments, "edge-collector", "ours again", |d| d.data["spec"]["replicas"] == 3).await?;
    Ok(())
}

#[tokio::test]
async fn row_r4_our_annotation_leaves_with_the_collectors_and_a_foreign_one_stays() -> Result<()> {
    let (client, namespace) = start("annotation").await?;
    let mut object = crate::given::collector("edge", &json!({}));
    object["metadata"]["annotations"] = json!({"team.example/name": "red"});
    testkit::create(&client, object, &namespace).await?;
    crate::given::ready(&client, &namespace, "edge").await?;
    let deployments = deployments(&client, &namespace);
    let foreign = Patch::Merge(json!({"metadata": {"annotations": {"manual": "yes"}}}));
    let made = deployments.patch("edge-collector", &PatchParams::default(), &foreign).await?;
    assert_eq!(made.metadata.annotations.context("no annotations")?["team.example/name"], "red");
    let less = Patch::Merge(json!({"metadata": {"annotations": {"team.example/name": null}}}));
    collectors(&client, &namespace).patch("edge", &PatchParams::default(), &less).await?;
    let has = |object: &kube::api::DynamicObject, key: &str| {
        object.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(key))
    };
    let left =
        until(&deployments, "edge-collector", "without the annotation", |d| !has(d, "team.example/name"));
    assert!(has(&left.await?, "manual"));
    Ok(())
}

#[tokio::test]
async fn row_r5_a_users_annotation_of_the_service_account_survives() -> Result<()> {
    let (client, namespace) = start("role").await?;
    ready_collector(&client, &namespace, "edge", &json!({})).await?;
    let accounts = api(&client, &namespace, "v1", "ServiceAccount");
    let role = Patch::Merge(json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn"}}}));
    accounts.patch("edge-collector", &PatchParams::default(), &role).await?;
    change(&client, &namespace, "edge", json!({"spec": {"replicas": 2}})).await?;
    let account = accounts.get("edge-collector").await?;
    assert_eq!(account.metadata.annotations.context("no annotations")?["eks.amazonaws.com/role-arn"], "arn");
    Ok(())
}

#[tokio::test]
async fn row_r7_the_generation_is_followed_and_pods_roll_once() -> Result<()> {
    let (client, namespace) = start("rolls").await?;
    ready_collector(&client, &namespace, "edge", &json!({})).await?;
    let deployments = deployments(&client, &namespace);
    let before = deployments.get("edge-collector").await?;
    let config = json!({"spec": {"config": {"exporters": {"debug": {"verbosity": "detailed"}}}}});
    let changed = change(&client, &namespace, "edge", config).await?;
    let generation = changed.metadata.generation;
    assert_eq!(condition(&changed), ("True", "Reconciled", "Successfully reconciled", generation));
    assert_eq!(changed.data["status"]["observedGeneration"].as_i64(), generation);
    let after = deployments.get("edge-collector").await?;
    let once = before.metadata.generation.map(|generation| generation + 1);
    assert_eq!(after.metadata.generation, once, "the workload is written once");
    let hash = |d: &kube::api::DynamicObject| d.data["spec"]["template"]["metadata"]["annotations"].clone();
    assert_ne!(hash(&before), hash(&after));
    Ok(())
}

#[tokio::test]
async fn wd6_a_collector_whose_target_allocator_is_gone_can_be_deleted() -> Result<()> {
    let (client, namespace) = start("allocator").await?;
    let mut object = crate::given::collector("fed", &json!({"mode": "statefulset"}));
    object["metadata"]["labels"] = json!({"opentelemetry.io/target-allocator": "nowhere"});
    testkit::create(&client, object, &namespace).await?;
    let (reason, _) = failed(&client, &namespace, "fed").await?;
    assert_eq!(reason, "TargetAllocatorNotSupported");
    let api = collectors(&client, &namespace);
    until(&api, "fed", "with a finalizer", |c| c.metadata.finalizers.iter().flatten().next().is_some())
        .await?;
    api.delete("fed", &DeleteParams::default()).await?;
    gone(&api, "fed").await
}
