//! `controller`: what collectors cost, one after the other and 200 at once, on a real control plane. The API server's audit log counts
//! the requests.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use testkit::{ControlPlane, METADATA_AUDIT_POLICY, Operator, OperatorOptions, Options};

use crate::{
    goal::{compare, median, quantile, sorted, tell},
    machine,
    usage::{self, Memory},
};

/// Collectors that are made one after the other.
const SINGLE: usize = 30;
/// Collectors that are made at once.
const BURST: usize = 200;
/// What such a collector is made of.
const CHILDREN: usize = 8;
/// Requests to the API server at a time.
const AT_ONCE: usize = 16;
/// How long the operator is watched at rest.
const REST: Duration = Duration::from_secs(30);
/// How long nothing must be asked for, for the operator to be at rest.
const QUIET: Duration = Duration::from_secs(3);
/// For everything that is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn run() -> anyhow::Result<()> {
    println!("== controller: what collectors cost, on a real control plane");
    println!("{}\n", machine::describe());
    let controllers = ["--kube-api-qps=2000", "--kube-api-burst=2000"].map(str::to_owned).to_vec();
    let options = Options {
        controller_manager_args: controllers,
        audit_policy: Some(METADATA_AUDIT_POLICY.to_owned()),
        ..Options::default()
    };
    let control_plane = ControlPlane::start_with(options).await?;
    let operator = Operator::start(&control_plane, OperatorOptions::default()).await?;
    let client = control_plane.client().await?;
    let bench = Bench { control_plane, operator, client };
    bench.at_rest("at rest, no collectors").await?;
    bench.memory("resident, no collectors", 12.0, "60 MiB")?;
    bench.one_by_one().await?;
    bench.burst().await?;
    bench.at_rest("at rest, all of them there").await?;
    bench.memory("resident, all of them there", 30.0, "94 MiB")?;
    bench.operator.restart().await?;
    let written = bench.requests()?;
    bench.quiet().await?;
    let writes =
        bench.requests()?[written.len()..].iter().filter(|(verb, _)| verb != "list" && verb != "get").count();
    tell("started anew with all of it there: requests that are no reads", writes as f64, "", "");
    bench.memory("started anew, resident", 30.0, "94 MiB")
}

struct Bench {
    control_plane: ControlPlane,
    operator: Operator,
    client: Client,
}

