//! Collectors that run: as sidecar, on every node, with an identity; and one whose configuration changes.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::Pod;
use testkit::wait_for;

use super::{Application, file_collector, instrumentation, server_span, sink};
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
/// was replaced once; first for another configuration, then for another image. The Collector waits before it stops, as
/// docs/operations.md advises: without that, kube-proxy may send a new connection to the pod that is gone.
pub(super) async fn change(world: &World<'_>) -> anyhow::Result<()> {
    let namespace = "change";
    let folder = sink(world, namespace).await?;
    let collector = file_collector("sink", &folder, WAITS_BEFORE_IT_STOPS);
    world.apply(namespace, &collector)?;
    world.rolled_out(namespace, "deployment/sink-collector").await?;
    let application = Application {
        name: "nodejs",
        language: "nodejs",
        env: &[("OTEL_LOG_LEVEL", "info")],
        ..Application::default()
    };
    world.apply(namespace, &application.yaml())?;
    world.rolled_out(namespace, "deployment/nodejs").await?;
    let pod = world.pod(namespace, "app=nodejs").await?;
    server_span(world, &pod, &folder, "nodejs").await?;

    // The same program under the name of a later release.
    let later = "registry.example/collector:later";
    world.node.tag(&collector::Settings::default().image, later)?;
    let configured = collector.replace("timeout: 200ms", "timeout: 300ms");
    let upgraded = configured.replace("mode: deployment", &format!("mode: deployment\n  image: '{later}'"));
    for (what, changed) in [("configuration", configured), ("image", upgraded)] {
        replaced_once(world, namespace, &folder, &pod, what, &changed).await?;
    }
    Ok(())
}

const SINK: &str = "app.kubernetes.io/name=sink-collector";
const WAITS_BEFORE_IT_STOPS: &str = "mode: deployment\nlifecycle: {preStop: {sleep: {seconds: 5}}}";

/// Applies a changed Collector while its application is asked again and again.
async fn replaced_once(
    world: &World<'_>,
    namespace: &str,
    folder: &Path,
    pod: &Pod,
    what: &str,
    changed: &str,
) -> anyhow::Result<()> {
    let count = || {
        let spans = telemetry::spans(&telemetry::messages(folder));
        spans.iter().filter(|span| span.kind == 2).map(|span| span.id.clone()).collect::<BTreeSet<_>>().len()
    };
    // The last requests of before may be under way.
    let mut before = count();
    wait_for("the telemetry to come to rest", PATIENCE, async || {
        let now = count();
        let rest = now == before;
        before = now;
        Ok(rest.then_some(()))
    })
    .await?;
    let generation = || -> anyhow::Result<i64> {
        let path = "jsonpath={.metadata.generation}";
        let text = world.kubectl(&["get", "deployment/sink-collector", "-n", namespace, "-o", path], "")?;
        text.trim().parse().with_context(|| format!("the generation is {text:?}"))
    };
    let revisions = || -> anyhow::Result<usize> {
        let names = world.kubectl(&["get", "replicasets", "-n", namespace, "-l", SINK, "-o", "name"], "")?;
        Ok(names.lines().count())
    };
    let (old_generation, old_revisions) = (generation()?, revisions()?);
    world.apply(namespace, changed)?;
    let asked = Arc::new(AtomicUsize::new(0));
    // A task of its own: what waits for the rollout blocks its thread.
    let asking = tokio::spawn(ask_without_end(world::address(pod)?, asked.clone()));
    wait_for(&format!("the Deployment to get the new {what}"), PATIENCE, async || {
        Ok((generation()? > old_generation).then_some(()))
    })
    .await?;
    world.rolled_out(namespace, "deployment/sink-collector").await?;
    wait_for("the old Collector to be gone", PATIENCE, async || {
        let names = world.kubectl(&["get", "pods", "-n", namespace, "-l", SINK, "-o", "name"], "")?;
        Ok((names.lines().count() == 1).then_some(()))
    })
    .await?;
    asking.abort();
    let asked = asked.load(Ordering::SeqCst);
    ensure!(asked > 0, "no request was made");
    wait_for(&format!("the spans of {asked} requests"), PATIENCE, async || {
        let arrived = count() - before;
        ensure!(arrived >= asked, "{arrived} of {asked} spans arrived");
        Ok(Some(()))
    })
    .await
    .with_context(|| {
        world.kubectl(&["logs", "deployment/nodejs", "-n", namespace], "").unwrap_or_default()
    })?;
    let rollouts = revisions()? - old_revisions;
    ensure!(rollouts == 1, "one change of the {what} made {rollouts} rollouts");
    println!("{asked} requests while the Collector got another {what}, every span arrived");
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
