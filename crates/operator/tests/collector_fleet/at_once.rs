//! Two hundred collectors at once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use serde_json::{Value, json};
use testkit::{ControlPlane, METADATA_AUDIT_POLICY, Operator, Options};

use crate::{
    cluster::{
        PATIENCE, TURN, V1BETA1, all_comparable, collectors, everything, get, namespace, send, settled,
        start, versions,
    },
    record::Children,
};

const COUNT: usize = 200;
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// One of five kinds of collectors.
fn a_collector(number: usize) -> Value {
    let mut config = json!({
        "receivers": {"otlp": {"protocols": {"grpc": {}, "http": {}}}},
        "exporters": {"debug": {}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}},
    });
    let mut spec = match number % 5 {
        0 => json!({}),
        1 => json!({"autoscaler": {"minReplicas": 1, "maxReplicas": 3}}),
        2 => json!({"mode": "daemonset"}),
        3 => json!({"mode": "statefulset", "replicas": 2}),
        _ => {
            config["processors"] = json!({"k8sattributes": {}});
            config["service"]["pipelines"]["traces"]["processors"] = json!(["k8sattributes"]);
            json!({"ingress": {"type": "ingress", "hostname": "example.com"}})
        }
    };
    spec["config"] = config;
    json!({
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": format!("c{number}"), "labels": {"team": format!("t{}", number % 7)}},
        "spec": spec,
    })
}

/// Creates one, again and again while nobody answers for the webhooks.
async fn create(client: &Client, namespace: &str, number: usize) -> Result<()> {
    testkit::wait_for(&format!("collector c{number} to be accepted"), PATIENCE, async || {
        let answer = send(client, "POST", &collectors(V1BETA1, namespace), &a_collector(number)).await?;
        match answer.code {
            201 | 409 => Ok(Some(())),
            code => bail!("{code} {}", answer.message()),
        }
    })
    .await
}

async fn create_all(client: &Client, namespace: &str) -> Result<()> {
    stream::iter(0..COUNT)
        .map(|number| create(client, namespace, number))
        .buffer_unordered(8)
        .try_collect()
        .await
}

async fn all_settled(client: &Client, namespace: &str) -> Result<()> {
    for number in 0..COUNT {
        let collector = settled(client, namespace, &format!("c{number}")).await?;
        let condition = &collector["status"]["conditions"][0];
        anyhow::ensure!(condition["status"] == "True", "c{number}: {condition}");
    }
    Ok(())
}

/// What there is, without the name of the namespace.
async fn end_state(client: &Client, namespace: &str) -> Result<BTreeMap<String, String>> {
    let children = all_comparable(&everything(client, namespace).await?);
    Ok(children
        .into_iter()
        .map(|(name, object)| (name.replace(namespace, "NS"), object.to_string().replace(namespace, "NS")))
        .collect())
}

async fn transitions(client: &Client, namespace: &str) -> Result<BTreeSet<String>> {
    let events = get(client, &format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events")).await?;
    let items = events["items"].as_array().cloned().unwrap_or_default();
    Ok(items.iter().map(|event| event["note"].as_str().unwrap_or_default().to_owned()).collect())
}

/// Writes since `seen` by clients that are no part of Kubernetes, but for the namespaces in `except`.
fn writes(control_plane: &ControlPlane, seen: usize, except: &[&str]) -> Result<Vec<String>> {
    let events = control_plane.audit_events()?;
    let mut found = Vec::new();
    for event in events.get(seen..).context("the audit log has shrunk")? {
        let (verb, user) = (
            event["verb"].as_str().unwrap_or_default(),
            event["user"]["username"].as_str().unwrap_or_default(),
        );
        let namespace = event["objectRef"]["namespace"].as_str().unwrap_or_default();
        let review = event["objectRef"]["resource"].as_str().is_some_and(|r| r.ends_with("reviews"));
        if WRITES.contains(&verb)
            && !review
            && !user.starts_with("system:kube-")
            && !user.starts_with("system:serviceaccount:kube-system:")
            && !user.starts_with("system:apiserver")
            && !except.contains(&namespace)
        {
            found.push(format!("{verb} {}", event["requestURI"].as_str().unwrap_or_default()));
        }
    }
    Ok(found)
}

/// A collector that is made after everything else has been looked at: passes are made in the order in which they are asked for.
async fn last_in_line(client: &Client, name: &str) -> Result<()> {
    for turn in 0..2 {
        let mut collector = a_collector(0);
        collector["metadata"]["name"] = json!(format!("{name}{turn}"));
        send(client, "POST", &collectors(V1BETA1, "last"), &collector).await?.object()?;
        settled(client, "last", &format!("{name}{turn}")).await?;
    }
    Ok(())
}

/// Resource versions of everything in both namespaces, collectors included.
async fn all_versions(client: &Client) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for namespace in ["calm", "killed"] {
        let mut found: Children = everything(client, namespace).await?;
        let list = get(client, &collectors(V1BETA1, namespace)).await?;
        for collector in list["items"].as_array().into_iter().flatten() {
            found.insert(
                format!("OpenTelemetryCollector/{}", collector["metadata"]["name"]),
                collector.clone(),
            );
        }
        all.extend(
            versions(&found).into_iter().map(|(name, version)| (format!("{namespace} {name}"), version)),
        );
    }
    Ok(all)
}

