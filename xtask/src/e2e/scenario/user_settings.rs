//! What a user has set in `JAVA_TOOL_OPTIONS`, `NODE_OPTIONS` and `PYTHONPATH` works beside the agent.

use anyhow::ensure;

use super::{Application, server_span, sink};
use crate::e2e::world::World;

const NAMESPACE: &str = "user-settings";

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    let folder = sink(world, NAMESPACE).await?;
    // Language, variable, the user's value, and what of it the application prints.
    let settings = [
        ("java", "JAVA_TOOL_OPTIONS", "-Duser.setting=kept", "user.setting=kept"),
        ("nodejs", "NODE_OPTIONS", "--max-old-space-size=99", "--max-old-space-size=99"),
        ("python", "PYTHONPATH", "/users/own", "/users/own"),
    ];
    for (language, variable, value, _) in settings {
        let env = [(variable, value)];
        let application = Application { name: language, language, env: &env, ..Application::default() };
        world.apply(NAMESPACE, &application.yaml())?;
    }
    for (language, variable, _, printed) in settings {
        world.rolled_out(NAMESPACE, &format!("deployment/{language}")).await?;
        let pod = world.pod(NAMESPACE, &format!("app={language}")).await?;
        server_span(world, &pod, &folder, language).await?;
        let log = world.logs(NAMESPACE, pod.metadata.name.as_deref().unwrap_or_default()).await?;
        ensure!(log.contains(printed), "{variable}: the application does not see {printed:?}:\n{log}");
    }
    Ok(())
}
