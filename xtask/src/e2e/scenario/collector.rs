//! Collectors that run: as sidecar, on every node, with an identity; and one whose configuration changes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use testkit::wait_for;

use super::{Application, file_collector, instrumentation, server_span};
use crate::e2e::{
    telemetry,
    world::{self, PATIENCE, World, node_address},
};

/// The modes beside `deployment`.
pub(super) async fn modes(world: &World<'_>) -> anyhow::Result<()> {
    let namespace = "modes";
    world.namespace(namespace, &[]).await?;
    let sidecar = ("sidecar.opentelemetry.io/inject", "sidecar");
    // Mode, fields of the Collector, where applications send, annotations of the pod.
    let modes = [
        ("sidecar", "mode: sidecar", "http://localhost:4318".to_owned(), vec![sidecar]),
        (
            "daemonset",
            "mode: daemonset\nhostNetwork: true",
            format!("http://{}:4318", node_address()),
            vec![],
        ),
        ("statefulset", "mode: statefulset", "http://statefulset-collector:4318".to_owned(), vec![]),
    ];
    for (mode, fields, endpoint, annotations) in &modes {
        let folder = world.shared_folder(mode)?;
        world.apply(namespace, &file_collector(mode, &folder, fields))?;
        if *mode != "sidecar" {
            world.rolled_out(namespace, &format!("{mode}/{mode}-collector")).await?;
        }
        world.apply(namespace, &instrumentation(mode, endpoint))?;
        let application = Application {
            name: mode,
            language: "python",
            annotation: mode,
            annotations,
            ..Application::default()
        };
        world.apply(namespace, &application.yaml())?;
        world.rolled_out(namespace, &format!("deployment/{mode}")).await?;
        let pod = world.pod(namespace, &format!("app={mode}")).await?;
        server_span(world, &pod, &folder, mode).await.with_context(|| format!("mode {mode}"))?;
        world.kubectl(&["delete", "deployment", mode, "-n", namespace], "")?;
        world.kubectl(&["delete", "opentelemetrycollector", mode, "-n", namespace], "")?;
        world.kubectl(&["delete", "instrumentation", mode, "-n", namespace], "")?;
    }
    Ok(())
}

/// Every request that an application answered while its Collector was replaced is a span afterwards, and the Collector
/// was replaced once.
pub(super) async fn change(world: &World<'_>) -> anyhow::Result<()> {
    let namespace = "change";
    world.namespace(namespace, &[]).await?;
    let folder = world.shared_folder(namespace)?;
    let collector = file_collector("sink", &folder, "mode: deployment");
    world.apply(namespace, &collector)?;
    world.rolled_out(namespace, "deployment/sink-collector").await?;
    world.apply(namespace, &instrumentation("demo", "http://sink-collector:4318"))?;
    world.apply(
        namespace,
        &Application { name: "nodejs", language: "nodejs", ..Application::default() }.yaml(),
    )?;
    world.rolled_out(namespace, "deployment/nodejs").await?;
    let pod = world.pod(namespace, "app=nodejs").await?;
    server_span(world, &pod, &folder, "nodejs").await?;

    let count = || {
        let spans = telemetry::spans(&telemetry::messages(&folder));
        spans.iter().filter(|span| span.kind == 2).map(|span| span.id.clone()).collect::<BTreeSet<_>>().len()
    };
    // The last requests of above may be under way.
    let mut before = count();
    wait_for("the telemetry to come to rest", PATIENCE, async || {
        let now = count();
        let rest = now == before;
        before = now;
        Ok(rest.then_some(()))
    })
    .await?;
    world.apply(namespace, &collector.replace("timeout: 200ms", "timeout: 300ms"))?;
    let asked = Arc::new(AtomicUsize::new(0));
    // A task of its own: what waits for the rollout blocks its thread.
    let asking = tokio::spawn(ask_without_end(world::address(&pod)?, asked.clone()));
    world.rolled_out(namespace, "deployment/sink-collector").await?;
    wait_for("the new configuration", PATIENCE, async || {
        let deployment =
            world.kubectl(&["get", "deployment/sink-collector", "-n", namespace, "-o", "yaml"], "")?;
        let maps = world.kubectl(&["get", "configmaps", "-n", namespace, "-o", "json"], "")?;
        let maps: serde_json::Value = serde_json::from_str(&maps)?;
        let new = maps["items"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|map| map["data"].to_string().contains("300ms"));
        let name = new.and_then(|map| map["metadata"]["name"].as_str());
        Ok(name.is_some_and(|name| deployment.contains(name)).then_some(()))
    })
    .await?;
    world.rolled_out(namespace, "deployment/sink-collector").await?;
    asking.abort();
    let asked = asked.load(Ordering::SeqCst);
    ensure!(asked > 0, "no request was made");
    wait_for(&format!("the spans of {asked} requests"), PATIENCE, async || {
        let arrived = count() - before;
        ensure!(arrived >= asked, "{arrived} of {asked} spans arrived");
        Ok(Some(()))
    })
    .await?;
    let arguments =
        ["get", "replicasets", "-n", namespace, "-l", "app.kubernetes.io/name=sink-collector", "-o", "name"];
    let revisions = world.kubectl(&arguments, "")?.lines().count();
    ensure!(revisions == 2, "one change of the configuration made {} rollouts", revisions.saturating_sub(1));
    println!("{asked} requests while the Collector was replaced, every span arrived");
    Ok(())
}

/// Counts the requests that were answered.
async fn ask_without_end(address: String, answered: Arc<AtomicUsize>) {
    loop {
        if testkit::get_from(&address, 8080, "/").await.is_ok_and(|(status, _)| status == 200) {
            answered.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
