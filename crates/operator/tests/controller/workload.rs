//! Workloads: what cannot be changed is replaced, and what the Go operator left does not restart.

use anyhow::{Context, Result};
use k8s_openapi::{
    api::core::v1::Pod,
    apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry},
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use testkit::{ControlPlane, Operator, OperatorOptions};

use crate::given::{api, change, collectors, deployments, gone, of_cluster, ready_collector, start, until};

const OURS: &str = "opentelemetry-operator-collector";
const KEPT: &str = "operator.opentelemetry.io/kept-pod-template";

#[tokio::test]
async fn row_r6_another_volume_claim_makes_another_stateful_set() -> Result<()> {
    let (client, namespace) = start("claims").await?;
    let claim = |size: &str| {
        json!({"mode": "statefulset", "volumeClaimTemplates": [{
            "metadata": {"name": "queue"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
        }]})
    };
    ready_collector(&client, &namespace, "edge", &claim("1Gi")).await?;
    let sets = api(&client, &namespace, "apps/v1", "StatefulSet");
    let before = sets.get("edge-collector").await?;
    change(&client, &namespace, "edge", json!({"spec": claim("2Gi")})).await?;
    let after = sets.get("edge-collector").await?;
    assert_ne!(before.metadata.uid, after.metadata.uid);
    let size = &after.data["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"];
    assert_eq!(size, "2Gi");
    Ok(())
}

#[tokio::test]
async fn row_r8_one_of_two_pods_is_ready() -> Result<()> {
    let (client, namespace) = start("pods").await?;
    ready_collector(&client, &namespace, "edge", &json!({"replicas": 2})).await?;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let name = testkit::wait_for("two pods", crate::given::PATIENCE, async || {
        let made = pods.list(&ListParams::default()).await?.items;
        Ok((made.len() == 2).then(|| made[0].metadata.name.clone()))
    })
    .await?
    .context("a pod without a name")?;
    let running =
        json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(running)).await?;
    let collector = until(&collectors(&client, &namespace), "edge", "1/2", |collector| {
        collector.data["status"]["scale"]["statusReplicas"] == "1/2"
    })
    .await?;
    assert_eq!(collector.data["status"]["scale"]["replicas"], 2);
    Ok(())
}

#[tokio::test]
async fn a_change_of_mode_is_refused_and_carried_out_when_it_was_made_without_webhooks() -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let _operator = Operator::start(&control_plane, OperatorOptions::default()).await?;
    let client = control_plane.client().await?;
    let namespace = testkit::namespace(&client, "mode").await?;
    ready_collector(&client, &namespace, "edge", &json!({})).await?;
    let other = Patch::Merge(json!({"spec": {"mode": "daemonset"}}));
    let refusal = collectors(&client, &namespace).patch("edge", &PatchParams::default(), &other).await;
    let refusal = refusal.err().context("the mode was changed")?.to_string();
    assert!(refusal.contains("does not support modification"), "{refusal}");

    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let configurations = of_cluster(&client, "admissionregistration.k8s.io/v1", kind);
        configurations.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    }
    testkit::wait_for("the webhooks to be out of the way", crate::given::PATIENCE, async || {
        let patched = collectors(&client, &namespace).patch("edge", &PatchParams::default(), &other).await;
        Ok(patched.is_ok().then_some(()))
    })
    .await?;
    gone(&deployments(&client, &namespace), "edge-collector").await?;
    until(&api(&client, &namespace, "apps/v1", "DaemonSet"), "edge-collector", "made", |_| true).await?;
    Ok(())
}

