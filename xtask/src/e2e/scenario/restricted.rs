//! Under the restricted Pod Security standard Java, Node.js and Python run and report; Go is declined and the pod
//! runs without it.

use anyhow::ensure;

use super::{Application, file_collector, instrumentation, server_span};
use crate::e2e::world::World;

const NAMESPACE: &str = "restricted";
/// What the standard demands of the user's container. No `runAsUser`: the agent's container has to get along.
const SECURITY: &str = "\
securityContext:
  allowPrivilegeEscalation: false
  runAsNonRoot: true
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}";

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    // The Collector writes to a folder of the node, which the standard forbids: it lives elsewhere.
    world.namespace("telemetry", &[]).await?;
    let folder = world.shared_folder("restricted")?;
    world.apply("telemetry", &file_collector("sink", &folder, "mode: deployment"))?;
    world.rolled_out("telemetry", "deployment/sink-collector").await?;
    world.namespace(NAMESPACE, &["pod-security.kubernetes.io/enforce=restricted"]).await?;
    world.apply(NAMESPACE, &instrumentation("demo", "http://sink-collector.telemetry:4318"))?;
    let languages = ["java", "nodejs", "python", "go"];
    for language in languages {
        let application =
            Application { name: language, language, container: SECURITY, ..Application::default() };
        world.apply(NAMESPACE, &application.yaml())?;
    }
    for language in languages {
        world.rolled_out(NAMESPACE, &format!("deployment/{language}")).await?;
        let pod = world.pod(NAMESPACE, &format!("app={language}")).await?;
        if language == "go" {
            let containers = pod.spec.as_ref().map_or(0, |spec| spec.containers.len());
            ensure!(
                containers == 1,
                "the Go pod has {containers} containers: nothing privileged may be added here"
            );
            ensure!(world.ask(&pod).await? == "go\n", "the Go application does not answer");
        } else {
            server_span(world, &pod, &folder, language).await?;
        }
    }
    Ok(())
}
