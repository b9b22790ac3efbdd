//! `webhook`: the process as it is shipped, on a real control plane, asked over TLS and HTTP/2 by a client on the same
//! processors.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use hyper::body::Bytes;
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::{Api, Client};
use serde_json::json;
use testkit::{Cluster, ControlPlane, Operator, OperatorOptions};

use crate::{
    connection::Connection,
    echo::{self, Echo},
    goal::{compare, median, quantile, sorted, tell},
    machine, sample, usage,
};

/// Reviews of each kind, one after the other.
const REVIEWS: u32 = 10_000;
/// The kinds take turns of so many, so that what else the machine does concerns all alike.
const TURN: u32 = 250;
/// Streams at once, and reviews of each.
const STREAMS: u32 = 16;
const REVIEWS_PER_STREAM: u32 = REVIEWS / STREAMS;
/// Before anything counts.
const WARM_UP: u32 = 1000;
/// Starts that are timed.
const STARTS: u32 = 7;
/// The whole bench; it takes about two minutes.
const LIMIT: Duration = Duration::from_secs(900);

pub(crate) async fn run() -> anyhow::Result<()> {
    tokio::time::timeout(LIMIT, bench()).await.with_context(|| format!("not done after {LIMIT:?}"))?
}

async fn bench() -> anyhow::Result<()> {
    println!("== webhook: the process on a real control plane, client on the same processors");
    println!("{}\n", machine::describe());
    let binary = tokio::task::spawn_blocking(testkit::operator_binary).await??;
    let size = std::fs::metadata(&binary).with_context(|| binary.display().to_string())?.len();
    compare("binary", size as f64 / 1e6, "MB", 15.0, "70 MB");

    let control_plane = ControlPlane::start().await?;
    let folder = Folder::new()?;
    let begun = Instant::now();
    let installing = options(&folder, false);
    let first = Operator::start(&control_plane, installing).await?;
    tell("first start: authority made, CRDs and webhooks applied", begun.elapsed().as_secs_f64(), "s", "");
    let replica_set = objects(&control_plane).await?;
    drop(first);

    let operator = Operator::start(&control_plane, options(&folder, true)).await?;
    let ca = std::fs::read_to_string(folder.0.join("ca.crt")).context("the operator's CA")?;
    let asking = Bytes::from(sample::review(&sample::pod(true, &replica_set)?));
    let plain = Bytes::from(sample::review(&sample::pod(false, &replica_set)?));
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        operator.terminate();
        let begun = Instant::now();
        let (started, answered) =
            tokio::join!(operator.start_again(), first_right_answer(operator.webhook_port(), &ca, &asking));
        started?;
        starts.push((answered? - begun).as_secs_f64());
    }
    compare("start to the first right answer, median", median(&starts), "s", 0.2, "0.46 s");
    tell("start to the first right answer, slowest", quantile(&sorted(starts), 1.0), "s", "");

    let pid = operator.pid().context("the operator does not run")?;
    let mut connection = Connection::open(operator.webhook_port(), &ca, operator::webhook::pod::PATH).await?;
    let echo = Echo::start().await?;
    let mut echoing = Connection::open(echo.port, &echo.ca, "/").await?;
    let answer = connection.post(&asking).await?;
    sample::check(&answer, true)?;
    let nothing = connection.post(&plain).await?;
    sample::check(&nothing, false)?;
    println!(
        "\nrequest with injection {} B, answer {} B; without {} B, answer {} B",
        asking.len(),
        answer.len(),
        plain.len(),
        nothing.len()
    );
    one_stream(pid, &mut connection, &mut echoing, [&asking, &plain]).await?;
    println!("\n{STREAMS} streams of one connection ({}):", machine::load());
    for (body, goal, reference, what) in
        [(&asking, 1.5, ["1207", "14-16 s"], "with injection"), (&plain, 0.9, ["1596", "10-11 s"], "without")]
    {
        let before = usage::of_process(pid)?;
        let took = many_streams(&connection, body).await?;
        let used = usage::of_process(pid)? - before;
        tell(
            &format!("{what}: reviews a second"),
            f64::from(REVIEWS) / took.as_secs_f64(),
            "/s",
            reference[0],
        );
        compare(
            &format!("{what}: CPU of the process for 10,000"),
            used.as_secs_f64(),
            "s",
            goal,
            reference[1],
        );
    }
    println!("\nafter {} reviews: {}", 4 * (REVIEWS + WARM_UP), usage::Memory::of_process(pid)?);
    Ok(())
}

