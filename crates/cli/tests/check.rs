//! `check` on a real control plane with the operator beside it: silent on a healthy installation, and each planted fault is
//! found by its id.

#![allow(clippy::unwrap_used, reason = "tests")]

mod faults;

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use serde_json::Value;
use testkit::{ControlPlane, Operator, OperatorOptions};

const PATIENCE: Duration = Duration::from_secs(60);
/// The API server takes a moment to use a changed configuration, the operator to bring a collector about.
const FOUND_WITHIN: Duration = Duration::from_secs(20);

/// What a healthy cluster has: an application, a collector, and who receives telemetry.
const HEALTHY: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: lonely}
---
apiVersion: v1
kind: Namespace
metadata: {name: restricted, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Service
metadata: {name: collector, namespace: shop}
spec: {ports: [{name: otlp-grpc, port: 4317, appProtocol: grpc}, {name: otlp-http, port: 4318, appProtocol: http}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: collector-1, namespace: shop, labels: {kubernetes.io/service-name: collector}}
addressType: IPv4
endpoints: [{addresses: [10.1.2.3], conditions: {ready: true}}]
ports: [{name: otlp-grpc, port: 4317}, {name: otlp-http, port: 4318}]
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {ports: [{name: https, port: 443}, {name: otlp-http, port: 4318}], selector: {app: nobody}}
---
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: main, namespace: shop}
spec: {exporter: {endpoint: 'http://collector.shop:4318'}}
---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: gateway, namespace: shop}
spec:
  config:
    receivers: {otlp: {protocols: {grpc: {}, http: {}}}}
    processors: {memory_limiter: {check_interval: 1s, limit_percentage: 75}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], processors: [memory_limiter], exporters: [debug]}}}
";

/// A Deployment that asks for Java with the only Instrumentation of its namespace.
const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {instrumentation.opentelemetry.io/inject-java: 'true'}}
    spec: {containers: [{name: app, image: registry.example/app:1}]}
";

/// What `check` said: its exit code, what was printed, and the results by id.
struct Checked {
    code: i32,
    report: Value,
    text: String,
}

impl Checked {
    /// The ids of what is wrong, with the first message.
    fn problems(&self) -> BTreeMap<String, String> {
        let checks = self.report["checks"].as_array().unwrap();
        let wrong = checks.iter().filter(|check| check.get("problems").is_some());
        wrong
            .map(|check| (check["id"].as_str().unwrap().to_owned(), check["problems"][0].to_string()))
            .collect()
    }
}

fn check(kubeconfig: &Path, arguments: &[&str]) -> Checked {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-operator"))
        .args(["check", "-o", "json"])
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .args(arguments)
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Checked { code: output.status.code().unwrap(), report, text }
}

/// Waits until nothing is wrong.
async fn gone(kubeconfig: &Path) -> anyhow::Result<()> {
    testkit::wait_for("nothing to be wrong", FOUND_WITHIN, async || {
        let checked = check(kubeconfig, &[]);
        anyhow::ensure!(checked.code == 0 && checked.problems().is_empty(), "{:#?}", checked.problems());
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
async fn every_planted_fault_is_found_by_its_id_and_a_healthy_installation_is_silent() {
    let cluster = ControlPlane::start().await.unwrap();
    let client = cluster.client().await.unwrap();
    let kubeconfig = cluster.kubeconfig().to_owned();

    // Before the installation.
    let before = check(&kubeconfig, &["--pre"]);
    assert_eq!((before.code, before.problems().len()), (0, 0), "{}", before.text);
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("kubeconfig");
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"]["as"] = "reader".into();
    }
    let reader = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: reader}, \
                  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}, subjects: [{kind: User, name: reader, apiGroup: rbac.authorization.k8s.io}]}\n---\n\
                  {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader}, rules: [{apiGroups: ['*'], resources: ['*'], verbs: [get, list]}]}\n";
    testkit::create_yaml(&client, reader, "default").await.unwrap();
    std::fs::write(&nobody, config.to_string()).unwrap();
    let forbidden = check(&nobody, &["--pre"]);
    assert_eq!(forbidden.code, 2, "{}", forbidden.text);
    assert!(forbidden.problems()["permissions"].contains("you may not create"), "{}", forbidden.text);

    let options = OperatorOptions {
        args: vec!["--enable-go-instrumentation".to_owned()],
        ..OperatorOptions::default()
    };
    let _operator = Operator::start(&cluster, options).await.unwrap();
    testkit::apply_yaml(&client, HEALTHY, "shop").await.unwrap();
    // Its pods are instrumented only once the operator knows the Instrumentation.
    testkit::wait_for("the pods to be instrumented", PATIENCE, async || {
        testkit::apply_yaml(&client, WEB, "shop").await?;
        let checked = check(&kubeconfig, &[]);
        if checked.code != 0 {
            cluster.kubectl(&["delete", "deployment", "web", "-n", "shop", "--cascade=foreground"], "")?;
            anyhow::bail!("{}", checked.text);
        }
        Ok(Some(()))
    })
    .await
    .unwrap();
    gone(&kubeconfig).await.unwrap();

    let mut found = 1;
    let mut failures = Vec::new();
    for fault in faults::all() {
        let planted =
            faults::plant(&cluster, &client, &fault).await.unwrap_or_else(|e| panic!("{}: {e:#}", fault.id));
        let said = testkit::wait_for(fault.id, FOUND_WITHIN, async || {
            let checked = check(&kubeconfig, &[]);
            let message = checked.problems().get(fault.id).cloned();
            anyhow::ensure!(message.is_some(), "{:#?}", checked.problems());
            assert!([1, 2].contains(&checked.code), "{}", checked.text);
            Ok(message)
        });
        match said.await {
            Ok(said) => {
                println!("{}: {said}", fault.id);
                found += 1;
            }
            Err(error) => failures.push(format!("{}: {error:#}", fault.id)),
        }
        faults::heal(&cluster, &client, planted).await.unwrap_or_else(|e| panic!("{}: {e:#}", fault.id));
        if let Err(error) = gone(&kubeconfig).await {
            failures.push(format!("after {} was healed: {error:#}", fault.id));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{found} faults found");
    assert!(found >= 25, "{found}");

    // Without its objects, as one that cannot be healed by one step: the last one.
    cluster.kubectl(&["delete", "crd", "instrumentations.opentelemetry.io"], "").unwrap();
    let checked = check(&kubeconfig, &[]);
    assert!(checked.problems().contains_key("definition-missing"), "{}", checked.text);
}