impl Bench {
    /// Collectors one after the other.
    async fn one_by_one(&self) -> anyhow::Result<()> {
        let namespace = testkit::namespace(&self.client, "single").await?;
        let before = self.requests()?.len();
        let deployments = api(&self.client, &namespace, "apps/v1", "Deployment");
        let mut seconds = Vec::new();
        for i in 0..SINGLE {
            let name = format!("c{i}");
            testkit::create(&self.client, collector(&name), &namespace).await?;
            let made = Instant::now();
            // The workload is the last of the children.
            while deployments.get_metadata_opt(&format!("{name}-collector")).await?.is_none() {
                ensure!(made.elapsed() < PATIENCE, "{name} has no Deployment");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            seconds.push(made.elapsed().as_secs_f64());
        }
        self.ready(&namespace, SINGLE).await?;
        self.quiet().await?;
        let requests = self.requests()?;
        let made = &requests[before..];
        println!("\n{SINGLE} collectors of {CHILDREN} children, one after the other");
        compare("from the collector to its last child, median", median(&seconds), "s", 0.05, "0.10-0.12 s");
        tell("the same, 90th percentile", quantile(&sorted(seconds), 0.9), "s", "");
        let each = made.len() as f64 / SINGLE as f64;
        compare("requests for each", each, "", 12.0, "about 18");
        println!("    {}", by_verb(made));
        let mut times = BTreeMap::<&str, usize>::new();
        for (_, path) in made.iter().filter(|(verb, path)| verb == "patch" && path.contains("-collector")) {
            *times.entry(path).or_default() += 1;
        }
        ensure!(
            times.len() == SINGLE * CHILDREN,
            "{} children instead of {}",
            times.len(),
            SINGLE * CHILDREN
        );
        let twice = times.values().filter(|times| **times > 1).count();
        compare("children that were written twice", twice as f64, "", 0.0, "");
        Ok(())
    }

    /// Collectors all at once.
    async fn burst(&self) -> anyhow::Result<()> {
        let namespace = testkit::namespace(&self.client, "burst").await?;
        let before = self.requests()?.len();
        let pid = self.operator.pid().context("the operator does not run")?;
        let cpu = usage::of_process(pid)?;
        let begun = Instant::now();
        let creations = stream::iter(0..BURST).map(async |i| {
            testkit::create(&self.client, collector(&format!("c{i}")), &namespace).await.map(|_| ())
        });
        creations.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        let created = begun.elapsed();
        self.ready(&namespace, BURST).await?;
        let settled = begun.elapsed();
        self.quiet().await?;
        let requests = self.requests()?;
        let made = &requests[before..];
        println!("\n{BURST} collectors at once");
        tell("creating them, with their admission", created.as_secs_f64(), "s", "");
        compare("until all are ready", settled.as_secs_f64(), "s", 5.0, "14-17 s");
        compare("requests", made.len() as f64, "", 2400.0, "about 3,500");
        println!("    {}", by_verb(made));
        let cpu = usage::of_process(pid)? - cpu;
        compare("CPU, admission included", cpu.as_secs_f64(), "s", 1.5, "6 s");
        Ok(())
    }

    async fn at_rest(&self, what: &str) -> anyhow::Result<()> {
        self.quiet().await?;
        let before = self.requests()?.len();
        tokio::time::sleep(REST).await;
        let requests = self.requests()?;
        println!();
        let title = format!("{what}: requests in {} s but watches", REST.as_secs());
        compare(&title, (requests.len() - before) as f64, "", 0.0, "none");
        if requests.len() > before {
            println!("    {}", by_verb(&requests[before..]));
        }
        Ok(())
    }

    fn memory(&self, what: &str, goal: f64, reference: &str) -> anyhow::Result<()> {
        let memory = Memory::of_process(self.operator.pid().context("the operator does not run")?)?;
        compare(what, memory.resident, "MiB", goal, reference);
        println!("    {memory}");
        Ok(())
    }

    /// Waits until this many collectors are ready and have their workloads.
    async fn ready(&self, namespace: &str, count: usize) -> anyhow::Result<()> {
        let collectors = api(&self.client, namespace, "opentelemetry.io/v1beta1", "OpenTelemetryCollector");
        let deployments = api(&self.client, namespace, "apps/v1", "Deployment");
        testkit::wait_for(&format!("{count} collectors to be ready"), PATIENCE, async || {
            let there = deployments.list_metadata(&ListParams::default()).await?.items.len();
            if there < count {
                return Ok(None);
            }
            let list = collectors.list(&ListParams::default()).await?;
            let is_ready = |c: &&DynamicObject| c.data["status"]["conditions"][0]["status"] == "True";
            Ok((list.items.iter().filter(is_ready).count() == count).then_some(()))
        })
        .await
    }

    /// Waits until the operator asks for nothing.
    async fn quiet(&self) -> anyhow::Result<()> {
        let mut before = self.requests()?.len();
        testkit::wait_for("the operator to rest", PATIENCE, async || {
            tokio::time::sleep(QUIET).await;
            let now = self.requests()?.len();
            Ok((std::mem::replace(&mut before, now) == now).then_some(()))
        })
        .await
    }

    /// Verb and path of what the operator asked for, but for watches.
    fn requests(&self) -> anyhow::Result<Vec<(String, String)>> {
        let events = self.control_plane.audit_events()?;
        let ours = events.iter().filter(|event| {
            event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("opentelemetry-operator/"))
        });
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(ours
            .map(|event| (text(&event["verb"]), text(&event["requestURI"])))
            .filter(|(verb, _)| verb != "watch")
            .map(|(verb, path)| (verb, path.split('?').next().unwrap_or_default().to_owned()))
            .collect())
    }
}

fn api(client: &Client, namespace: &str, group_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// A gateway: eight children, among them three Services.
fn collector(name: &str) -> Value {
    json!({
        "apiVersion": "opentelemetry.io/v1beta1", "kind": "OpenTelemetryCollector",
        "metadata": {"name": name},
        "spec": {"config": {
            "receivers": {"otlp": {"protocols": {"grpc": {}, "http": {}}}},
            "processors": {"memory_limiter": {"check_interval": "1s", "limit_percentage": 75}, "batch": {}},
            "exporters": {"otlphttp": {"endpoint": "https://backend.example:4318"}},
            "service": {"pipelines": {"traces": {
                "receivers": ["otlp"], "processors": ["memory_limiter", "batch"], "exporters": ["otlphttp"]}}},
        }},
    })
}

/// How many requests of which kind, for those who wonder: verb, resource, subresource.
fn by_verb(requests: &[(String, String)]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for (verb, path) in requests {
        let parts: Vec<&str> = path.split('/').collect();
        let namespaced = parts.iter().position(|part| *part == "namespaces").map(|at| at + 2);
        let at = namespaced.filter(|at| *at < parts.len());
        let kind = at.map_or(parts.last().copied().unwrap_or_default(), |at| parts[at]);
        let sub = if path.ends_with("/status") { "/status" } else { "" };
        *counts.entry(format!("{verb} {kind}{sub}")).or_default() += 1;
    }
    counts.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
}
