//! Two languages on one init container of a pod that has to be admitted under the restricted Pod Security standard: each agent's
//! container gets the security context of what it is for, or the API server would refuse the pod.

use anyhow::{Context, ensure};
use testkit::wait_for;

use super::{instrumentation, restricted::SECURITY};
use crate::e2e::world::{PATIENCE, World, verdict};

const NAMESPACE: &str = "init-container";

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    world.namespace(NAMESPACE, &["pod-security.kubernetes.io/enforce=restricted"]).await?;
    world.apply(NAMESPACE, &instrumentation("demo", "http://nowhere:4318"))?;
    world.apply(NAMESPACE, &pod())?;
    let pod = wait_for("the pod to end", PATIENCE, async || {
        let pod = world.pods(NAMESPACE, "app=two").await?.pop().context("there is no pod")?;
        let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
        ensure!(phase != "Failed", "the pod failed");
        Ok((phase == "Succeeded").then_some(pod))
    })
    .await
    .with_context(|| world.kubectl(&["describe", "pods", "-n", NAMESPACE], "").unwrap_or_default())?;
    for language in ["java", "nodejs"] {
        let injected = format!("{language}/setup=Injected");
        ensure!(verdict(&pod).contains(&injected), "the verdict is {:?}", verdict(&pod));
    }
    // The program ran with the one agent loaded, and with the other's setting.
    let log = world.kubectl(&["logs", "two", "-c", "setup", "-n", NAMESPACE], "")?;
    ensure!(
        log.contains("agent: object") && log.contains("-javaagent:"),
        "the init container printed:\n{log}"
    );
    // Its endpoint leads nowhere, which `check` would rightly find.
    world.kubectl(&["delete", "namespace", NAMESPACE, "--wait=true", "--timeout=120s"], "").map(drop)
}

fn pod() -> String {
    let security = |indent: &str| SECURITY.replace('\n', &format!("\n{indent}"));
    format!(
        "\
apiVersion: v1
kind: Pod
metadata:
  name: two
  labels: {{app: two}}
  annotations:
    instrumentation.opentelemetry.io/inject-java: 'true'
    instrumentation.opentelemetry.io/inject-nodejs: 'true'
    instrumentation.opentelemetry.io/container-names: setup
spec:
  restartPolicy: Never
  initContainers:
  - name: setup
    image: registry.example/app-nodejs:1
    command:
    - /usr/bin/node
    - -e
    - console.log('agent:', typeof globalThis[Symbol.for('opentelemetry.js.api.1')], process.env.JAVA_TOOL_OPTIONS); process.exit(0)
    {0}
  containers:
  - name: app
    image: registry.example/app-go:1
    command: [/bin/sh, -c, 'exit 0']
    {0}
",
        security("    ")
    )
}
