//! `explain` on a real control plane, with the operator running beside it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{os::unix::fs::symlink, process::Command, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::ListParams};
use serde_json::Value;

const INSTRUMENTATION: &str = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: demo}
spec: {exporter: {endpoint: 'http://collector:4318'}, sampler: {type: always_on}}
";

fn deployment(name: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app.kubernetes.io/name: {name}}}}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: {name}}}
      annotations: {{instrumentation.opentelemetry.io/inject-java: 'true'}}
    spec: {{containers: [{{name: app, image: 'registry.example/app:1'}}]}}
"
    )
}

/// The name of a Deployment's pod, once it is there.
async fn pod_of(client: &Client, namespace: &str, name: &str) -> String {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let parameters = ListParams::default().labels(&format!("app.kubernetes.io/name={name}"));
    testkit::wait_for("the pod", Duration::from_secs(60), async || {
        Ok(pods.list(&parameters).await?.items.into_iter().next().and_then(|pod| pod.metadata.name))
    })
    .await
    .unwrap()
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

fn otel(arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-operator")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn assert_has(ended: &Ended, code: i32, parts: &[&str]) {
    let all = format!("{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, code, "{all}");
    for part in parts {
        assert!(all.contains(part), "no {part:?} in\n{all}");
    }
}

#[tokio::test]
async fn workloads_and_pods_of_a_cluster_are_explained_with_the_operators_own_settings() {
    let cluster = testkit::shared().await.unwrap();
    testkit::Operator::shared().await.unwrap();
    let client = cluster.client().await.unwrap();
    let namespace = testkit::namespace(&client, "explain").await.unwrap();
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let explain = |object: &str| otel(&["explain", object, "-n", &namespace, &kubeconfig]);

    // A pod that was there before its Instrumentation.
    testkit::apply_yaml(&client, &deployment("early"), &namespace).await.unwrap();
    let early = pod_of(&client, &namespace, "early").await;
    let missing = explain("deploy/early");
    assert_has(
        &missing,
        1,
        &["NoInstrumentation", "create an Instrumentation in namespace", "running pods: 0 of 1 instrumented"],
    );

    // Times in objects have a resolution of one second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    testkit::apply_yaml(&client, INSTRUMENTATION, &namespace).await.unwrap();
    let demo = format!("{namespace}/demo");
    let late =
        testkit::wait_for("the operator to see the Instrumentation", Duration::from_secs(30), async || {
            testkit::apply_yaml(&client, &deployment("web"), &namespace).await?;
            let pod = pod_of(&client, &namespace, "web").await;
            if explain(&format!("pod/{pod}")).stdout.contains(&format!("java/app=Injected({demo}@1,")) {
                return Ok(Some(pod));
            }
            // It came too early: again.
            testkit::kubectl(&["delete", "deployment", "web", "-n", &namespace, "--cascade=foreground"], "")
                .await?;
            Ok(None)
        });
    let web = late.await.unwrap();

    let settings = "settings: the running operator's, ConfigMap opentelemetry-operator-system/opentelemetry-operator-settings";
    assert_has(
        &explain("deploy/web"),
        0,
        &[
            settings,
            &format!("app        java      Injected  {demo}"),
            "pod, inject-java: \"true\"",
            "running pods: 1 of 1 instrumented",
            "names Service collector, which namespace",
        ],
    );
    assert_has(
        &explain(&format!("pod/{web}")),
        0,
        &[&format!("the pod's verdict: java/app=Injected({demo}@1,"), "decided when it was injected"],
    );

    // What was missed is told, with the reason and the way out.
    let restart = format!("fix: kubectl rollout restart deployment/early -n {namespace}");
    assert_has(
        &explain("deployments.apps/early"),
        1,
        &[
            "Injected",
            "running pods: 0 of 1",
            "Instrumentation demo was created at",
            "after pod early-",
            &restart,
        ],
    );
    assert_has(
        &explain(&format!("po/{early}")),
        1,
        &[
            "the pod's verdict: java=NoInstrumentation",
            "if the pod were created now: injected",
            "Instrumentation demo was created at",
        ],
    );

    // An Instrumentation that has changed since.
    let changed = INSTRUMENTATION.replace("4318", "4317");
    testkit::apply_yaml(&client, &changed, &namespace).await.unwrap();
    assert_has(
        &explain(&format!("pod/{web}")),
        0,
        &["has changed since (generation 1 then, 2 now): recreate the pod"],
    );

    // A file wins over the cluster; what it does not say comes from there.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    std::fs::write(&file, deployment("web")).unwrap();
    let file = file.to_str().unwrap();
    assert_has(
        &otel(&["diff", "-f", file, "-n", &namespace, &kubeconfig]),
        1,
        &["+", "http://collector:4317", &format!("({demo}@2,")],
    );
    assert_has(
        &otel(&["inject", "-f", file, "-n", &namespace]),
        0,
        &["no OpenTelemetry Instrumentation instances available"],
    );

    assert_has(
        &explain("deploy/absent"),
        3,
        &[&format!("error: Deployment {namespace}/absent does not exist")],
    );
    let report = otel(&["explain", "deploy/web", "-n", &namespace, &kubeconfig, "-o", "json"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["workloads"][0]["pods"]["instrumented"], 1);

    // As kubectl's plugin.
    symlink(env!("CARGO_BIN_EXE_otel-operator"), folder.path().join("kubectl-otel")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let kubectl = |arguments: &[&str]| {
        let mut command = Command::new(testkit::binaries::get().unwrap().kubectl);
        command.args(arguments).env("PATH", &path).env("KUBECONFIG", cluster.kubeconfig());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(kubectl(&["otel", "explain", "deploy/web", "-n", &namespace]).contains(settings));
    assert!(kubectl(&["otel"]).contains("Usage: kubectl otel <COMMAND>"));
}

#[test]
fn a_cluster_that_is_not_there_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let text = "
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
";
    std::fs::write(&config, text).unwrap();
    let kubeconfig = format!("--kubeconfig={}", config.display());
    assert_has(&otel(&["explain", "deploy/web", &kubeconfig]), 4, &["error: "]);
    assert_has(&otel(&["explain", "deploy/web", &kubeconfig, "--context=other"]), 4, &["cannot be used"]);
}
