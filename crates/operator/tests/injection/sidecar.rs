//! Collectors beside applications, through the real API server and the real ReplicaSet controller.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may panic; so may its functions")]

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod};
use serde_json::json;

use super::{
    JAVA, start,
    support::{INSTRUMENTATION, create_pod, init_containers, pod, pods, verdict},
};

const SIDECAR: &str = "sidecar.opentelemetry.io/inject";
const LABEL: &str = "sidecar.opentelemetry.io/injected";

/// A collector with everything that comes into a pod with it.
const COLLECTOR: &str = "
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: beside}
spec:
  mode: sidecar
  initContainers: [{name: fetch, image: registry.example/fetch:1}]
  volumes: [{name: queue, emptyDir: {}}]
  volumeMounts: [{name: queue, mountPath: /queue}]
  resources: {limits: {memory: 64Mi}}
  readinessProbe: {periodSeconds: 3}
  config:
    extensions: {health_check: {}}
    receivers: {otlp: {protocols: {grpc: {}, http: {}}}}
    exporters: {debug: {}}
    service:
      extensions: [health_check]
      pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
";

/// A Deployment whose pods ask for a sidecar and for Java.
const BOTH: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata:
      labels: {app: shop}
      annotations: {sidecar.opentelemetry.io/inject: 'true', instrumentation.opentelemetry.io/inject-java: 'true'}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: app, image: registry.example/app:1.2.3}]
";

fn sidecar(pod: &Pod) -> &Container {
    let init = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref());
    init.into_iter().flatten().find(|c| c.name == "otc-container").expect("the pod has a sidecar")
}

fn variable<'a>(container: &'a Container, name: &str) -> &'a EnvVar {
    container.env.iter().flatten().find(|e| e.name == name).unwrap_or_else(|| panic!("no variable {name}"))
}

fn label(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(LABEL).map(String::as_str)
}

#[tokio::test]
async fn s10_s12_s15_24_a_pod_gets_its_sidecar_and_its_agent() -> Result<()> {
    let (_, client, namespace) = start("sidecar").await?;
    // All in one go, as `kubectl apply` of a folder does it: the collector need not be in memory yet.
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    testkit::create_yaml(&client, COLLECTOR, &namespace).await?;
    testkit::create_yaml(&client, BOTH, &namespace).await?;
    let pod = pods(&client, &namespace, "shop", 1).await?.remove(0);
    assert_eq!(init_containers(&pod), ["fetch", "otc-container", "opentelemetry-auto-instrumentation-java"]);
    let container = sidecar(&pod);
    assert_eq!(container.restart_policy.as_deref(), Some("Always"));
    assert_eq!(container.args.as_deref(), Some(&["--config=env:OTEL_CONFIG".to_owned()][..]));
    assert!(container.startup_probe.is_some());
    let config = variable(container, "OTEL_CONFIG").value.as_deref().unwrap_or_default();
    assert!(config.contains("endpoint: 0.0.0.0:4317"), "{config}");
    let attributes = variable(container, "OTEL_RESOURCE_ATTRIBUTES").value.as_deref().unwrap_or_default();
    let keys: Vec<_> = attributes.split(',').filter_map(|a| a.split('=').next()).collect();
    assert_eq!(
        keys,
        [
            "k8s.deployment.name",
            "k8s.deployment.uid",
            "k8s.namespace.name",
            "k8s.node.name",
            "k8s.pod.name",
            "k8s.pod.uid",
            "k8s.replicaset.name",
            "k8s.replicaset.uid"
        ]
    );
    assert!(attributes.contains("k8s.deployment.name=shop,"), "{attributes}");
    assert_eq!(label(&pod), Some(format!("{namespace}.beside").as_str()));
    let expected =
        format!("sidecar/otc-container=Injected({namespace}/beside@1);java/app=Injected({namespace}/main@1,");
    assert!(verdict(&pod).starts_with(&expected), "{}", verdict(&pod));
    Ok(())
}

#[tokio::test]
async fn row_23_wo18_a_sidecar_that_does_not_exist_does_not_keep_java_from_the_pod() -> Result<()> {
    let (_, client, namespace) = start("no-sidecar").await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    let mut asks = pod("shop", JAVA, "true");
    asks["metadata"]["annotations"][SIDECAR] = json!("missing");
    let (pod, warnings) = create_pod(&client, &namespace, &asks).await?;
    assert_eq!(init_containers(&pod), ["opentelemetry-auto-instrumentation-java"]);
    assert_eq!(label(&pod), None);
    assert!(verdict(&pod).ends_with(";sidecar=CollectorNotFound"), "{}", verdict(&pod));
    let message = r#"opentelemetrycollectors.opentelemetry.io \"missing\" not found; create"#;
    assert!(warnings.iter().any(|w| w.contains(message)), "{warnings:?}");
    Ok(())
}

