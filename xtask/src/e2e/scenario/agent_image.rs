//! An agent image that cannot be pulled keeps its own pod waiting, says so on the pod, and touches no other; when the
//! Instrumentation is put right, new pods run.

use anyhow::{Context, ensure};
use testkit::wait_for;

use super::{Application, file_collector, instrumentation, server_span};
use crate::e2e::world::{PATIENCE, World};

const NAMESPACE: &str = "agent-image";

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    world.namespace(NAMESPACE, &[]).await?;
    let folder = world.shared_folder(NAMESPACE)?;
    world.apply(NAMESPACE, &file_collector("sink", &folder, "mode: deployment"))?;
    world.rolled_out(NAMESPACE, "deployment/sink-collector").await?;
    let good = instrumentation("demo", "http://sink-collector:4318");
    world.apply(NAMESPACE, &format!("{good}  nodejs: {{image: 'registry.example/no-such-agent:1'}}\n"))?;
    let application = Application { name: "nodejs", language: "nodejs", ..Application::default() };
    world.apply(NAMESPACE, &application.yaml())?;
    let reason = wait_for("the kubelet to give up on the image", PATIENCE, async || {
        let pods = world.pods(NAMESPACE, "app=nodejs").await?;
        let status = pods.first().and_then(|pod| pod.status.clone()).context("there is no pod")?;
        let waiting = status.init_container_statuses.unwrap_or_default().into_iter().next();
        let reason = waiting.and_then(|s| s.state?.waiting?.reason);
        Ok(reason.filter(|reason| reason.contains("ImagePull")))
    })
    .await?;
    ensure!(["ErrImagePull", "ImagePullBackOff"].contains(&reason.as_str()), "the reason is {reason}");

    world.apply(NAMESPACE, &format!("{good}  nodejs: {{}}\n"))?;
    world.kubectl(&["rollout", "restart", "deployment/nodejs", "-n", NAMESPACE], "")?;
    world.rolled_out(NAMESPACE, "deployment/nodejs").await?;
    let pod = world.pod(NAMESPACE, "app=nodejs").await?;
    server_span(world, &pod, &folder, "nodejs").await.map(drop)
}
