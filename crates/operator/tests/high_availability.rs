//! Two replicas behind one address under constant load, while what they depend on breaks.

mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use operator::{
    certificate::keep::{ROTATE, SECRET},
    manifest::{self, webhook::FAIL_CLOSED_LABEL},
};
use serde_json::{Value, json};
use support::{COLLECTOR, INSTRUMENTATION, JAVA, create_pod, init_containers, pod, verdict};
use testkit::{Balancer, Component, ControlPlane, Operator, OperatorOptions};
use tokio::{sync::Semaphore, task::JoinHandle, time::MissedTickBehavior};

const PATIENCE: Duration = Duration::from_secs(120);
/// Fifty pods a second.
const PACE: Duration = Duration::from_millis(20);
/// A controller has so many pods in the making; more wait while the API server is away.
const WORKERS: usize = 64;
/// So many pods are made under each fault, and after it.
const PODS: usize = 100;
/// How long etcd hangs.
const STALL: Duration = Duration::from_secs(5);

/// Makes pods that ask for Java, at a steady pace.
struct Load {
    pods: Api<Pod>,
    tally: Arc<Tally>,
    task: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Tally {
    /// What is happening: the first part of the names of the pods that are begun now.
    phase: Mutex<&'static str>,
    begun: AtomicUsize,
    made: AtomicUsize,
    in_flight: AtomicUsize,
    /// Attempts that were repeated because the API server was away or too slow.
    repeated: AtomicUsize,
    refused: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Load {
    fn start(client: &Client, namespace: &str) -> Load {
        let pods = Api::namespaced(client.clone(), namespace);
        let tally = Arc::new(Tally::default());
        *lock(&tally.phase) = "quiet";
        let task = tokio::spawn({
            let (pods, tally) = (pods.clone(), tally.clone());
            async move {
                let mut ticks = tokio::time::interval(PACE);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let workers = Arc::new(Semaphore::new(WORKERS));
                for number in 0.. {
                    ticks.tick().await;
                    let Ok(worker) = workers.clone().acquire_owned().await else { return };
                    if tally.stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let name = format!("{}-{number}", *lock(&tally.phase));
                    tally.begun.fetch_add(1, Ordering::SeqCst);
                    tally.in_flight.fetch_add(1, Ordering::SeqCst);
                    let (pods, tally) = (pods.clone(), tally.clone());
                    tokio::spawn(async move {
                        make(&pods, &name, &tally).await;
                        tally.in_flight.fetch_sub(1, Ordering::SeqCst);
                        drop(worker);
                    });
                }
            }
        });
        Load { pods, tally, task: Some(task) }
    }

    /// From now on pods are counted to this phase.
    fn phase(&self, phase: &'static str) {
        *lock(&self.tally.phase) = phase;
    }

    /// Waits until so many more are made.
    async fn more(&self, pods: usize) -> Result<()> {
        let enough = self.tally.made.load(Ordering::SeqCst) + pods;
        testkit::wait_for(&format!("{pods} more pods"), PATIENCE, async || {
            Ok((self.tally.made.load(Ordering::SeqCst) >= enough).then_some(()))
        })
        .await
    }

    /// Stops, and counts what became of the pods: (all, not instrumented) by phase.
    async fn outcome(&mut self) -> Result<BTreeMap<String, (usize, usize)>> {
        self.tally.stop.store(true, Ordering::SeqCst);
        if let Some(task) = self.task.take() {
            task.await?;
        }
        testkit::wait_for("the last pods", PATIENCE, async || {
            Ok((self.tally.in_flight.load(Ordering::SeqCst) == 0).then_some(()))
        })
        .await?;
        let mut counts = BTreeMap::<String, (usize, usize)>::new();
        for pod in self.pods.list(&ListParams::default()).await?.items {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            let phase = name.rsplit_once('-').context("a pod of somebody else's")?.0;
            let count = counts.entry(phase.to_owned()).or_default();
            count.0 += 1;
            if init_containers(&pod).is_empty() {
                count.1 += 1;
                println!("{name} is not instrumented, verdict {:?}", verdict(&pod));
            }
        }
        Ok(counts)
    }
}

/// Makes one pod as a controller does: again and again while the API server is away.
async fn make(pods: &Api<Pod>, name: &str, tally: &Tally) {
    let wish: Pod = match serde_json::from_value(pod(name, JAVA, "true")) {
        Ok(wish) => wish,
        Err(e) => return lock(&tally.refused).push(format!("{name}: {e}")),
    };
    let parameters = PostParams::default();
    loop {
        let attempt = pods.create(&parameters, &wish);
        match tokio::time::timeout(Duration::from_secs(20), attempt).await {
            Ok(Ok(_)) => break,
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => break,
            // A starting API server refuses everything until its webhook plugin has read the configurations.
            Ok(Err(kube::Error::Api(status)))
                if (400..500).contains(&status.code)
                    && status.code != 429
                    && !status.message.contains("not yet ready to handle request") =>
            {
                lock(&tally.refused).push(format!("{name}: {status}"));
                return;
            }
            _ => {
                tally.repeated.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    tally.made.fetch_add(1, Ordering::SeqCst);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two replicas that share their CA in a Secret, as in a cluster, behind one address.
async fn replicas(cluster: &ControlPlane, balancer: &Balancer) -> Result<[Operator; 2]> {
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}", manifest::NAMESPACE);
    testkit::apply_yaml(&cluster.client().await?, &namespace, "").await?;
    let start = async |no_install| {
        let options = OperatorOptions {
            args: ["--enable-leader-election", "--ca-store=secret", "--ca-overlap=5s"]
                .map(str::to_owned)
                .into(),
            webhook_url: Some(format!("https://127.0.0.1:{}", balancer.port())),
            no_install,
            ..OperatorOptions::default()
        };
        let operator = Operator::start(cluster, options).await?;
        balancer.add(operator.webhook_port(), operator.health_port());
        Ok::<_, anyhow::Error>(operator)
    };
    let both = [start(false).await?, start(true).await?];
    until_ready(balancer, 2).await?;
    Ok(both)
}

async fn until_ready(balancer: &Balancer, count: usize) -> Result<()> {
    testkit::wait_for(&format!("{count} ready replicas"), PATIENCE, async || {
        Ok((balancer.ready() == count).then_some(()))
    })
    .await
}

/// The replica that became leader last, once there are so many elections.
async fn leader(replicas: &[Operator; 2], elections: usize) -> Result<&Operator> {
    let won = |operator: &Operator| operator.log().matches("this process leads").count();
    testkit::wait_for(&format!("{elections} elections"), PATIENCE, async || {
        Ok((replicas.iter().map(won).sum::<usize>() >= elections).then_some(()))
    })
    .await?;
    // The first one leads before the second one runs; after each election it is the other one's turn.
    Ok(&replicas[(elections + 1) % 2])
}

/// Asks for a new CA and waits until the old one is not trusted any more.
async fn rotate(client: &Client, replicas: &[Operator; 2]) -> Result<()> {
    let done = || replicas.iter().map(|o| o.log().matches("rotating the CA: done").count()).sum::<usize>();
    let before = done();
    let secrets = Api::<Secret>::namespaced(client.clone(), manifest::NAMESPACE);
    let asked = json!({"metadata": {"annotations": {ROTATE: "now"}}});
    secrets.patch(SECRET, &PatchParams::default(), &Patch::Merge(asked)).await?;
    testkit::wait_for("the rotation", PATIENCE, async || Ok((done() > before).then_some(()))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_lose_no_pod_while_replicas_end_certificates_rotate_and_the_control_plane_fails()
-> Result<()> {
    let cluster = ControlPlane::start().await?;
    let balancer = Balancer::start()?;
    let replicas = replicas(&cluster, &balancer).await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "load").await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    let began = Instant::now();
    let mut load = Load::start(&client, &namespace);
    load.more(PODS).await?;

    load.phase("terminated");
    let first = leader(&replicas, 1).await?;
    ensure!(first.terminate(), "the leader did not end by itself");
    load.more(PODS).await?;
    first.start_again().await?;
    until_ready(&balancer, 2).await?;
    let second = leader(&replicas, 2).await?;

    // What is in flight at the kill was begun under this name.
    load.phase("between");
    load.more(PODS).await?;
    let made = load.tally.made.load(Ordering::SeqCst);
    load.phase("killed");
    second.kill9();
    let in_flight = load.tally.begun.load(Ordering::SeqCst) - made;
    load.more(PODS).await?;
    second.start_again().await?;
    until_ready(&balancer, 2).await?;

    load.phase("rotated");
    let bundle = support::ca_bundle(&client).await?;
    rotate(&client, &replicas).await?;
    rotate(&client, &replicas).await?;
    load.more(PODS).await?;
    let rotated = support::ca_bundle(&client).await?;
    ensure!(!rotated.contains(bundle.trim()), "the first CA is still trusted");

    load.phase("stalled");
    ensure!(cluster.pause(Component::Etcd));
    tokio::time::sleep(STALL).await;
    ensure!(cluster.resume(Component::Etcd));
    load.more(PODS).await?;

    load.phase("restarted");
    cluster.stop_component(Component::ApiServer);
    cluster.start_component(Component::ApiServer).await?;
    load.more(PODS).await?;

    let counts = load.outcome().await?;
    println!(
        "{} pods in {:.0} s, {} attempts repeated; connections of the API server to each replica: {:?}",
        counts.values().map(|(all, _)| all).sum::<usize>(),
        began.elapsed().as_secs_f64(),
        load.tally.repeated.load(Ordering::SeqCst),
        balancer.connections(),
    );
    for (phase, (all, missed)) in &counts {
        println!("  {phase:<10} {all:>5} pods, {missed} not instrumented");
    }
    println!("  {in_flight} creations were in flight at the SIGKILL");
    for replica in &replicas {
        let log = replica.log();
        let complaints: Vec<_> =
            log.lines().filter(|l| ["WARN", "ERROR"].iter().any(|w| l.contains(w))).collect();
        println!("  complaints of a replica: {complaints:#?}");
    }
    let refused = lock(&load.tally.refused).clone();
    assert!(refused.is_empty(), "{refused:#?}");
    let at_the_kill = |phase: &str| ["between", "killed"].contains(&phase);
    let missed =
        |at: bool| counts.iter().filter(|(p, _)| at_the_kill(p) == at).map(|(_, c)| c.1).sum::<usize>();
    assert_eq!(missed(false), 0, "only a SIGKILL may cost anything");
    assert!(missed(true) <= in_flight, "{} of {in_flight} reviews in flight", missed(true));
    Ok(())
}

/// T22: nobody answers.
#[tokio::test]
async fn row_t22_without_an_endpoint_pods_go_through_unless_their_namespace_fails_closed() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let operator = Operator::start(&cluster, OperatorOptions::default()).await?;
    let client = cluster.client().await?;
    let open = testkit::namespace(&client, "open").await?;
    let closed = testkit::namespace(&client, "closed").await?;
    cluster.kubectl(&["label", "namespace", &closed, &format!("{FAIL_CLOSED_LABEL}=true")], "")?;
    for namespace in [&open, &closed] {
        testkit::create_yaml(&client, INSTRUMENTATION, namespace).await?;
        let (made, _) = create_pod(&client, namespace, &pod("before", JAVA, "true")).await?;
        assert_eq!(init_containers(&made), ["opentelemetry-auto-instrumentation-java"], "{namespace}");
    }
    testkit::create_yaml(&client, COLLECTOR, &open).await?;
    operator.kill9();

    let (made, _) = create_pod(&client, &open, &pod("after", JAVA, "true")).await?;
    assert!(init_containers(&made).is_empty());
    let refused = create_pod(&client, &closed, &pod("after", JAVA, "true")).await.unwrap_err().to_string();
    assert!(refused.contains("mpodfailclosed.kb.io"), "{refused}");
    let refused = testkit::create_yaml(&client, &COLLECTOR.replace("main", "second"), &open).await;
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("mopentelemetrycollectorbeta.kb.io"), "{refused}");
    let deleted = ["delete", "opentelemetrycollector", "main", "--namespace", &open, "--wait=false"];
    assert!(cluster.kubectl(&deleted, "")?.contains("deleted"));

    operator.start_again().await?;
    let (made, _) = create_pod(&client, &closed, &pod("again", JAVA, "true")).await?;
    assert_eq!(init_containers(&made).len(), 1);
    Ok(())
}

/// `matchConditions` of the pod webhook.
async fn condition(client: &Client) -> Result<String> {
    let name = manifest::webhook::MUTATING;
    let object = support::webhook_configuration(client, "MutatingWebhookConfiguration", name).await?;
    let webhooks = object.data["webhooks"].as_array().context("no webhooks")?;
    let pods = webhooks.iter().find(|webhook| webhook["name"] == "mpod.kb.io").context("no mpod.kb.io")?;
    Ok(pods.pointer("/matchConditions/0/expression").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// How many pods the process was asked about.
async fn reviews(operator: &Operator) -> Result<usize> {
    let metrics = operator.metrics().await?;
    let counts = metrics.lines().filter(|line| line.starts_with("opentelemetry_operator_pod_reviews_total{"));
    Ok(counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok()).sum())
}

#[tokio::test]
async fn prefiltered_the_api_server_asks_only_about_pods_that_can_be_concerned() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let args = vec!["--webhook-prefilter".to_owned()];
    let operator = Operator::start(&cluster, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "filtered").await?;
    let asking = testkit::namespace(&client, "asking").await?;
    for namespace in [&namespace, &asking] {
        testkit::create_yaml(&client, INSTRUMENTATION, namespace).await?;
    }
    let plain = |name: &str| pod(name, "example.com/of-somebody-else", "true");
    let listed = async |listed: bool| {
        let what = format!("a condition with the namespace: {listed}");
        testkit::wait_for(&what, PATIENCE, async || {
            let condition = condition(&client).await?;
            let good = !condition.is_empty() && condition.contains(&format!("'{asking}'")) == listed;
            Ok(good.then_some(()))
        })
        .await
    };
    listed(false).await?;
    // The API server takes a moment to notice a new configuration.
    testkit::wait_for("a pod that nobody is asked about", PATIENCE, async || {
        let before = reviews(&operator).await?;
        let mut wish = plain("");
        wish["metadata"]["generateName"] = "p-".into();
        create_pod(&client, &namespace, &wish).await?;
        Ok((reviews(&operator).await? == before).then_some(()))
    })
    .await?;
    let (made, _) = create_pod(&client, &namespace, &pod("asks", JAVA, "true")).await?;
    assert_eq!(init_containers(&made).len(), 1, "a pod's own annotation");
    let (made, _) = create_pod(&client, &asking, &plain("early")).await?;
    assert!(init_containers(&made).is_empty());

    cluster.kubectl(&["annotate", "namespace", &asking, &format!("{JAVA}=true")], "")?;
    listed(true).await?;
    testkit::wait_for("a pod instrumented by its namespace", PATIENCE, async || {
        let mut wish = plain("");
        wish["metadata"]["generateName"] = "p-".into();
        let (made, _) = create_pod(&client, &asking, &wish).await?;
        Ok((init_containers(&made).len() == 1).then_some(()))
    })
    .await?;
    cluster.kubectl(&["annotate", "namespace", &asking, &format!("{JAVA}-")], "")?;
    listed(false).await?;

    // Without the setting every pod is sent again.
    drop(operator);
    let operator = Operator::start(&cluster, OperatorOptions::default()).await?;
    testkit::wait_for("no condition", PATIENCE, async || {
        Ok(condition(&client).await?.is_empty().then_some(()))
    })
    .await?;
    testkit::wait_for("a review of any pod", PATIENCE, async || {
        let before = reviews(&operator).await?;
        let mut wish = plain("");
        wish["metadata"]["generateName"] = "p-".into();
        create_pod(&client, &namespace, &wish).await?;
        Ok((reviews(&operator).await? > before).then_some(()))
    })
    .await
}
