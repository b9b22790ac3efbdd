//! Rows of the test matrix that only an API server can show.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use kube::Client;
use serde_json::{Value, json};
use testkit::{Cluster, Operator};

use crate::cluster::{PATIENCE, V1BETA1, collector, collectors, everything, get, send, served, settled};

pub(crate) async fn shared(prefix: &str) -> Result<(&'static Cluster, Client, String)> {
    Operator::shared().await?;
    let cluster = testkit::shared().await?;
    let client = cluster.client().await?;
    served(&client).await?;
    let namespace = testkit::namespace(&client, prefix).await?;
    Ok((cluster, client, namespace))
}

/// A collector that receives OTLP and prints traces, with more in its spec.
pub(crate) fn a_collector(name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": name},
        "spec": {"config": {
            "receivers": {"otlp": {"protocols": {"grpc": {}, "http": {}}}},
            "exporters": {"debug": {}},
            "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}},
        }},
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

pub(crate) async fn create(client: &Client, namespace: &str, object: &Value) -> Result<Value> {
    send(client, "POST", &collectors(V1BETA1, namespace), object).await?.object()
}

pub(crate) async fn patch(client: &Client, namespace: &str, name: &str, patch: &Value) -> Result<Value> {
    send(client, "PATCH", &collector(V1BETA1, namespace, name), patch).await?.object()?;
    settled(client, namespace, name).await
}

#[tokio::test]
async fn row_a23_kubectl_get_otelcol_shows_the_columns() -> Result<()> {
    let (cluster, client, namespace) = shared("a23").await?;
    create(&client, &namespace, &a_collector("gateway", json!({"image": "example.com/otelcol:1.2.3"})))
        .await?;
    testkit::wait_for("the replicas in the status", PATIENCE, async || {
        let collector = get(&client, &collector(V1BETA1, &namespace, "gateway")).await?;
        Ok((collector["status"]["scale"]["statusReplicas"] == "0/1").then_some(()))
    })
    .await?;
    for name in ["otelcol", "otelcols", "opentelemetrycollectors.v1alpha1.opentelemetry.io"] {
        let printed = cluster.kubectl(&["get", name, "-n", &namespace], "")?;
        let mut lines = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let titles = lines.next().context("no titles")?;
        assert_eq!(titles, ["NAME", "MODE", "VERSION", "READY", "AGE", "IMAGE", "MANAGEMENT"], "{name}");
        let mut row = lines.next().context("no row")?;
        let age = row.remove(4);
        assert!(age.ends_with('s') || age.ends_with('m'), "{age}");
        let expected = [
            "gateway",
            "deployment",
            env!("CARGO_PKG_VERSION"),
            "0/1",
            "example.com/otelcol:1.2.3",
            "managed",
        ];
        assert_eq!(row, expected, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn row_a24_a_probe_without_time_is_refused_by_the_schema() -> Result<()> {
    let (_, client, namespace) = shared("a24").await?;
    let object = a_collector("c", json!({"livenessProbe": {"timeoutSeconds": 0}}));
    let answer = send(&client, "POST", &collectors(V1BETA1, &namespace), &object).await?;
    assert_eq!(answer.code, 422);
    assert!(
        answer
            .message()
            .contains("spec.livenessProbe.timeoutSeconds in body should be greater than or equal to 1"),
        "{}",
        answer.message()
    );
    Ok(())
}

#[tokio::test]
async fn row_a25_a_port_of_the_host_beyond_the_last_is_refused_by_the_schema() -> Result<()> {
    let (_, client, namespace) = shared("a25").await?;
    let object = a_collector("c", json!({"ports": [{"name": "p", "port": 1234, "hostPort": 65536}]}));
    let answer = send(&client, "POST", &collectors(V1BETA1, &namespace), &object).await?;
    assert_eq!(answer.code, 422);
    assert!(
        answer.message().contains("spec.ports[0].hostPort in body should be less than or equal to 65535"),
        "{}",
        answer.message()
    );
    Ok(())
}

/// With webhooks called for `spec` only, scaling goes past them: a collector that they would refuse can be scaled.
#[tokio::test]
async fn row_a26_kubectl_scale_reaches_the_deployment_without_a_webhook() -> Result<()> {
    let (cluster, client, namespace) = shared("a26").await?;
    create(&client, &namespace, &a_collector("c", json!({}))).await?;
    settled(&client, &namespace, "c").await?;
    cluster.kubectl(&["scale", "otelcol", "c", "--replicas=3", "-n", &namespace], "")?;
    let deployment = format!("/apis/apps/v1/namespaces/{namespace}/deployments/c-collector");
    testkit::wait_for("three replicas", PATIENCE, async || {
        Ok((get(&client, &deployment).await?["spec"]["replicas"] == 3).then_some(()))
    })
    .await?;
    let stored = get(&client, &collector(V1BETA1, &namespace, "c")).await?;
    assert_eq!(stored["spec"]["replicas"], 3);
    for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        let list = get(&client, &format!("/apis/admissionregistration.k8s.io/v1/{kind}")).await?;
        let rules = list["items"].as_array().into_iter().flatten();
        let rules = rules.flat_map(|item| item["webhooks"].as_array().cloned().unwrap_or_default());
        for rule in rules.flat_map(|webhook| webhook["rules"].as_array().cloned().unwrap_or_default()) {
            let resources = rule["resources"].as_array().cloned().unwrap_or_default();
            assert!(
                !resources.iter().any(|r| r == "opentelemetrycollectors/scale"
                    || r == "*/*"
                    || r == "opentelemetrycollectors/*"),
                "{kind} ask about scaling: {rule}"
            );
        }
    }

    // The selector in the status selects the pods (WO4): all its labels are the workload's selector.
    let selector: BTreeSet<String> = stored["status"]["scale"]["selector"]
        .as_str()
        .context("no selector")?
        .split(',')
        .map(str::to_owned)
        .collect();
    let of_workload = get(&client, &deployment).await?["spec"]["selector"]["matchLabels"].clone();
    let of_workload: BTreeSet<String> = of_workload
        .as_object()
        .context("no labels")?
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    assert_eq!(selector, of_workload);
    Ok(())
}

#[tokio::test]
async fn row_o7_earlier_configurations_are_kept_and_trimmed() -> Result<()> {
    let (_, client, namespace) = shared("o7").await?;
    let timeout = |seconds: u8| json!({"spec": {"config": {"exporters": {"otlp": {"endpoint": "x:4317", "timeout": format!("{seconds}s")}}}}});
    let maps = async |count: usize| -> Result<BTreeSet<String>> {
        testkit::wait_for(&format!("{count} ConfigMaps"), PATIENCE, async || {
            let maps: BTreeSet<String> = everything(&client, &namespace)
                .await?
                .into_keys()
                .filter(|name| name.starts_with("ConfigMap/"))
                .collect();
            Ok((maps.len() == count).then_some(maps))
        })
        .await
    };
    create(&client, &namespace, &a_collector("c", json!({"configVersions": 1}))).await?;
    settled(&client, &namespace, "c").await?;
    let first = maps(1).await?;
    patch(&client, &namespace, "c", &timeout(20)).await?;
    let second = maps(2).await?;
    assert!(second.is_superset(&first));
    patch(&client, &namespace, "c", &timeout(30)).await?;
    let third = maps(2).await?;
    assert!(third.is_disjoint(&first), "the oldest goes");
    assert_eq!(third.intersection(&second).count(), 1, "the one before stays");
    // A pass without a change leaves it at that.
    patch(&client, &namespace, "c", &json!({"metadata": {"annotations": {"idle": "pass"}}})).await?;
    assert_eq!(maps(2).await?, third);
    // Back to the one before: it is used again.
    patch(&client, &namespace, "c", &timeout(20)).await?;
    assert_eq!(maps(2).await?, third);
    Ok(())
}