/// A collector with a Deployment as the Go operator leaves it: written by updates of its field manager.
async fn left_by_the_go_operator(
    client: &Client,
    namespace: &str,
    difference: Value,
) -> Result<DynamicObject> {
    ready_collector(client, namespace, "old", &json!({})).await?;
    let api = collectors(client, namespace);
    let generation = api
        .patch(
            "old",
            &PatchParams::default(),
            &Patch::Merge(json!({"spec": {"managementState": "unmanaged"}})),
        )
        .await?
        .metadata
        .generation;
    let deployments = deployments(client, namespace);
    let theirs = PatchParams { field_manager: Some("manager".to_owned()), ..PatchParams::default() };
    let mut deployment = deployments.patch("old-collector", &theirs, &Patch::Merge(difference)).await?;
    let mut fields = deployment.metadata.managed_fields.take().context("managed fields")?;
    // The API server keeps one entry for each manager, so the edit joins the rest.
    let is_edit = |e: &ManagedFieldsEntry| e.manager.as_deref() == Some("manager");
    let edit = fields.iter().position(is_edit).map(|at| fields.remove(at));
    for entry in fields.iter_mut().filter(|e| e.manager.as_deref() == Some(OURS)) {
        if let (Some(FieldsV1(of_edit)), Some(FieldsV1(all))) =
            (edit.as_ref().and_then(|e| e.fields_v1.as_ref()), &mut entry.fields_v1)
        {
            let annotations = "/f:spec/f:template/f:metadata/f:annotations";
            let edited = of_edit.pointer(annotations).and_then(Value::as_object).context("another edit")?;
            let known = all.pointer_mut(annotations).and_then(Value::as_object_mut);
            known.context("no annotations")?.extend(edited.clone());
        }
        entry.manager = Some("manager".to_owned());
        entry.operation = Some("Update".to_owned());
    }
    let rewrite = json!({"metadata": {"managedFields": fields}});
    let left = deployments.patch("old-collector", &PatchParams::default(), &Patch::Merge(rewrite)).await?;
    // As if its last spec had been seen by the Go operator, the next one included, which only says who manages it.
    let seen = json!({"status": {"observedGeneration": generation.map(|g| g + 1)}});
    api.patch_status("old", &PatchParams::default(), &Patch::Merge(seen)).await?;
    api.patch("old", &PatchParams::default(), &Patch::Merge(json!({"spec": {"managementState": "managed"}})))
        .await?;
    Ok(left)
}

fn is_ours(deployment: &DynamicObject) -> bool {
    deployment
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .any(|e| e.manager.as_deref() == Some(OURS) && e.operation.as_deref() == Some("Apply"))
}

#[tokio::test]
async fn a_workload_with_the_same_pods_is_taken_over_as_a_whole() -> Result<()> {
    let (client, namespace) = start("same").await?;
    let left = left_by_the_go_operator(&client, &namespace, json!({})).await?;
    let deployments = deployments(&client, &namespace);
    let taken = until(&deployments, "old-collector", "ours", is_ours).await?;
    assert_eq!(taken.metadata.generation, left.metadata.generation, "nothing restarts");
    assert!(!taken.metadata.annotations.unwrap_or_default().contains_key(KEPT));
    // The pod template is ours as well: an edit is put right.
    let edit = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7, "serviceAccountName": "x"}}}});
    deployments.patch("old-collector", &PatchParams::default(), &Patch::Strategic(edit)).await?;
    until(&deployments, "old-collector", "put right", |d| {
        d.data["spec"]["template"]["spec"]["serviceAccountName"] == "old-collector"
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_workload_with_other_pods_keeps_them_until_the_spec_changes() -> Result<()> {
    let (client, namespace) = start("kept").await?;
    let theirs = json!({"spec": {"template": {"metadata": {"annotations": {"prometheus.io/port": "1234"}}}}});
    let left = left_by_the_go_operator(&client, &namespace, theirs).await?;
    let deployments = deployments(&client, &namespace);
    let is_kept = |d: &DynamicObject| d.metadata.annotations.iter().flatten().any(|(key, _)| key == KEPT);
    let taken = until(&deployments, "old-collector", "with its pods kept", is_kept).await?;
    assert_eq!(taken.data["spec"]["template"], left.data["spec"]["template"], "nothing restarts");
    assert!(is_ours(&taken));
    change(&client, &namespace, "old", json!({"spec": {"terminationGracePeriodSeconds": 9}})).await?;
    let rolled = deployments.get("old-collector").await?;
    let template = &rolled.data["spec"]["template"];
    assert_eq!(template["metadata"]["annotations"]["prometheus.io/port"], "8888");
    assert_eq!(template["spec"]["terminationGracePeriodSeconds"], 9);
    assert!(!is_kept(&rolled));
    Ok(())
}
