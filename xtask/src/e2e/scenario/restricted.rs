//! Under the restricted Pod Security standard Java, Node.js and Python run and report, also with an agent image that would
//! run as root; Go is declined and the pod runs without it.

use anyhow::ensure;

use super::{Application, GO_EXECUTABLE, instrumentation, server_span, sink};
use crate::e2e::world::{World, verdict};

const NAMESPACE: &str = "restricted";
/// What the standard demands of the user's container. No `runAsUser`: the agent's container has to get along.
pub(super) const SECURITY: &str = "\
securityContext:
  allowPrivilegeEscalation: false
  runAsNonRoot: true
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}";

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    // The Collector writes to a folder of the node, which the standard forbids: it lives elsewhere.
    let folder = sink(world, "telemetry").await?;
    world.namespace(NAMESPACE, &["pod-security.kubernetes.io/enforce=restricted"]).await?;
    world.apply(NAMESPACE, &instrumentation("demo", "http://sink-collector.telemetry:4318"))?;
    let as_root = format!("  python: {{image: '{}'}}\n", crate::image::AS_ROOT);
    world
        .apply(NAMESPACE, &(instrumentation("as-root", "http://sink-collector.telemetry:4318") + &as_root))?;
    // Name of the application, its language, and its Instrumentation.
    let applications = [
        ("java", "java", "demo"),
        ("nodejs", "nodejs", "demo"),
        ("python", "python", "demo"),
        ("as-root", "python", "as-root"),
        ("go", "go", "demo"),
    ];
    for (name, language, annotation) in applications {
        let annotations: &[_] = if language == "go" { &[GO_EXECUTABLE] } else { &[] };
        let application = Application {
            name,
            language,
            annotation,
            container: SECURITY,
            annotations,
            ..Application::default()
        };
        world.apply(NAMESPACE, &application.yaml())?;
    }
    for (name, language, _) in applications {
        world.rolled_out(NAMESPACE, &format!("deployment/{name}")).await?;
        let pod = world.pod(NAMESPACE, &format!("app={name}")).await?;
        if language == "go" {
            let containers = pod.spec.as_ref().map_or(0, |spec| spec.containers.len());
            ensure!(
                containers == 1,
                "the Go pod has {containers} containers: nothing privileged may be added here"
            );
            ensure!(verdict(&pod).contains("=PodSecurity"), "the verdict is {:?}", verdict(&pod));
            ensure!(world.ask(&pod).await? == "go\n", "the Go application does not answer");
        } else {
            server_span(world, &pod, &folder, name).await?;
        }
    }
    Ok(())
}
