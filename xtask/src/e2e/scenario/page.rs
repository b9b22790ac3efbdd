//! The documentation page: its Collector as printed, its Instrumentation of each language as printed, one annotation.
//! Java and Node.js send to port 4317, Python to 4318, as the page says.

use anyhow::bail;
use testkit::wait_for;

use super::Application;
use crate::e2e::world::{PATIENCE, World};

pub(super) async fn run(world: &World<'_>) -> anyhow::Result<()> {
    let namespace = "page";
    world.namespace(namespace, &[]).await?;
    world.apply(namespace, &super::super::file("examples/docs-page/collector/collector.yaml")?)?;
    world.rolled_out(namespace, "deployment/demo-collector").await?;
    for language in ["java", "nodejs", "python"] {
        // The page calls each of them `demo-instrumentation`: one replaces the other.
        let printed = super::super::file(&format!("examples/docs-page/{language}/instrumentation.yaml"))?;
        world.apply(namespace, &printed)?;
        world.apply(namespace, &Application { name: language, language, ..Application::default() }.yaml())?;
        let pod = world.pod(namespace, &format!("app={language}")).await?;
        let collector = world.pod(namespace, "app.kubernetes.io/name=demo-collector").await?;
        let collector = collector.metadata.name.unwrap_or_default();
        let before = received(&world.logs(namespace, &collector).await?);
        wait_for(&format!("spans of {language} in the Collector's log"), PATIENCE, async || {
            world.ask(&pod).await?;
            let now = received(&world.logs(namespace, &collector).await?);
            if now <= before {
                bail!("{now} spans so far");
            }
            Ok(Some(()))
        })
        .await?;
        world.kubectl(&["delete", "deployment", language, "-n", namespace, "--wait=true"], "")?;
    }
    world.kubectl(&["delete", "namespace", namespace, "--wait=true", "--timeout=120s"], "").map(drop)
}

/// The debug exporter writes `… Traces {"…", "resource spans": 1, "spans": 4}` for each batch.
fn received(log: &str) -> u64 {
    let counts = log.lines().filter(|line| line.contains("Traces")).filter_map(|line| {
        let rest = line.split("\"spans\": ").nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    });
    counts.sum()
}
