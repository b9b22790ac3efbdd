//! An agent image that cannot be pulled, or out of which the agent cannot be copied, keeps its own pod waiting, and `status` and
//! `explain` say so; no other pod is touched. When the Instrumentation is put right, new pods run (`docs/troubleshooting.md`).

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::ContainerState;
use testkit::wait_for;

use super::{Application, commands::operator, instrumentation, server_span, sink};
use crate::e2e::world::{PATIENCE, World};

const NAMESPACE: &str = "agent-image";

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    let folder = sink(world, NAMESPACE).await?;
    let good = instrumentation("demo", "http://sink-collector:4318");
    let application = Application { name: "nodejs", language: "nodejs", ..Application::default() };
    // The image of an application has `cp`, and no agent that it could copy.
    for (image, reasons) in [
        ("registry.example/no-such-agent:1", ["ErrImagePull", "ImagePullBackOff"]),
        ("registry.example/app-go:1", ["Error", "CrashLoopBackOff"]),
    ] {
        world.apply(NAMESPACE, &format!("{good}  nodejs: {{image: '{image}'}}\n"))?;
        world.apply(NAMESPACE, &application.yaml())?;
        let what = format!("the agent's container to end in {}", reasons.join(" or "));
        wait_for(&what, PATIENCE, async || {
            let pods = world.pods(NAMESPACE, "app=nodejs").await?;
            let status = pods.first().and_then(|pod| pod.status.clone()).context("there is no pod")?;
            let agent = status.init_container_statuses.unwrap_or_default().into_iter().next();
            let reason =
                agent.and_then(|agent| reason(agent.state?)).context("the kubelet says nothing yet")?;
            Ok(reasons.contains(&reason.as_str()).then_some(()))
        })
        .await?;
        for arguments in [
            ["status", "-n", NAMESPACE, "-o", "json"],
            ["explain", "deploy/nodejs", "-n", NAMESPACE, "-ojson"],
        ] {
            // The kubelet alternates between its words.
            let said = operator(world, &arguments)?.to_string();
            let told = said.contains("opentelemetry-auto-instrumentation-nodejs")
                && reasons.iter().any(|reason| said.contains(reason));
            ensure!(told, "{} does not tell of {image}: {said}", arguments[0]);
        }
        world.kubectl(&["delete", "deployment", "nodejs", "-n", NAMESPACE, "--wait=true"], "")?;
        wait_for("the pod to go", PATIENCE, async || {
            Ok(world.pods(NAMESPACE, "app=nodejs").await?.is_empty().then_some(()))
        })
        .await?;
    }

    world.apply(NAMESPACE, &format!("{good}  nodejs: {{}}\n"))?;
    world.apply(NAMESPACE, &application.yaml())?;
    world.rolled_out(NAMESPACE, "deployment/nodejs").await?;
    let pod = world.pod(NAMESPACE, "app=nodejs").await?;
    server_span(world, &pod, &folder, "nodejs").await.map(drop)
}

/// Why a container waits or has ended.
fn reason(state: ContainerState) -> Option<String> {
    state.waiting.and_then(|waiting| waiting.reason).or_else(|| state.terminated?.reason)
}
