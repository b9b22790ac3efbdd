//! The control plane itself: it behaves as a real cluster does where tests rely on it, and leaves nothing behind.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use testkit::{Component, ControlPlane, METADATA_AUDIT_POLICY, Options, wait_for};

const SOON: Duration = Duration::from_secs(60);

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: app, image: 'example.com/web:1'}
";

#[tokio::test]
async fn a_deployment_becomes_pods_with_the_token_of_their_service_account() {
    let client = testkit::shared().await.unwrap().client().await.unwrap();
    let namespace = testkit::namespace(&client, "deployment").await.unwrap();
    testkit::apply_yaml(&client, DEPLOYMENT, &namespace).await.unwrap();

    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let pods = wait_for("two pods", SOON, async || {
        let list = pods.list(&ListParams::default().labels("app=web")).await?;
        Ok((list.items.len() == 2).then_some(list.items))
    })
    .await
    .unwrap();
    for pod in pods {
        let owner = pod.metadata.owner_references.unwrap_or_default();
        assert_eq!(owner.iter().map(|o| o.kind.as_str()).collect::<Vec<_>>(), ["ReplicaSet"]);
        let spec = pod.spec.unwrap();
        assert_eq!(spec.service_account_name.as_deref(), Some("default"));
        let mounts = spec.containers[0].volume_mounts.clone().unwrap_or_default();
        assert_eq!(mounts[0].mount_path, "/var/run/secrets/kubernetes.io/serviceaccount");
    }
}

#[tokio::test]
async fn kubectl_reaches_the_same_cluster_and_its_refusals_are_errors() {
    let client = testkit::shared().await.unwrap().client().await.unwrap();
    let namespace = testkit::namespace(&client, "kubectl").await.unwrap();
    let created = testkit::kubectl(&["apply", "-n", &namespace, "-f", "-"], DEPLOYMENT).await.unwrap();
    assert_eq!(created.trim(), "deployment.apps/web created");
    let error = testkit::kubectl(&["get", "deployment", "absent", "-n", &namespace], "").await.unwrap_err();
    assert!(error.to_string().contains("\"absent\" not found"), "{error}");
}

#[tokio::test]
async fn an_object_that_the_api_server_refuses_is_an_error_that_names_it() {
    let client = testkit::shared().await.unwrap().client().await.unwrap();
    let namespace = testkit::namespace(&client, "refused").await.unwrap();
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: no-ports}\nspec: {ports: [{port: 0}]}";
    let error = testkit::create_yaml(&client, service, &namespace).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.starts_with("Service no-ports: ") && text.contains("spec.ports[0].port"), "{text}");
}

#[tokio::test]
async fn an_api_server_that_is_paused_or_stopped_and_started_again_keeps_its_objects() {
    let audited = Options { audit_policy: Some(METADATA_AUDIT_POLICY.to_owned()), ..Options::default() };
    let control_plane = ControlPlane::start_with(audited).await.unwrap();
    let client = control_plane.client().await.unwrap();
    let namespace = testkit::namespace(&client, "fault").await.unwrap();
    let config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}";
    testkit::apply_yaml(&client, config_map, &namespace).await.unwrap();

    assert!(control_plane.pause(Component::ApiServer));
    let answer = tokio::time::timeout(Duration::from_secs(1), control_plane.get("/readyz")).await;
    assert!(answer.is_err(), "a paused API server does not answer: {answer:?}");
    assert!(control_plane.resume(Component::ApiServer));
    assert_eq!(control_plane.get("/readyz").await.unwrap(), "ok");

    for component in [Component::ApiServer, Component::Etcd] {
        control_plane.stop_component(component);
        assert!(control_plane.get("/readyz").await.is_err(), "no {component:?}, no readiness");
        control_plane.start_component(component).await.unwrap();
        let ready = async || Ok((control_plane.get("/readyz").await? == "ok").then_some(()));
        wait_for("the API server to recover", SOON, ready).await.unwrap();
    }
    control_plane.kubectl(&["get", "configmap", "kept", "-n", &namespace], "").unwrap();

    let events = control_plane.audit_events().unwrap();
    let applied = events.iter().filter(|e| e["verb"] == "patch" && e["objectRef"]["name"] == "kept");
    assert_eq!(applied.count(), 1, "the apply was recorded once");
}

#[tokio::test]
async fn a_killed_parent_takes_its_control_plane_along_and_the_next_start_removes_its_files() {
    let mut parent = Command::new(env!("CARGO_BIN_EXE_testkit-control-plane"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (folder, pids) = line.trim().split_once(' ').expect("a folder and process ids");
    let pids: Vec<&str> = pids.split(',').collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|pid| is_alive(pid)));

    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_for("the children to end", SOON, async || Ok((!pids.iter().any(|pid| is_alive(pid))).then_some(())))
        .await
        .unwrap();
    assert!(Path::new(folder).exists(), "a killed process removes nothing");

    let next = ControlPlane::start().await.unwrap();
    assert!(!Path::new(folder).exists(), "the next start removes {folder}");
    assert_eq!(next.get("/readyz").await.unwrap(), "ok");

    let (folder, pids) = (next.log_dir(), next.pids());
    drop(next);
    assert!(
        !folder.exists() && !pids.iter().any(|pid| is_alive(&pid.to_string())),
        "a dropped one cleans up"
    );
}

/// Zombies count as ended: their parent may be an init process that takes its time.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    state.is_some_and(|s| s != "Z")
}
