//! One request through Node.js, Java and Python: one connected trace, with the real pods' names on every span; metrics
//! of all three; logs of Python as the page configures them.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use testkit::wait_for;

use super::{Application, file_collector, instrumentation};
use crate::e2e::{
    telemetry::{self, Span},
    world::{PATIENCE, World},
};

const NAMESPACE: &str = "application";
const LANGUAGES: [&str; 3] = ["nodejs", "java", "python"];

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    world.namespace(NAMESPACE, &[]).await?;
    let folder = world.shared_folder("application")?;
    world.apply(NAMESPACE, &file_collector("demo", &folder, "mode: deployment"))?;
    world.rolled_out(NAMESPACE, "deployment/demo-collector").await?;
    for language in LANGUAGES {
        world.apply(NAMESPACE, &instrumentation_of(language)?)?;
    }
    // The one of the page that sends logs, in the namespace that it names.
    world.apply(NAMESPACE, &super::super::file("examples/docs-page/python-logs/instrumentation.yaml")?)?;
    for (language, next) in LANGUAGES.into_iter().zip([Some("java"), Some("python"), None]) {
        let annotation = format!("{language}-instrumentation");
        let application =
            Application { name: language, language, annotation: &annotation, next, ..Application::default() };
        world.apply(NAMESPACE, &application.yaml())?;
    }
    for language in LANGUAGES {
        world.rolled_out(NAMESPACE, &format!("deployment/{language}")).await?;
    }
    let entry = world.pod(NAMESPACE, "app=nodejs").await?;
    let trace = wait_for("one trace with a server span of each language", PATIENCE, async || {
        let answer = world.ask(&entry).await?;
        ensure!(answer == "nodejs > java > python\n", "the applications answered {answer:?}");
        Ok(connected_trace(&telemetry::spans(&telemetry::messages(&folder))))
    })
    .await?;
    println!("{}", telemetry::tree(&trace));
    for span in &trace {
        names_of_the_pod(world, span).await?;
    }
    wait_for("metrics of each language, and logs of Python", PATIENCE, async || {
        let messages = telemetry::messages(&folder);
        let metrics: BTreeSet<String> =
            telemetry::services(&messages, "resourceMetrics").into_iter().collect();
        ensure!(LANGUAGES.iter().all(|l| metrics.contains(*l)), "metrics so far: {metrics:?}");
        let logs = telemetry::services(&messages, "resourceLogs");
        ensure!(logs.iter().any(|service| service == "python"), "logs so far: {logs:?}");
        Ok(Some(()))
    })
    .await
}

/// As printed on the page but for the name and what makes telemetry arrive soon.
fn instrumentation_of(language: &str) -> anyhow::Result<String> {
    let port = if language == "python" { 4318 } else { 4317 };
    Ok(instrumentation(&format!("{language}-instrumentation"), &format!("http://demo-collector:{port}")))
}

/// The spans of a trace in which every language has a server span and every span but the first has its parent.
fn connected_trace(spans: &[Span]) -> Option<Vec<Span>> {
    let traces: BTreeSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    traces.into_iter().find_map(|trace| {
        let trace: Vec<Span> = spans.iter().filter(|span| span.trace == trace).cloned().collect();
        let every_language =
            LANGUAGES.iter().all(|l| trace.iter().any(|span| span.kind == 2 && span.service() == *l));
        let connected = trace
            .iter()
            .all(|span| span.parent.is_empty() || trace.iter().any(|parent| parent.id == span.parent));
        (every_language && connected).then_some(trace)
    })
}

/// `k8s.*` attributes are those of the pod that the span came from.
async fn names_of_the_pod(world: &World<'_>, span: &Span) -> anyhow::Result<()> {
    let pod = world.pod(NAMESPACE, &format!("app={}", span.service())).await?;
    let name = pod.metadata.name.as_deref().context("the pod has no name")?;
    let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).context("the pod has no node")?;
    let expected = [
        ("k8s.pod.name", name),
        ("k8s.node.name", node),
        ("k8s.namespace.name", NAMESPACE),
        ("k8s.container.name", "app"),
        ("k8s.deployment.name", span.service()),
    ];
    for (key, value) in expected {
        let found = span.resource.get(key).map(String::as_str);
        ensure!(found == Some(value), "{key} of a span of {name} is {found:?} instead of {value:?}");
    }
    Ok(())
}
