//! `status` and `support-bundle` on a real control plane with the operator beside it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use flate2::read::GzDecoder;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

const INSTRUMENTATION: &str = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: main}
spec: {exporter: {endpoint: 'http://collector:4318'}}
";

fn deployment(name: &str, replicas: u32, annotations: &str, env: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}, annotations: {annotations}}}
    spec: {{containers: [{{name: app, image: 'registry.example/app:1', env: {env}}}]}}
"
    )
}

const JAVA: &str = "{instrumentation.opentelemetry.io/inject-java: 'true'}";

fn otel(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-operator")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn each_workload_has_its_state_and_the_totals_say_why() {
    let cluster = testkit::shared().await.unwrap();
    testkit::Operator::shared().await.unwrap();
    let client = cluster.client().await.unwrap();
    let namespace = testkit::namespace(&client, "status").await.unwrap();
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let status = |more: &[&str]| otel(&[&["status", "-n", &namespace, &kubeconfig], more].concat());

    let (code, shown, _) = status(&[]);
    assert_eq!(
        (code, shown),
        (0, format!("nothing asks for injection in namespace {namespace} (there are no pods)\n"))
    );

    // One that comes too early, one that asks for what is not there, one that asks for nothing.
    let apply = async |yaml: String| testkit::apply_yaml(&client, &yaml, &namespace).await.unwrap();
    apply(deployment("early", 2, JAVA, "[]")).await;
    apply(deployment("lost", 1, "{instrumentation.opentelemetry.io/inject-java: absent}", "[]")).await;
    apply(deployment("silent", 1, "{}", "[]")).await;
    let report = testkit::wait_for("four pods", PATIENCE, async || {
        let report: Value = serde_json::from_str(&status(&["-o", "json"]).1)?;
        let pods: u64 =
            report["workloads"].as_array().unwrap().iter().map(|w| w["pods"].as_u64().unwrap()).sum();
        Ok((pods == 3 && report["totals"]["notAsking"] == 1).then_some(report))
    });
    let report = report.await.unwrap();
    let of = |report: &Value, name: &str| {
        report["workloads"].as_array().unwrap().iter().find(|w| w["name"] == name).unwrap().clone()
    };
    assert_eq!(of(&report, "early")["state"], "NoInstrumentation");
    assert_eq!(of(&report, "lost")["state"], "InstrumentationNotFound");
    assert_eq!(report["totals"]["failed"], 2);

    // What changes is seen by a watcher.
    let mut watcher = Command::new(env!("CARGO_BIN_EXE_otel-operator"))
        .args(["status", "--watch", "--interval=1", "-o", "json", "-n", &namespace, &kubeconfig])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["totals"]["injected"], 0);
    apply(INSTRUMENTATION.to_owned()).await;
    let injected = testkit::wait_for("an injected workload", PATIENCE, async || {
        apply(deployment("web", 2, JAVA, "[]")).await;
        let (code, text, _) = status(&[]);
        if text.contains("deployment/web")
            && text
                .lines()
                .any(|l| l.contains("deployment/web") && l.contains("Injected") && l.contains("2/2"))
        {
            return Ok(Some((code, text)));
        }
        if text.lines().any(|l| l.contains("deployment/web") && l.contains("NoInstrumentation")) {
            testkit::kubectl(&["delete", "deployment", "web", "-n", &namespace, "--cascade=foreground"], "")
                .await?;
        }
        anyhow::bail!("{text}")
    });
    let (code, text) = injected.await.unwrap();
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains(&format!("{namespace}/main")) && text.contains("1 InstrumentationNotFound: "),
        "{text}"
    );
    assert!(text.contains("3 ask: 1 injected, 0 outdated, 0 missed, 2 failed; 1 ask for nothing"), "{text}");
    let seen = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let seen = seen.take(50).find(|report| report["totals"]["injected"] == 1);
    assert!(seen.is_some());
    watcher.kill().unwrap();
    watcher.wait().unwrap();

    // An Instrumentation that changes leaves its pods behind.
    apply(INSTRUMENTATION.replace("4318", "4317")).await;
    let (_, text, _) = status(&[]);
    assert!(
        text.lines().any(|l| l.contains("deployment/web") && l.contains("Outdated") && l.contains("0/2")),
        "{text}"
    );
    let (_, all, _) = otel(&["status", "-A", &kubeconfig]);
    assert!(all.contains(&namespace), "{all}");
}