/// Until two looks in a row see the same: the controllers of Kubernetes are done with what was made.
async fn at_rest(client: &Client) -> Result<BTreeMap<String, String>> {
    let mut before = BTreeMap::new();
    testkit::wait_for("everything to come to rest", PATIENCE, async || {
        let now = all_versions(client).await?;
        let same = now == before;
        before.clone_from(&now);
        Ok(same.then_some(now))
    })
    .await
}

#[tokio::test]
async fn burst_of_two_hundred_collectors_with_a_kill_in_the_middle() -> Result<()> {
    let _turn = TURN.lock().await;
    let options = Options { audit_policy: Some(METADATA_AUDIT_POLICY.to_owned()), ..Options::default() };
    let control_plane = ControlPlane::start_with(options).await?;
    let operator = start(&control_plane, &[]).await?;
    let client = control_plane.client().await?;
    for name in ["calm", "killed", "last"] {
        namespace(&client, name).await?;
    }

    create_all(&client, "calm").await?;
    all_settled(&client, "calm").await?;
    let calm = end_state(&client, "calm").await?;
    // ConfigMap, ServiceAccount, three Services, NetworkPolicy, the workload; PodDisruptionBudget, autoscaler, Ingress, roles.
    assert!(calm.len() > COUNT * 7, "{} objects", calm.len());
    let notes = transitions(&client, "calm").await?;
    assert!(!notes.iter().any(|note| note.contains("Failed to update status")), "WD11: {notes:?}");

    let ((), killed) =
        futures::try_join!(create_all(&client, "killed"), kill_in_the_middle(&client, &operator))?;
    assert!((1..COUNT).contains(&killed), "{killed} were done when it was killed");
    all_settled(&client, "killed").await?;
    let after = end_state(&client, "killed").await?;
    let only = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| -> Vec<String> {
        a.iter().filter(|(name, object)| b.get(*name) != Some(object)).map(|(name, _)| name.clone()).collect()
    };
    assert!(calm == after, "without: {:?}\nwith: {:?}", only(&calm, &after), only(&after, &calm));

    nothing_is_written_after_a_restart(&control_plane, &operator, &client).await
}

/// Kills the operator once some collectors are done, and starts it again; how many were.
async fn kill_in_the_middle(client: &Client, operator: &Operator) -> Result<usize> {
    let done = testkit::wait_for("some collectors to be done", PATIENCE, async || {
        let list = get(client, &collectors(V1BETA1, "killed")).await?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let done = items.iter().filter(|c| c["status"]["conditions"].is_array()).count();
        Ok((done >= COUNT / 5).then_some(done))
    })
    .await?;
    operator.kill9();
    operator.start_again().await?;
    Ok(done)
}

async fn nothing_is_written_after_a_restart(
    control_plane: &ControlPlane,
    operator: &Operator,
    client: &Client,
) -> Result<()> {
    last_in_line(client, "before").await?;
    let before = at_rest(client).await?;
    let seen = control_plane.audit_events()?.len();
    operator.restart().await?;
    last_in_line(client, "after").await?;
    let written = writes(control_plane, seen, &["last"])?;
    // Its settings are applied again: the API server finds nothing to change in them.
    let (of_settings, others): (Vec<_>, Vec<_>) =
        written.into_iter().partition(|write| write.contains(operator::settings::published::CONFIG_MAP));
    println!("settings written at a restart: {of_settings:#?}");
    assert!(others.is_empty(), "written after a restart: {others:#?}");
    let after = at_rest(client).await?;
    // The controller of autoscalers writes their status when it likes; what the operator writes was looked at above.
    let ours = |name: &str| !name.contains("HorizontalPodAutoscaler");
    let changed: Vec<_> =
        after.iter().filter(|(name, version)| ours(name) && before.get(*name) != Some(version)).collect();
    assert!(changed.is_empty() && before.len() == after.len(), "{changed:?}");
    Ok(())
}
