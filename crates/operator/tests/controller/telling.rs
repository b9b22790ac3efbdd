//! What is told about collectors: events and metrics.

use anyhow::Result;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use testkit::{Operator, OperatorOptions};

use crate::given::{PATIENCE, collector, collectors, event, events, failed, gone, ready_collector, start};

const DEFAULTED: &str = "Spec.Service.Telemetry.DefaultsApplied";

#[tokio::test]
async fn a_default_that_was_stored_is_told_once() -> Result<()> {
    let (client, namespace) = start("defaults").await?;
    ready_collector(&client, &namespace, "edge", &json!({})).await?;
    let (kind, note) = event(&client, &namespace, "edge", DEFAULTED).await?;
    assert_eq!(kind, "Normal");
    assert_eq!(note, "Applied default Prometheus telemetry configuration (host: 0.0.0.0, port: 8888)");
    let (kind, note) = event(&client, &namespace, "edge", "Info").await?;
    assert_eq!((kind.as_str(), note.as_str()), ("Normal", "applied status changes"));
    Ok(())
}

#[tokio::test]
async fn wo14_nothing_is_told_about_a_request_that_was_not_carried_out() -> Result<()> {
    let (client, namespace) = start("dry").await?;
    let api = collectors(&client, &namespace);
    let object = serde_json::from_value(collector("edge", &json!({})))?;
    api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await?;
    let explicit =
        json!({"readers": [{"pull": {"exporter": {"prometheus": {"host": "0.0.0.0", "port": 9999}}}}]});
    let mut object = collector("edge", &json!({}));
    object["spec"]["config"]["service"]["telemetry"] = json!({"metrics": explicit});
    testkit::create(&client, object, &namespace).await?;
    event(&client, &namespace, "edge", "Info").await?;
    let told = events(&client, &namespace, "edge").await?;
    assert!(!told.iter().any(|(_, reason, _)| reason == DEFAULTED), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn wd10_what_cannot_be_built_is_told_once_in_condition_and_event() -> Result<()> {
    let (client, namespace) = start("unbuilt").await?;
    let spec = json!({"mode": "statefulset", "targetAllocator": {"enabled": true}});
    let mut object = collector("fed", &spec);
    object["spec"]["config"]["receivers"] = json!({"prometheus": {"config": {"scrape_configs": [{"job_name": "a", "static_configs": [{"targets": ["a:1"]}]}]}}});
    object["spec"]["config"]["service"]["pipelines"]["traces"] = json!(null);
    object["spec"]["config"]["service"]["pipelines"]["metrics"] =
        json!({"receivers": ["prometheus"], "exporters": ["debug"]});
    object["spec"]["config"]["service"]["pipelines"].as_object_mut().map(|p| p.remove("traces"));
    testkit::create(&client, object, &namespace).await?;
    let (reason, message) = failed(&client, &namespace, "fed").await?;
    assert_eq!(reason, "TargetAllocatorNotSupported");
    let (kind, note) = event(&client, &namespace, "fed", "Error").await?;
    assert_eq!((kind.as_str(), note), ("Warning", message));
    // Another look finds the same and says nothing more.
    let label = Patch::Merge(json!({"metadata": {"labels": {"seen": "again"}}}));
    collectors(&client, &namespace).patch("fed", &PatchParams::default(), &label).await?;
    ready_collector(&client, &namespace, "later", &json!({})).await?;
    let told = events(&client, &namespace, "fed").await?;
    assert_eq!(told.iter().filter(|(_, reason, _)| reason == "Error").count(), 1, "{told:?}");
    Ok(())
}

#[tokio::test]
async fn metrics_count_passes_and_say_what_collectors_are_made_of() -> Result<()> {
    let control_plane = testkit::ControlPlane::start().await?;
    let options =
        OperatorOptions { args: vec!["--enable-cr-metrics".to_owned()], ..OperatorOptions::default() };
    let operator = Operator::start(&control_plane, options).await?;
    let client = control_plane.client().await?;
    let namespace = testkit::namespace(&client, "metrics").await?;
    ready_collector(&client, &namespace, "edge", &json!({})).await?;
    let text = operator.metrics().await?;
    let of = |kind: &str| format!(r#"{{collector_name="edge",namespace="{namespace}",type="{kind}"}} 1"#);
    for line in [
        format!("opentelemetry_collector_info{}", of("deployment")),
        format!("opentelemetry_collector_receivers{}", of("otlp")),
        format!("opentelemetry_collector_exporters{}", of("debug")),
        r#"workqueue_depth{name="opentelemetrycollector",controller="opentelemetrycollector"}"#.to_owned(),
        r#"controller_runtime_reconcile_total{controller="opentelemetrycollector",result="success"}"#
            .to_owned(),
        r#"controller_runtime_reconcile_errors_total{controller="opentelemetrycollector"} 0"#.to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not among\n{text}");
    }
    let api = collectors(&client, &namespace);
    api.delete("edge", &DeleteParams::default()).await?;
    gone(&api, "edge").await?;
    testkit::wait_for("the series to go", PATIENCE, async || {
        Ok((!operator.metrics().await?.contains(r#"collector_name="edge""#)).then_some(()))
    })
    .await
}