#[tokio::test]
async fn a_pod_that_an_injected_container_keeps_from_starting_is_named_with_why() {
    let cluster = testkit::shared().await.unwrap();
    testkit::Operator::shared().await.unwrap();
    let client = cluster.client().await.unwrap();
    let namespace = testkit::namespace(&client, "stuck").await.unwrap();
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    testkit::apply_yaml(&client, INSTRUMENTATION, &namespace).await.unwrap();
    testkit::apply_yaml(&client, &deployment("web", 1, JAVA, "[]"), &namespace).await.unwrap();
    let pod = testkit::wait_for("a pod", PATIENCE, async || {
        let name = ["get", "pods", "-n", &namespace, "-o", "jsonpath={.items[*].metadata.name}"];
        let name = testkit::kubectl(&name, "").await?;
        Ok(Some(name).filter(|name| !name.is_empty()))
    });
    let pod = pod.await.unwrap();
    // As a kubelet reports it; there is none here.
    let status = r#"{"status": {"initContainerStatuses": [{
        "name": "opentelemetry-auto-instrumentation-java", "image": "registry.example/agent:1", "imageID": "",
        "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    }]}}"#;
    let patch = ["patch", "pod", &pod, "-n", &namespace, "--subresource=status", "-p", status];
    testkit::kubectl(&patch, "").await.unwrap();

    let said = "container opentelemetry-auto-instrumentation-java: ImagePullBackOff: Back-off pulling image";
    let fix = "let the node pull registry.example/agent:1";
    let (code, text, _) = otel(&["status", "-n", &namespace, &kubeconfig]);
    assert_eq!(code, 1, "{text}");
    let line = format!("1 pod of Deployment {namespace}/web cannot start: {said}");
    assert!(text.contains(&line) && text.contains(fix), "{text}");
    for object in ["deploy/web", &format!("pod/{pod}")] {
        let (code, text, _) = otel(&["explain", object, "-n", &namespace, &kubeconfig]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(&format!("pod {pod} cannot start: {said}")) && text.contains(fix), "{text}");
    }
}

#[tokio::test]
async fn what_an_upgrade_would_change_in_a_cluster_is_shown_and_not_done() {
    let cluster = testkit::shared().await.unwrap();
    testkit::Operator::shared().await.unwrap();
    let client = cluster.client().await.unwrap();
    let namespace = testkit::namespace(&client, "upgrade").await.unwrap();
    let old = "registry.example/java:1.0.0";
    let yaml = INSTRUMENTATION.replace(
        "metadata: {name: main}",
        &format!("metadata: {{name: main, annotations: {{instrumentation.opentelemetry.io/default-auto-instrumentation-java-image: '{old}'}}}}"),
    );
    let yaml = yaml.replace("spec: {", &format!("spec: {{java: {{image: '{old}'}}, "));
    testkit::create_yaml(&client, &yaml, &namespace).await.unwrap();
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let diff = |more: &[&str]| otel(&[&["diff", "--upgrade", "-n", &namespace, &kubeconfig], more].concat());
    for _ in 0..2 {
        let (code, shown, stderr) = diff(&[]);
        assert_eq!(code, 1, "{shown}{stderr}");
        assert!(
            shown.contains(&format!("+++ cluster (Instrumentation {namespace}/main upgraded to 0.158.0)")),
            "{shown}"
        );
        assert!(
            shown.contains(&format!("-    image: '{old}'")) || shown.contains(&format!("-    image: {old}")),
            "{shown}"
        );
    }
    let (_, json, _) = diff(&["-o", "json"]);
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["objects"][0]["name"], "main");
    assert!(!report["objects"][0]["patch"].as_array().unwrap().is_empty(), "{report:#}");
    // With the image that it has as the release's, nothing is to be done.
    let (code, shown, _) = diff(&[&format!("--auto-instrumentation-java-image={old}")]);
    assert_eq!((code, shown.as_str()), (0, ""));
}

