//! The operator is killed, the kubelet is killed, the API server is stopped: applications keep running and new pods are
//! served.

use anyhow::{bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use testkit::{Component, wait_for};

use super::{Application, server_span, sink};
use crate::e2e::world::{OPERATOR_LABEL, OPERATOR_NAMESPACE, PATIENCE, World, verdict};

const NAMESPACE: &str = "crash";
/// A rollout takes about as long as kube-proxy needs to learn of new pods.
const MOST_MISSED: usize = 3;

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    let folder = sink(world, NAMESPACE).await?;
    let application = |name| Application { name, language: "python", ..Application::default() }.yaml();
    world.apply(NAMESPACE, &application("steady"))?;
    world.rolled_out(NAMESPACE, "deployment/steady").await?;
    let steady = world.pod(NAMESPACE, "app=steady").await?;

    for crash in ["operator", "kubelet", "api-server"] {
        match crash {
            "operator" => {
                let uids = || {
                    let path = "jsonpath={.items[*].metadata.uid}";
                    world.kubectl(
                        &["get", "pods", "-n", OPERATOR_NAMESPACE, "-l", OPERATOR_LABEL, "-o", path],
                        "",
                    )
                };
                let before = uids()?;
                let at_once = [
                    "delete",
                    "pods",
                    "-n",
                    OPERATOR_NAMESPACE,
                    "-l",
                    OPERATOR_LABEL,
                    "--grace-period=0",
                    "--force",
                ];
                world.kubectl(&at_once, "")?;
                // The Deployment looks rolled out until its controller has noticed.
                wait_for("new pods of the operator", PATIENCE, async || {
                    let now = uids()?;
                    let gone = before.split(' ').all(|uid| !now.contains(uid));
                    Ok((gone && !now.is_empty()).then_some(()))
                })
                .await?;
                world.operator_is_ready().await?;
            }
            "kubelet" => {
                world.node.restart_kubelet()?;
                world.node.wait_until_ready().await?;
            }
            _ => {
                let control_plane = world.node.control_plane();
                control_plane.kill_component(Component::ApiServer);
                world.ask(&steady).await?;
                control_plane.start_component(Component::ApiServer).await?;
                world.node.wait_until_ready().await?;
            }
        }
        world.ask(&steady).await?;
        wait_for("the API server to take a new application", PATIENCE, async || {
            world.apply(NAMESPACE, &application(crash)).map(Some)
        })
        .await?;
        let pod = instrumented(world, crash).await?;
        server_span(world, &pod, &folder, crash).await?;
    }
    let again = world.pod(NAMESPACE, "app=steady").await?;
    let restarts: i32 = again
        .status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten())
        .map(|c| c.restart_count)
        .sum();
    ensure!(
        again.metadata.uid == steady.metadata.uid && restarts == 0,
        "the steady application was restarted"
    );
    Ok(())
}

/// The pod of a new application. A review that the API server sends over a connection to a killed process fails, and that pod
/// is created without instrumentation, as docs/operations.md says; one that is made after it must have it.
async fn instrumented(world: &World<'_>, name: &str) -> anyhow::Result<Pod> {
    let deployment = format!("deployment/{name}");
    for missed in 0..MOST_MISSED {
        world.rolled_out(NAMESPACE, &deployment).await?;
        let pod = world.pod(NAMESPACE, &format!("app={name}")).await?;
        if !verdict(&pod).is_empty() {
            println!("{missed} pods without instrumentation after a crash: {name}");
            return Ok(pod);
        }
        world.kubectl(&["rollout", "restart", &deployment, "-n", NAMESPACE], "")?;
    }
    bail!("{MOST_MISSED} pods in a row were not instrumented after a crash: {name}")
}
