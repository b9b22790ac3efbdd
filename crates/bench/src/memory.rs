//! `memory`: what the process keeps in RAM, idle and in a large cluster, both on a real control plane.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    core::v1::{Namespace, Pod},
};
use kube::{Api, Client, Resource, api::ListParams};
use serde_json::{Value, json};
use testkit::{ControlPlane, Operator, OperatorOptions, Options};

use crate::{goal::compare, machine, sample, usage::Memory};

const NAMESPACES: usize = 1000;
const REPLICA_SETS: usize = 2000;
const PODS: usize = 10_000;
/// Requests to the API server at a time.
const AT_ONCE: usize = 16;
/// After the last event, before memory is read.
const SETTLE: Duration = Duration::from_secs(10);
/// For the real controllers to make all pods. On two cores it takes about three minutes.
const PATIENCE: Duration = Duration::from_secs(1200);

pub(crate) async fn run() -> anyhow::Result<()> {
    println!("== memory: resident memory of the process on a real control plane");
    println!("{}\n", machine::describe());
    let controllers = ["--kube-api-qps=2000", "--kube-api-burst=2000"].map(str::to_owned).to_vec();
    let options = Options { controller_manager_args: controllers, ..Options::default() };
    let control_plane = ControlPlane::start_with(options).await?;
    let operator = Operator::start(&control_plane, OperatorOptions::default()).await?;
    let idle = settled(&operator).await?;
    compare("idle, nothing but the system's namespaces", idle.resident, "MiB", 12.0, "68 MiB");
    println!("    {idle}");

    let client = control_plane.client().await?;
    let begun = Instant::now();
    fill(&client).await?;
    println!(
        "\n{} namespaces, {} ReplicaSets, {} pods made in {:.0} s, half of the pods instrumented",
        count::<Namespace>(&client).await?,
        count::<ReplicaSet>(&client).await?,
        count::<Pod>(&client).await?,
        begun.elapsed().as_secs_f32()
    );
    let grown = settled(&operator).await?;
    compare("having seen all of it being made", grown.resident, "MiB", 30.0, "102-120 MiB");
    println!("    {grown}");
    operator.restart().await?;
    let listed = settled(&operator).await?;
    compare("started anew with all of it there", listed.resident, "MiB", 30.0, "102-120 MiB");
    println!("    {listed}");
    let objects = operator.metrics().await?;
    for line in objects.lines().filter(|line| line.starts_with("opentelemetry_operator_cache_objects{")) {
        println!("    {line}");
    }
    Ok(())
}

async fn settled(operator: &Operator) -> anyhow::Result<Memory> {
    tokio::time::sleep(SETTLE).await;
    Memory::of_process(operator.pid().context("the operator does not run")?)
}

/// Two Deployments of five pods in each namespace, one of which asks for Java. The controllers do the rest.
async fn fill(client: &Client) -> anyhow::Result<()> {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    create(client, namespace(sample::NAMESPACE), "").await?;
    create(client, sample::instrumentation()?, sample::NAMESPACE).await?;
    let names: Vec<String> = (0..NAMESPACES).map(|i| format!("team-{i:04}")).collect();
    let namespaces = stream::iter(&names).map(|name| create(client, namespace(name), ""));
    namespaces.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    let deployments = names.iter().flat_map(|name| [(name, true), (name, false)]);
    let deployments = stream::iter(deployments)
        .map(|(name, asks)| async move { create(client, deployment(asks)?, name).await });
    deployments.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    testkit::wait_for("all pods to be made", PATIENCE, async || {
        let made = (count::<ReplicaSet>(client).await?, count::<Pod>(client).await?);
        eprint!("\r{} of {PODS} pods", made.1);
        Ok((made.0 >= REPLICA_SETS && made.1 >= PODS).then_some(()))
    })
    .await?;
    eprintln!();
    Ok(())
}

/// A Deployment whose template is the sample's pod, with the fields that the API server fills in at a pod's creation
/// left to it.
fn deployment(asks: bool) -> anyhow::Result<Value> {
    let mut pod = sample::pod(asks, "")?;
    let name = if asks { "checkout" } else { "checkout-plain" };
    let labels = json!({"app.kubernetes.io/name": name});
    let mut annotations = pod["metadata"]["annotations"].take();
    if asks {
        let key = api::Language::Java.info().inject;
        annotations[key] = format!("{}/shop", sample::NAMESPACE).into();
    }
    let mut spec = pod["spec"].take();
    for field in ["serviceAccountName", "serviceAccount", "priority", "preemptionPolicy"] {
        spec.as_object_mut().context("the sample has no spec")?.remove(field);
    }
    Ok(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": PODS / REPLICA_SETS, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}},
    }))
}

async fn create(client: &Client, object: Value, namespace: &str) -> anyhow::Result<()> {
    testkit::create(client, object, namespace).await.map(|_| ())
}

/// How many objects of a kind there are, without reading more than one.
async fn count<K>(client: &Client) -> anyhow::Result<usize>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let list = Api::<K>::all(client.clone()).list_metadata(&ListParams::default().limit(1)).await?;
    let rest = list.metadata.remaining_item_count.unwrap_or_default();
    Ok(list.items.len() + usize::try_from(rest)?)
}