#[tokio::test]
async fn row_25_w20_a_language_that_fails_does_not_keep_the_sidecar_from_the_pod() -> Result<()> {
    let (operator, client, namespace) = start("only-sidecar").await?;
    testkit::create_yaml(&client, COLLECTOR, &namespace).await?;
    let mut asks = pod("shop", JAVA, "true");
    asks["metadata"]["annotations"][SIDECAR] = json!("beside");
    let (pod, warnings) = create_pod(&client, &namespace, &asks).await?;
    assert_eq!(init_containers(&pod), ["fetch", "otc-container"]);
    assert!(verdict(&pod).ends_with(";java=NoInstrumentation"), "{}", verdict(&pod));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let log = operator.log();
    let line = log.lines().find(|l| l.contains(&namespace) && l.contains("pod injected"));
    let line = line.unwrap_or_default();
    assert!(line.contains("sidecar/otc-container=Injected,java=NoInstrumentation"), "{line}");
    Ok(())
}

#[tokio::test]
async fn s2_s6_a_collector_that_cannot_be_chosen_is_told_and_the_pod_created() -> Result<()> {
    let (_, client, namespace) = start("undecided").await?;
    let (none, warnings) = create_pod(&client, &namespace, &pod("none", SIDECAR, "true")).await?;
    assert_eq!(verdict(&none), "sidecar=NoCollector");
    assert!(
        warnings.iter().any(|w| w.contains("no OpenTelemetry Collector instances available")),
        "{warnings:?}"
    );
    for name in ["one", "two"] {
        testkit::create_yaml(&client, &COLLECTOR.replace("beside", name), &namespace).await?;
    }
    // The operator learns of them by watching, one after the other.
    let mut attempt = 0;
    testkit::wait_for("both collectors to be known", Duration::from_secs(30), async || {
        attempt += 1;
        let asks = pod(&format!("several-{attempt}"), SIDECAR, "true");
        let (several, _) = create_pod(&client, &namespace, &asks).await?;
        ensure!(verdict(&several) == "sidecar=SeveralCollectors", "{}", verdict(&several));
        Ok(Some(()))
    })
    .await?;
    let daemon = COLLECTOR.replace("beside", "daemon").replace("sidecar", "daemonset");
    testkit::create_yaml(&client, &daemon, &namespace).await?;
    let (other, _) = create_pod(&client, &namespace, &pod("other", SIDECAR, "daemon")).await?;
    assert_eq!(verdict(&other), "sidecar=CollectorNotSidecar");
    assert!(init_containers(&other).is_empty());
    Ok(())
}

#[tokio::test]
async fn s9_false_takes_the_sidecar_of_a_copied_pod_out() -> Result<()> {
    let (_, client, namespace) = start("remove").await?;
    let mut copied = pod("copied", SIDECAR, "false");
    copied["metadata"]["labels"] = json!({LABEL: "obs.beside"});
    copied["spec"]["initContainers"] = json!([{"name": "otc-container", "image": "registry.example/collector:1", "restartPolicy": "Always"}]);
    let (pod, warnings) = create_pod(&client, &namespace, &copied).await?;
    assert!(init_containers(&pod).is_empty());
    assert_eq!(verdict(&pod), "sidecar/otc-container=SidecarRemoved");
    assert!(warnings.is_empty(), "{warnings:?}");
    Ok(())
}

#[tokio::test]
async fn a_sidecar_that_the_pod_has_no_room_for_does_not_keep_the_pod_from_being_created() -> Result<()> {
    let (_, client, namespace) = start("collision").await?;
    testkit::create_yaml(&client, COLLECTOR, &namespace).await?;
    let mut asks = pod("shop", SIDECAR, "beside");
    asks["spec"]["volumes"] = json!([{"name": "queue", "emptyDir": {}}]);
    let (pod, _) = create_pod(&client, &namespace, &asks).await?;
    assert!(init_containers(&pod).is_empty());
    let expected = format!("sidecar/otc-container=NameCollision({namespace}/beside@1)");
    assert_eq!(verdict(&pod), expected);
    Ok(())
}
