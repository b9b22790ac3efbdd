//! The manifest: drift, and applying it to the real API server.

mod support;

use std::path::PathBuf;

use anyhow::Result;
use operator::manifest::{self, Options};
use serde_json::Value;
use testkit::ControlPlane;

fn deploy(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy")).join(file)
}

#[test]
fn the_checked_in_manifest_is_what_the_code_says() -> Result<()> {
    let wanted = manifest::yaml(&manifest::all(&Options::default()))?;
    let path = deploy("install.yaml");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &wanted)?;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == wanted,
        "deploy/install.yaml is old: run UPDATE_EXPECT=1 cargo test -p otel-operator-process"
    );
    Ok(())
}

#[tokio::test]
async fn the_manifest_is_accepted_by_the_api_server() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let file = deploy("install.yaml");
    let file = file.to_string_lossy();
    // Client-side, as the documentation says; then again, which must change nothing.
    cluster.kubectl(&["apply", "-f", &file], "")?;
    let again = cluster.kubectl(&["apply", "-f", &file], "")?;
    assert!(again.lines().all(|line| line.ends_with("unchanged")), "{again}");
    cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file], "")?;
    Ok(())
}

#[tokio::test]
async fn the_pod_of_the_manifest_is_admitted_where_restricted_pod_security_is_enforced() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let deployment =
        manifest::all(&Options::default()).into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "operator".into();
    pod["spec"]["serviceAccountName"] = "default".into();
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "restricted").await?;
    cluster
        .kubectl(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce=restricted"], "")?;
    testkit::create(&client, pod, &namespace).await?;
    Ok(())
}

#[test]
fn kubectl_logs_finds_the_process_as_the_documentation_prints_it() {
    let objects = manifest::all(&Options::default());
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    assert_eq!(deployment["metadata"]["name"], "opentelemetry-operator-controller-manager");
    let template = &deployment["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["app.kubernetes.io/name"], "opentelemetry-operator");
    assert_eq!(template["spec"]["containers"][0]["name"], "manager");
}

#[test]
fn the_service_account_may_do_exactly_what_the_table_says() {
    let objects = manifest::all(&Options::default());
    let cluster_role = objects
        .iter()
        .find(|o| {
            o["kind"] == "ClusterRole" && o["metadata"]["name"] == "opentelemetry-operator-manager-role"
        })
        .unwrap();
    for rule in cluster_role["rules"].as_array().unwrap() {
        let resources: Vec<&str> =
            rule["resources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if resources.contains(&"secrets") {
            assert_eq!(rule["verbs"], serde_json::json!(["get"]), "Secrets are never listed or watched");
        }
        assert!(!rule["verbs"].as_array().unwrap().contains(&"*".into()));
    }
}