/// The files of a bundle and what is in them.
fn unpacked(file: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(std::fs::File::open(file).unwrap())).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().split_once('/').unwrap().1.to_owned();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        files.insert(name, content);
    }
    files
}

/// Must not be in the bundle.
const CANARY: &str = "hunter2canary";

#[tokio::test]
async fn a_bundle_has_what_helps_and_nothing_secret() {
    let cluster = testkit::shared().await.unwrap();
    testkit::Operator::shared().await.unwrap();
    let client = cluster.client().await.unwrap();
    let namespace = testkit::namespace(&client, "bundle").await.unwrap();
    let apply = async |yaml: &str| testkit::create_yaml(&client, yaml, &namespace).await.unwrap();
    apply(INSTRUMENTATION).await;
    apply(&format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: login}}, stringData: {{password: {CANARY}}}}}"
    ))
    .await;
    let env = format!(
        "[{{name: DB_PASSWORD, value: {CANARY}}}, {{name: PLAIN, value: {CANARY}}}, {{name: OTEL_EXPORTER_OTLP_HEADERS, value: 'k={CANARY}'}}]"
    );
    let plain = deployment("web", 5, JAVA, &env);
    testkit::kubectl(&["apply", "-n", &namespace, "-f", "-"], &plain).await.unwrap();
    apply(&format!(
        "
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {{name: gateway}}
spec:
  env: [{{name: TOKEN, value: {CANARY}}}]
  args: {{}}
  config:
    receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
    exporters: {{otlphttp: {{endpoint: 'https://user:{CANARY}@backend', headers: {{x-team: {CANARY}}}, compression: gzip}}}}
    extensions: {{basicauth: {{client_auth: {{username: u, password: {CANARY}}}}}}}
    service: {{extensions: [basicauth], pipelines: {{traces: {{receivers: [otlp], exporters: [otlphttp]}}}}}}
"
    ))
    .await;
    apply(&format!(
        "
apiVersion: opentelemetry.io/v1alpha1
kind: OpenTelemetryCollector
metadata: {{name: old}}
spec:
  config: |
    receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
    exporters: {{otlphttp: {{endpoint: 'https://backend', headers: {{x-team: {CANARY}}}}}}}
    service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [otlphttp]}}}}}}
