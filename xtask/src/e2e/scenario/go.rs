//! Go: the eBPF agent beside the application, which it does not touch, sees its requests.

use anyhow::ensure;

use super::{Application, GO_EXECUTABLE, instrumentation, server_span, sink};
use crate::e2e::world::{World, verdict};

const NAMESPACE: &str = "golang";

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    let folder = sink(world, NAMESPACE).await?;
    // The port of the documentation page.
    world.apply(NAMESPACE, &instrumentation("demo", "http://sink-collector:4317"))?;
    let application =
        Application { name: "go", language: "go", annotations: &[GO_EXECUTABLE], ..Application::default() };
    world.apply(NAMESPACE, &application.yaml())?;
    world.rolled_out(NAMESPACE, "deployment/go").await?;
    let pod = world.pod(NAMESPACE, "app=go").await?;
    ensure!(verdict(&pod).starts_with("go/app=Injected"), "the verdict is {:?}", verdict(&pod));
    let spans = server_span(world, &pod, &folder, "go").await?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let told = spans.iter().filter_map(|span| span.resource.get("k8s.pod.name")).any(|told| told == name);
    ensure!(told, "no span names the pod {name}");
    Ok(())
}
