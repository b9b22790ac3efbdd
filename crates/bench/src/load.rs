//! `load`: 2,000 pods as fast as a real API server takes them, and how long the API server itself says that the webhook
//! kept it waiting.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{Value, json};
use testkit::{Cluster, ControlPlane, Operator, OperatorOptions};
use tokio::sync::Semaphore;

use crate::{goal::tell, machine, sample, usage};

/// Pods of each kind.
const PODS: usize = 2000;
/// Creations at once.
const AT_ONCE: usize = 32;

pub(crate) async fn run() -> anyhow::Result<()> {
    println!(
        "== load: {PODS} pods, {AT_ONCE} creations at once, on a real control plane on the same processors"
    );
    println!("{}\n", machine::describe());
    let control_plane = ControlPlane::start().await?;
    let operator = Operator::start(&control_plane, OperatorOptions::default()).await?;
    let pid = operator.pid().context("the operator does not run")?;
    let client = control_plane.client().await?;
    let namespace = testkit::namespace(&client, "load").await?;
    testkit::create(&client, sample::instrumentation()?, &namespace).await?;
    let pods = Api::<Pod>::namespaced(client, &namespace);
    create(&pods, false, AT_ONCE).await?;
    clear(&pods).await?;
    for (asking, what) in [(true, "with injection"), (false, "without")] {
        let before = (webhook_time(&control_plane).await?, usage::of_process(pid)?);
        let begun = Instant::now();
        create(&pods, asking, PODS).await?;
        let took = begun.elapsed();
        let after = (webhook_time(&control_plane).await?, usage::of_process(pid)?);
        let instrumented = instrumented(&pods).await?;
        ensure!(
            instrumented == if asking { PODS } else { 0 },
            "{instrumented} of {PODS} pods are instrumented"
        );
        clear(&pods).await?;
        println!("\n{what} ({}):", machine::load());
        tell("pods a second", PODS as f64 / took.as_secs_f64(), "/s", "");
        tell("CPU of the process", (after.1 - before.1).as_secs_f64(), "s", "");
        let asked = after.0.count - before.0.count;
        ensure!(asked >= PODS as f64, "the API server asked {asked} times");
        tell(
            "the webhook, as the API server measures it: mean",
            (after.0.sum - before.0.sum) / asked * 1000.0,
            "ms",
            "",
        );
        for ((bound, now), (_, then)) in after.0.buckets.iter().zip(&before.0.buckets) {
            let share = (now - then) / asked;
            tell(&format!("… within {:.0} ms", bound * 1000.0), share * 100.0, "%", "");
            if share >= 1.0 {
                break;
            }
        }
    }
    Ok(())
}

async fn create(pods: &Api<Pod>, asking: bool, count: usize) -> anyhow::Result<()> {
    let wish = sample::pod(asking, "checkout-7d9c4b6f58")?;
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = Vec::new();
    for number in 0..count {
        let wish = named(wish.clone(), number)?;
        let (pods, permit) = (pods.clone(), permits.clone().acquire_owned().await?);
        tasks.push(tokio::spawn(async move {
            let made = pods.create(&PostParams::default(), &wish).await;
            drop(permit);
            made.map(drop)
        }));
    }
    for task in tasks {
        task.await?.context("a pod was refused")?;
    }
    Ok(())
}

/// A pod of nobody, so that nothing cleans it up: the sample without its owner and its place.
fn named(mut pod: Value, number: usize) -> anyhow::Result<Pod> {
    let metadata = pod["metadata"].as_object_mut().context("a pod without metadata")?;
    metadata.retain(|key, _| matches!(key.as_str(), "annotations" | "labels"));
    metadata.insert("name".to_owned(), json!(format!("p-{number}")));
    let spec = pod["spec"].as_object_mut().context("a pod without spec")?;
    for of_the_cluster in ["serviceAccountName", "serviceAccount", "priorityClassName", "priority"] {
        spec.remove(of_the_cluster);
    }
    Ok(serde_json::from_value(pod)?)
}

async fn instrumented(pods: &Api<Pod>) -> anyhow::Result<usize> {
    let all = pods.list(&ListParams::default()).await?.items;
    let has = |pod: &Pod| {
        pod.spec.as_ref().is_some_and(|s| s.init_containers.as_ref().is_some_and(|c| !c.is_empty()))
    };
    Ok(all.iter().filter(|pod| has(pod)).count())
}

async fn clear(pods: &Api<Pod>) -> anyhow::Result<()> {
    pods.delete_collection(
        &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() },
        &ListParams::default(),
    )
    .await?;
    testkit::wait_for("the pods to be gone", std::time::Duration::from_secs(120), async || {
        Ok(pods.list_metadata(&ListParams::default()).await?.items.is_empty().then_some(()))
    })
    .await
}

/// `apiserver_admission_webhook_admission_duration_seconds` of the pod webhook.
struct WebhookTime {
    /// Upper bounds in seconds, and how many answers took no longer.
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

async fn webhook_time(cluster: &Cluster) -> anyhow::Result<WebhookTime> {
    const NAME: &str = "apiserver_admission_webhook_admission_duration_seconds";
    let text = cluster.get("/metrics").await?;
    let mut time = WebhookTime { buckets: Vec::new(), sum: 0.0, count: 0.0 };
    for line in text.lines().filter(|line| line.contains("name=\"mpod.kb.io\"")) {
        let Some(rest) = line.strip_prefix(NAME) else { continue };
        let (labels, value) = rest.rsplit_once(' ').context("a metric without a value")?;
        let value: f64 = value.parse()?;
        if rest.starts_with("_sum") {
            time.sum += value;
        } else if rest.starts_with("_count") {
            time.count += value;
        } else if let Some(bound) = labels.split("le=\"").nth(1).and_then(|l| l.split('"').next()) {
            // The last one, +Inf, parses too.
            time.buckets.push((bound.trim_start_matches('+').parse()?, value));
        }
    }
    Ok(time)
}
