//! For each reason code: the pod's annotation, the event on the workload, the metric, `explain`, the status of the Instrumentation and
//! the documentation say the same words. One control plane, one operator, one namespace for each code.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "seeing/first_steps.rs"]
mod first_steps;
#[path = "seeing/scenarios.rs"]
mod scenarios;

use std::{fmt::Write as _, fs, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use inject::{Reason, explanation::Explanation};
use k8s_openapi::api::{core::v1::Pod, events::v1::Event};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams},
    core::GroupVersionKind,
};
use scenarios::{ELSEWHERE, INSTRUMENTATION, SCENARIOS, Scenario, UNREADABLE};
use serde_json::{Value, json};
use testkit::{ControlPlane, Operator, OperatorOptions};

const VERDICT: &str = "instrumentation.opentelemetry.io/verdict";
const PATIENCE: Duration = Duration::from_secs(90);

struct World {
    control_plane: ControlPlane,
    client: Client,
    operator: Operator,
    documentation: String,
}

#[tokio::test]
async fn every_reason_is_told_in_the_same_words_everywhere() -> Result<()> {
    let world = start().await?;
    let outcomes = join_all(SCENARIOS.iter().map(|scenario| told(&world, scenario))).await;
    let mut failures = String::new();
    for (scenario, outcome) in SCENARIOS.iter().zip(outcomes) {
        if let Err(error) = outcome {
            let _ = writeln!(failures, "\n── {}: {error:#}", scenario.reason);
        }
    }
    for line in world.operator.metrics().await?.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let listed =
            operator::metrics::table::LINES.iter().any(|l| line == format!("{} {}", l.family(), l.kind));
        if !listed {
            let _ = writeln!(failures, "\nmetrics/table.rs does not have: {line}");
        }
    }
    if !failures.is_empty() {
        world.operator.keep_log();
    }
    assert!(failures.is_empty(), "{failures}");
    Ok(())
}

#[test]
fn no_reason_is_left_out() {
    for reason in Reason::ALL {
        let here = SCENARIOS.iter().filter(|s| s.reason == reason).count();
        let elsewhere = ELSEWHERE.iter().filter(|(r, ..)| *r == reason).count();
        assert_eq!(here + elsewhere, 1, "{reason}");
    }
    for (reason, file, test) in ELSEWHERE {
        let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(text.contains(&format!("fn {test}")), "{reason}: no {test} in {file}");
    }
}

/// A control plane with an Instrumentation that nobody can read, made while no operator was there to refuse it.
async fn start() -> Result<World> {
    let control_plane = ControlPlane::start().await?;
    let client = control_plane.client().await?;
    let mut definition = api::instrumentation::crd::crd();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    testkit::create(&client, definition, "").await?;
    let namespace = UNREADABLE.namespace();
    make_namespace(&client, &namespace, UNREADABLE.labels).await?;
    testkit::create_yaml(&client, scenarios::BAD_INSTRUMENTATION, &namespace).await?;
    // Everything but Nginx is switched on.
    let options = OperatorOptions {
        args: vec!["--enable-go-instrumentation".to_owned()],
        ..OperatorOptions::default()
    };
    let operator = Operator::start(&control_plane, options).await?;
    let path = format!("{}/../../docs/troubleshooting.md", env!("CARGO_MANIFEST_DIR"));
    let documentation = fs::read_to_string(path).context("docs/troubleshooting.md")?;
    Ok(World { control_plane, client, operator, documentation })
}

async fn make_namespace(client: &Client, name: &str, labels: &[(&str, &str)]) -> Result<()> {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    testkit::create(client, namespace, "").await?;
    Ok(())
}

async fn told(world: &World, scenario: &Scenario) -> Result<()> {
    let World { client, .. } = world;
    let namespace = scenario.namespace();
    let code = scenario.reason.code();
    if scenario.reason != UNREADABLE.reason {
        make_namespace(client, &namespace, scenario.labels).await?;
    }
    if !scenario.late {
        testkit::create_yaml(client, INSTRUMENTATION, &namespace).await?;
    }
    testkit::create_yaml(client, scenario.objects, &namespace).await?;
    testkit::create_yaml(client, &scenario.deployment(), &namespace).await?;

    let annotation = annotation(client, &namespace, code).await?;

    let rows = explain(world, &namespace).await?;
    let row = rows.iter().find(|row| row["verdict"] == code).with_context(|| format!("explain: {rows:?}"))?;
    if scenario.is_news() {
        let note = event(client, &namespace, scenario.reason).await?;
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let said = [text("message"), text("fix")].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>();
        ensure!(note.starts_with(&said.join("; ")), "the event says {note:?}, explain {row}");
        ensure!(note.ends_with(&format!(": {code})")), "the event does not name the code: {note:?}");
    }

    let metrics = world.operator.metrics().await?;
    let counted = |line: &&str| {
        line.starts_with("opentelemetry_operator_injection_verdicts_total{")
            && line.contains(&format!("reason=\"{code}\""))
    };
    ensure!(metrics.lines().any(|line| counted(&line)), "no metric with the reason {code}");

    let Explanation { meaning, remedy, .. } = scenario.reason.explanation();
    let section = section(&world.documentation, code).context("docs/troubleshooting.md has no section")?;
    for text in [meaning, remedy] {
        ensure!(section.contains(text), "the documentation of {code} does not say {text:?}:\n{section}");
    }

    if scenario.late {
        testkit::create_yaml(client, INSTRUMENTATION, &namespace).await?;
    }
    if let Some(name) = scenario.told_by {
        status(client, &namespace, name, scenario)
            .await
            .with_context(|| format!("annotation {annotation:?}"))?;
    }
    Ok(())
}

