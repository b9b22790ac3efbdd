//! Leader election between real processes on a real API server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::{
    api::{apps::v1::Deployment, coordination::v1::Lease},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use operator::{leader::LEASE, manifest};
use serde_json::json;
use testkit::{Cluster, Component, ControlPlane, Operator, OperatorOptions};
use tokio::sync::OnceCell;

const PATIENCE: Duration = Duration::from_secs(60);

/// Far apart from the defaults: what these tests wait for is not the Lease running out, unless they say so.
const LONG: [&str; 3] = [
    "--leader-election-lease-duration=100s",
    "--leader-election-renew-deadline=90s",
    "--leader-election-retry-period=500ms",
];
/// A crash is noticed soon.
const SHORT: [&str; 3] = [
    "--leader-election-lease-duration=6s",
    "--leader-election-renew-deadline=4s",
    "--leader-election-retry-period=500ms",
];

/// Only the namespace of the test concerns it, and no webhook configuration leads to it: others use the same API server.
fn candidate(namespace: &str, times: [&str; 3]) -> OperatorOptions {
    let scope = format!("--watch-namespace={namespace}");
    let args = ["--enable-leader-election", &scope].into_iter().chain(times).map(str::to_owned).collect();
    let env = vec![("NAMESPACE".to_owned(), namespace.to_owned())];
    OperatorOptions { args, env, no_install: true, ..Default::default() }
}

fn leads(operator: &Operator) -> bool {
    operator.log().contains("this process leads")
}

async fn until_it_leads(operator: &Operator) -> Result<()> {
    testkit::wait_for("the process to lead", PATIENCE, async || Ok(leads(operator).then_some(()))).await
}

struct World {
    cluster: &'static Cluster,
    client: Client,
    namespace: String,
    leases: Api<Lease>,
}

/// One for this file: on a shared one the webhooks of other tests' operators would be asked, and they are gone.
async fn cluster() -> Result<&'static Cluster> {
    static OWN: OnceCell<ControlPlane> = OnceCell::const_new();
    Ok(OWN.get_or_try_init(ControlPlane::start).await?)
}

async fn world() -> Result<World> {
    let cluster = cluster().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "leader").await?;
    testkit::apply_yaml(&client, &manifest::yaml(&manifest::crds())?, &namespace).await?;
    let leases = Api::namespaced(client.clone(), &namespace);
    Ok(World { cluster, client, namespace, leases })
}

impl World {
    async fn holder(&self) -> Result<String> {
        let spec = self.leases.get(LEASE).await?.spec.context("no spec")?;
        Ok(spec.holder_identity.unwrap_or_default())
    }

    /// Makes a collector and waits for its Deployment: somebody reconciles.
    async fn collector(&self, name: &str) -> Result<()> {
        let collector = format!(
            "apiVersion: opentelemetry.io/v1beta1\nkind: OpenTelemetryCollector\nmetadata: {{name: {name}}}\nspec:\n  config:\n    \
             receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}\n    exporters: {{debug: {{}}}}\n    \
             service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}}}\n"
        );
        testkit::create_yaml(&self.client, &collector, &self.namespace).await?;
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), &self.namespace);
        testkit::wait_for("the collector's Deployment", PATIENCE, async || {
            deployments.get_opt(&format!("{name}-collector")).await.map_err(Into::into)
        })
        .await?;
        Ok(())
    }
}

