//! ClusterRoles and ClusterRoleBindings, which no owner takes along.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use kube::api::DeleteParams;
use serde_json::json;

use crate::given::{
    change, collectors, config, events, failed, gone, of_cluster, ready_collector, start, until,
};

const GROUP: &str = "rbac.authorization.k8s.io/v1";
const FINALIZER: &str = "opentelemetrycollector.opentelemetry.io/finalizer";

#[tokio::test]
async fn row_r9_they_go_with_the_collector() -> Result<()> {
    let (client, namespace) = start("rbac").await?;
    let spec = json!({"config": config(&json!({"k8sattributes": {}}))});
    let collector = ready_collector(&client, &namespace, "edge", &spec).await?;
    assert_eq!(collector.metadata.finalizers.context("no finalizers")?, [FINALIZER]);
    let (roles, bindings) =
        (of_cluster(&client, GROUP, "ClusterRole"), of_cluster(&client, GROUP, "ClusterRoleBinding"));
    let role = format!("edge-{namespace}-cluster-role");
    let binding = format!("edge-{namespace}-collector");
    roles.get(&role).await?;
    bindings.get(&binding).await?;
    let api = collectors(&client, &namespace);
    api.delete("edge", &DeleteParams::default()).await?;
    gone(&api, "edge").await?;
    assert!(roles.get_opt(&role).await?.is_none());
    assert!(bindings.get_opt(&binding).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_binding_waits_for_its_role_and_nobody_hears_of_an_error() -> Result<()> {
    let (client, namespace) = start("bound").await?;
    let spec = json!({"config": config(&json!({"k8sattributes": {}}))});
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    try_join_all(names.map(|name| ready_collector(&client, &namespace, name, &spec))).await?;
    for name in names {
        let told = events(&client, &namespace, name).await?;
        assert!(!told.iter().any(|(kind, ..)| kind == "Warning"), "{told:?}");
    }
    Ok(())
}

#[tokio::test]
async fn row_b9_ws4_they_go_with_the_last_component_that_needs_them() -> Result<()> {
    let (client, namespace) = start("needed").await?;
    let spec = json!({"config": config(&json!({"k8sattributes": {}}))});
    ready_collector(&client, &namespace, "edge", &spec).await?;
    let roles = of_cluster(&client, GROUP, "ClusterRole");
    let role = format!("edge-{namespace}-cluster-role");
    until(&roles, &role, "made", |_| true).await?;
    let less = json!({"spec": {"config": {"processors": null, "service": {"pipelines": {"traces": {"processors": null}}}}}});
    change(&client, &namespace, "edge", less).await?;
    gone(&roles, &role).await?;
    gone(&of_cluster(&client, GROUP, "ClusterRoleBinding"), &format!("edge-{namespace}-collector")).await
}

#[tokio::test]
async fn ws5_names_that_collide_are_refused_and_the_first_ones_stay() -> Result<()> {
    let (client, namespace) = start("collide").await?;
    let other = format!("b-{namespace}");
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}});
    testkit::create(&client, object, "").await?;
    let spec = json!({"config": config(&json!({"k8sattributes": {}}))});
    ready_collector(&client, &namespace, "a-b", &spec).await?;
    testkit::create(&client, crate::given::collector("a", &spec), &other).await?;
    let (_, message) = failed(&client, &other, "a").await?;
    let role = format!("a-b-{namespace}-cluster-role");
    let expected = format!("ClusterRole {role} exists and belongs to collector {namespace}.a-b");
    assert!(message.contains(&expected), "{message}");
    let api = collectors(&client, &other);
    api.delete("a", &DeleteParams::default()).await?;
    gone(&api, "a").await?;
    assert!(of_cluster(&client, GROUP, "ClusterRole").get_opt(&role).await?.is_some());
    Ok(())
}