/// The API server asks the webhook first and validates then.
#[tokio::test]
async fn a_pod_without_containers_leads_to_an_event_before_it_is_refused() -> Result<()> {
    let cluster = testkit::shared().await?;
    let operator = Operator::shared().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "empty").await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    let owner = SCENARIOS.iter().find(|s| s.reason == Reason::Injected).context("a scenario")?.deployment();
    let owner = testkit::create_yaml(&client, &owner, &namespace).await?.remove(0);
    let reference = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner.metadata.uid, "controller": true}]);
    let annotations = json!({"instrumentation.opentelemetry.io/inject-java": "true"});
    let metadata = json!({"name": "empty", "annotations": annotations, "ownerReferences": reference});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}});
    ensure!(testkit::create(&client, pod, &namespace).await.is_err(), "a pod needs containers");
    let note = event(&client, &namespace, Reason::NoContainers).await?;
    assert_eq!(note, "the pod has no containers; give the pod a container (java: NoContainers)");
    let metrics = operator.metrics().await?;
    assert!(metrics.contains("verdict=\"declined\",reason=\"NoContainers\""), "{metrics}");
    Ok(())
}

/// The annotation of the pod. One that came out otherwise, because the operator has not heard of everything yet or a machine under load
/// did not answer it in time, is replaced.
async fn annotation(client: &Client, namespace: &str, code: &str) -> Result<String> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let parameters = ListParams::default().labels("app=web");
    let mut seen = String::new();
    let found = testkit::wait_for("the pod", PATIENCE, async || {
        for pod in api.list(&parameters).await?.items {
            seen = pod.metadata.annotations.unwrap_or_default().remove(VERDICT).unwrap_or_default();
            if seen.contains(&format!("={code}")) {
                return Ok(Some(()));
            }
            api.delete(&pod.metadata.name.unwrap_or_default(), &DeleteParams::default().grace_period(0))
                .await?;
        }
        Ok(None)
    })
    .await;
    found.with_context(|| format!("the pod's annotation is {seen:?}"))?;
    Ok(seen)
}

/// The note of the event on the Deployment.
async fn event(client: &Client, namespace: &str, reason: Reason) -> Result<String> {
    let api = Api::<Event>::namespaced(client.clone(), namespace);
    let mut seen = String::new();
    let found = testkit::wait_for("the event on the Deployment", PATIENCE, async || {
        let events = api.list(&ListParams::default()).await?.items;
        seen = format!("{:?}", events.iter().map(|e| (&e.reason, &e.note)).collect::<Vec<_>>());
        let ours = |event: &&Event| {
            let regarding = event.regarding.clone().unwrap_or_default();
            event.reason.as_deref() == Some(reason.event_reason())
                && regarding.kind.as_deref() == Some("Deployment")
                && regarding.name.as_deref() == Some("web")
                && regarding.uid.is_some()
        };
        let event = events.iter().find(ours).cloned();
        Ok(event)
    })
    .await;
    let event = found.with_context(|| seen)?;
    ensure!(event.type_.as_deref() == Some("Warning"), "{event:?}");
    ensure!(event.reporting_controller.as_deref() == Some("opentelemetry-operator"), "{event:?}");
    Ok(event.note.unwrap_or_default())
}

/// The rows of `otel-operator explain deploy/web`.
async fn explain(world: &World, namespace: &str) -> Result<Vec<Value>> {
    let kubeconfig = format!("--kubeconfig={}", world.control_plane.kubeconfig().display());
    let namespace = namespace.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let arguments = ["explain", "deploy/web", "-n", &namespace, &kubeconfig, "-o", "json"];
        Command::new(env!("CARGO_BIN_EXE_otel-operator")).args(arguments).output()
    })
    .await??;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).with_context(|| stderr.into_owned())?;
    Ok(report["workloads"][0]["rows"].as_array().cloned().unwrap_or_default())
}

async fn status(client: &Client, namespace: &str, name: &str, scenario: &Scenario) -> Result<()> {
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("opentelemetry.io", "v1alpha1", "Instrumentation"));
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    let Explanation { meaning, remedy, .. } = scenario.reason.explanation();
    let code = scenario.reason.code();
    let mut seen = String::new();
    let waited = testkit::wait_for("the status", PATIENCE, async || {
        let status = api.get(name).await?.data["status"].clone();
        seen = status.to_string();
        let condition = status["conditions"]
            .as_array()
            .and_then(|all| all.iter().find(|c| c["type"] == "WorkloadsInjected").cloned())
            .unwrap_or_default();
        if scenario.is_news() {
            let reason =
                status["reasons"].as_array().and_then(|all| all.iter().find(|r| r["reason"] == code));
            let said = reason.is_some_and(|r| {
                r["message"] == meaning
                    && r["fix"] == remedy
                    && r["example"]["kind"] == "Deployment"
                    && r["example"]["name"] == "web"
            });
            Ok((said && condition["status"] == "False" && status["workloads"]["failed"] == 1).then_some(()))
        } else {
            Ok((condition["status"] == "True" && status["workloads"]["injected"] == 1).then_some(()))
        }
    })
    .await;
    waited.with_context(|| format!("the status is {seen}"))
}

/// The section of a code in the documentation.
fn section<'a>(documentation: &'a str, code: &str) -> Option<&'a str> {
    let (_, rest) = documentation.split_once(&format!("\n### {code}\n"))?;
    Some(rest.split("\n### ").next().unwrap_or(rest))
}