#[tokio::test]
async fn t9_of_two_replicas_both_are_ready_and_one_leads() -> Result<()> {
    let world = world().await?;
    let first = Operator::start(world.cluster, candidate(&world.namespace, LONG)).await?;
    until_it_leads(&first).await?;
    let second = Operator::start(world.cluster, candidate(&world.namespace, LONG)).await?;
    // Ready, and known to stand by: it has seen who leads.
    testkit::wait_for("the second to look", PATIENCE, async || {
        Ok(second.log().contains("another process leads").then_some(()))
    })
    .await?;
    world.collector("one").await?;
    assert!(leads(&first) && !leads(&second));
    let lease = world.leases.get(LEASE).await?.spec.context("no spec")?;
    let holder = lease.holder_identity.context("no holder")?;
    assert!(first.log().contains(&holder), "{holder}");
    assert_eq!((lease.lease_duration_seconds, lease.lease_transitions), (Some(100), Some(0)));
    // The one that stands by serves webhooks all the same.
    assert_eq!(second.probe("/readyz").await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn t10_a_stopped_leader_gives_the_lease_back_and_a_killed_one_is_replaced_when_it_has_run_out()
-> Result<()> {
    let world = world().await?;
    let first = Operator::start(world.cluster, candidate(&world.namespace, LONG)).await?;
    until_it_leads(&first).await?;
    let second = Operator::start(world.cluster, candidate(&world.namespace, SHORT)).await?;
    let began = Instant::now();
    assert!(first.terminate());
    until_it_leads(&second).await?;
    assert!(began.elapsed() < Duration::from_secs(60), "nobody waits for a Lease that is given back");
    assert!(first.log().contains("the Lease is given back"), "{}", first.log());
    assert_eq!(world.leases.get(LEASE).await?.spec.and_then(|s| s.lease_transitions), Some(1));
    world.collector("after-the-stop").await?;

    let third = Operator::start(world.cluster, candidate(&world.namespace, SHORT)).await?;
    let dead = world.holder().await?;
    second.kill9();
    let began = Instant::now();
    until_it_leads(&third).await?;
    assert!(began.elapsed() >= Duration::from_secs(3), "the Lease of who may be alive is respected");
    assert_ne!(world.holder().await?, dead);
    world.collector("after-the-kill").await?;
    Ok(())
}

#[tokio::test]
async fn a_lease_that_the_reference_holds_is_respected_until_it_is_given_back() -> Result<()> {
    let world = world().await?;
    // As client-go writes it.
    let now = MicroTime(Timestamp::now());
    let held = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE},
        "spec": {"holderIdentity": "opentelemetry-operator-controller-manager-5d9_8c7d1b0e-0000-4000-8000-000000000000",
            "leaseDurationSeconds": 137, "acquireTime": now, "renewTime": now, "leaseTransitions": 4},
    });
    let by = PatchParams::apply("manager");
    world.leases.patch(LEASE, &by, &Patch::Apply(&held)).await?;
    let ours = Operator::start(world.cluster, candidate(&world.namespace, SHORT)).await?;
    testkit::wait_for("a look at the Lease", PATIENCE, async || {
        Ok(ours.log().contains("another process leads").then_some(()))
    })
    .await?;
    assert!(!leads(&ours) && ours.log().contains("opentelemetry-operator-controller-manager-5d9"));
    // What client-go writes when its process stops.
    let mut given_back = held;
    given_back["spec"]["holderIdentity"] = json!("");
    given_back["spec"]["leaseDurationSeconds"] = json!(1);
    world.leases.patch(LEASE, &by.force(), &Patch::Apply(&given_back)).await?;
    until_it_leads(&ours).await?;
    assert_eq!(world.leases.get(LEASE).await?.spec.and_then(|s| s.lease_transitions), Some(5));
    Ok(())
}

#[tokio::test]
async fn t11_a_leader_that_cannot_renew_ends_and_leads_again_after_its_restart() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let namespace = testkit::namespace(&cluster.client().await?, "leader").await?;
    let operator = Operator::start(&cluster, candidate(&namespace, SHORT)).await?;
    until_it_leads(&operator).await?;
    assert!(cluster.pause(Component::ApiServer));
    let ended = async || Ok((!operator.is_running()).then_some(()));
    let ended = testkit::wait_for("the leader to end", PATIENCE, ended).await;
    assert!(cluster.resume(Component::ApiServer));
    ended?;
    assert!(operator.log().contains("could not be renewed"), "{}", operator.log());
    operator.start_again().await?;
    testkit::wait_for("it to lead again", PATIENCE, async || {
        Ok((operator.log().matches("this process leads").count() == 2).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn who_finds_another_holder_ends_at_once() -> Result<()> {
    let world = world().await?;
    let operator = Operator::start(world.cluster, candidate(&world.namespace, LONG)).await?;
    until_it_leads(&operator).await?;
    let taken = json!({"spec": {"holderIdentity": "thief"}});
    world.leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(taken)).await?;
    testkit::wait_for("the process to end", PATIENCE, async || Ok((!operator.is_running()).then_some(())))
        .await?;
    assert!(operator.log().contains("leader election lost: thief leads now"), "{}", operator.log());
    assert_eq!(world.holder().await?, "thief");
    Ok(())
}