"
    ))
    .await;
    testkit::wait_for("the collector's Deployment and the application's pods", PATIENCE, async || {
        testkit::kubectl(&["get", "deployment", "gateway-collector", "old-collector", "-n", &namespace], "")
            .await?;
        let pods =
            testkit::kubectl(&["get", "pods", "-n", &namespace, "-l", "app=web", "-o", "name"], "").await?;
        let gateway =
            ["get", "pods", "-n", &namespace, "-l", "app.kubernetes.io/name=gateway-collector", "-o", "name"];
        let gateway = testkit::kubectl(&gateway, "").await?;
        Ok((pods.lines().count() == 5 && !gateway.is_empty()).then_some(()))
    })
    .await
    .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar.gz");
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let path = format!("--file={}", file.display());
    let arguments = ["support-bundle", &path, "-n", &namespace, &kubeconfig, "-o", "json"];
    let (code, stdout, stderr) = otel(&arguments);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let files = unpacked(&file);
    assert_eq!(report["files"].as_u64().unwrap() as usize, files.len());
    for (name, content) in &files {
        assert!(!content.contains(CANARY), "{name}:\n{content}");
        // Neither as the API server would show a Secret.
        assert!(!content.contains("aHVudGVyMmNhbmFyeQ"), "{name}:\n{content}");
    }
    assert!(!files.keys().any(|name| name.contains("/secrets/")));
    let of =
        |name: &str| files.get(name).unwrap_or_else(|| panic!("{name} is not among {:#?}", files.keys()));
    let here = |name: &str| of(&format!("namespaces/{namespace}/{name}"));
    assert!(here("apps/deployments/web.yaml").contains("inject-java"));
    assert!(here("opentelemetry.io/opentelemetrycollectors/gateway.yaml").contains("compression: gzip"));
    here("opentelemetry.io/opentelemetrycollectors/old.yaml");
    here("opentelemetry.io/instrumentations/main.yaml");
    here("apps/deployments/gateway-collector.yaml");
    here("core/services/gateway-collector.yaml");
    assert!(files.iter().any(|(name, text)| name.contains("/core/configmaps/gateway-collector-")
        && text.contains("compression: gzip")));
    assert!(files.keys().any(|name| name.starts_with(&format!("namespaces/{namespace}/core/events/"))));
    let pods = files
        .keys()
        .filter(|name| name.starts_with(&format!("namespaces/{namespace}/core/pods/web-")))
        .count();
    assert_eq!(pods, 3, "they are alike");
    of(
        "cluster-scoped-resources/admissionregistration.k8s.io/mutatingwebhookconfigurations/opentelemetry-operator-mutating-webhook-configuration.yaml",
    );
    let crd = of(
        "cluster-scoped-resources/apiextensions.k8s.io/customresourcedefinitions/opentelemetrycollectors.opentelemetry.io.yaml",
    );
    assert!(crd.contains("conversion:") && !crd.contains("openAPIV3Schema"), "{crd}");
    of("namespaces/opentelemetry-operator-system/core/configmaps/opentelemetry-operator-settings.yaml");
    assert!(of("check.txt").contains("pod-webhook") && of("status.txt").contains("deployment/web"));
    assert!(of("version.json").contains("gitVersion") && of("README.txt").contains("errors.txt"));
    // Nothing runs these pods, so their logs are empty.
    let logs = |name: &&String| {
        name.contains("/pods/gateway-collector-") && name.ends_with("/otc-container/logs/current.log")
    };
    assert!(files.keys().any(|name| logs(&name)), "{:#?}", files.keys());
    of("errors.txt");

    // What is there is not written over.
    let (code, _, stderr) = otel(&arguments);
    assert!(code == 3 && stderr.contains("cannot make"), "{code} {stderr}");
}

/// Bound to a node that does not exist, so nobody can be asked for its log.
const UNREADABLE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: unreadable, labels: {app.kubernetes.io/managed-by: opentelemetry-operator}}
spec: {nodeName: nowhere, containers: [{name: otc-container, image: 'registry.example/collector:1'}]}
";

#[tokio::test]
async fn t49_one_unreadable_log_is_listed_and_ends_nothing() {
    let cluster = testkit::shared().await.unwrap();
    testkit::Operator::shared().await.unwrap();
    let client = cluster.client().await.unwrap();
    let namespace = testkit::namespace(&client, "unreadable").await.unwrap();
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await.unwrap();
    testkit::create_yaml(&client, UNREADABLE, &namespace).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar.gz");
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let path = format!("--file={}", file.display());
    let (code, stdout, stderr) =
        otel(&["support-bundle", &path, "-n", &namespace, &kubeconfig, "-o", "json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let failures: Vec<_> = report["failures"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(failures.iter().any(|line| line.contains("/pods/unreadable/log")), "{failures:#?}");
    let files = unpacked(&file);
    assert!(files["errors.txt"].contains("/pods/unreadable/log"), "{}", files["errors.txt"]);
    // What comes afterwards is there, and the pod itself.
    for name in ["core/pods/unreadable.yaml", "opentelemetry.io/instrumentations/main.yaml"] {
        let name = format!("namespaces/{namespace}/{name}");
        assert!(files.contains_key(&name), "{name} is not among {:#?}", files.keys());
    }
    assert!(files.contains_key("status.txt") && files.contains_key("check.txt"));
}