/// One request after the other, the kinds by turns.
async fn one_stream(
    pid: u32,
    connection: &mut Connection,
    echoing: &mut Connection,
    [asking, plain]: [&Bytes; 2],
) -> anyhow::Result<()> {
    let small = Bytes::from(vec![b'x'; echo::REQUEST]);
    let [mut injected, mut untouched, mut echoed] = [Vec::new(), Vec::new(), Vec::new()];
    turn(connection, asking, WARM_UP).await?;
    turn(connection, plain, WARM_UP).await?;
    turn(echoing, &small, WARM_UP).await?;
    let [mut with, mut without] = [Duration::ZERO, Duration::ZERO];
    for _ in 0..REVIEWS / TURN {
        let start = usage::of_process(pid)?;
        injected.extend(turn(connection, asking, TURN).await?);
        let middle = usage::of_process(pid)?;
        untouched.extend(turn(connection, plain, TURN).await?);
        let end = usage::of_process(pid)?;
        with += middle - start;
        without += end - middle;
        echoed.extend(turn(echoing, &small, TURN).await?);
    }
    let [injected, untouched, echoed] = [injected, untouched, echoed].map(sorted);
    println!("\none stream ({}):", machine::load());
    for (what, latencies, reference) in [
        ("with injection", &injected, ["1.36 ms", "4.8 ms"]),
        ("without", &untouched, ["0.98 ms", "3.6 ms"]),
        ("echo, 4 KB in and 2 KB out", &echoed, ["", ""]),
    ] {
        tell(&format!("{what}: p50"), quantile(latencies, 0.5), "ms", reference[0]);
        tell(&format!("{what}: p99"), quantile(latencies, 0.99), "ms", reference[1]);
    }
    let ratio = |of: &[f64], share: f64| quantile(of, share) / quantile(&echoed, share);
    compare("with injection ÷ echo: p50", ratio(&injected, 0.5), "×", 3.0, "");
    compare("with injection ÷ echo: p99", ratio(&injected, 0.99), "×", 4.0, "");
    tell("without ÷ echo: p50", ratio(&untouched, 0.5), "×", "");
    tell("without ÷ echo: p99", ratio(&untouched, 0.99), "×", "");
    compare("with injection: CPU of the process for 10,000", with.as_secs_f64(), "s", 1.5, "14-16 s");
    compare("without: CPU of the process for 10,000", without.as_secs_f64(), "s", 0.9, "10-11 s");
    Ok(())
}

/// Milliseconds of so many requests, one after the other.
async fn turn(connection: &mut Connection, body: &Bytes, requests: u32) -> anyhow::Result<Vec<f64>> {
    let mut latencies = Vec::new();
    for _ in 0..requests {
        let begun = Instant::now();
        connection.post(body).await?;
        latencies.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(latencies)
}

/// How long all streams together take.
async fn many_streams(connection: &Connection, body: &Bytes) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let streams = (0..STREAMS).map(|_| {
        let (mut connection, body) = (connection.clone(), body.clone());
        tokio::spawn(async move { turn(&mut connection, &body, REVIEWS_PER_STREAM).await })
    });
    for stream in streams.collect::<Vec<_>>() {
        ensure!(stream.await??.len() == usize::try_from(REVIEWS_PER_STREAM)?);
    }
    Ok(begun.elapsed())
}

/// When a new connection first yields the right answer.
async fn first_right_answer(port: u16, ca: &str, body: &Bytes) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = match Connection::open(port, ca, operator::webhook::pod::PATH).await {
            Ok(mut connection) => connection.post(body).await,
            Err(e) => Err(e),
        };
        match answer.and_then(|answer| sample::check(&answer, true)) {
            Ok(()) => return Ok(Instant::now()),
            Err(e) if Instant::now() > deadline => bail!("no right answer in a minute: {e:#}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Namespace, Instrumentation and a Deployment without pods, whose ReplicaSet the pods of the reviews claim to be of.
async fn objects(cluster: &Cluster) -> anyhow::Result<String> {
    let client = cluster.client().await?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": sample::NAMESPACE}});
    testkit::create(&client, namespace, "").await?;
    testkit::create(&client, sample::instrumentation()?, sample::NAMESPACE).await?;
    let labels = json!({"app.kubernetes.io/name": sample::DEPLOYMENT});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": sample::DEPLOYMENT},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "app", "image": "registry.example.com/shop/checkout:2.14.3"}]},
        }},
    });
    testkit::create(&client, deployment, sample::NAMESPACE).await?;
    replica_set(&client).await
}

async fn replica_set(client: &Client) -> anyhow::Result<String> {
    let replica_sets = Api::<ReplicaSet>::namespaced(client.clone(), sample::NAMESPACE);
    testkit::wait_for("the Deployment's ReplicaSet", Duration::from_secs(60), async || {
        let list = replica_sets.list_metadata(&kube::api::ListParams::default()).await?;
        Ok(list.items.into_iter().find_map(|replica_set| replica_set.metadata.name))
    })
    .await
}

fn options(folder: &Folder, no_install: bool) -> OperatorOptions {
    OperatorOptions { state_dir: Some(folder.0.clone()), no_install, ..OperatorOptions::default() }
}

/// A folder for the operator's authority, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Folder> {
        let path: &Path = &std::env::temp_dir().join(format!("otel-operator-bench-{}", std::process::id()));
        std::fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Folder(path.to_owned()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
