//! Java: `JAVA_TOOL_OPTIONS` loads the agent (spec 6.1).

use api::instrumentation::Agent;

use super::copied_agent::CopiedAgent;
use crate::{
    context::Context,
    draft::{Container, Mount},
    env::Environment,
    init_container,
};

const VOLUME: &str = "opentelemetry-auto-instrumentation-java";
const MOUNT_PATH: &str = "/otel-auto-instrumentation-java";
/// Init containers that copy extensions are called this and a number.
pub(crate) const EXTENSION: &str = "opentelemetry-auto-instrumentation-extension-";

pub(super) struct Java;

impl CopiedAgent for Java {
    fn settings<'a>(&self, context: &Context<'a>) -> &'a dyn Agent {
        &context.instrumentation.spec.java
    }

    fn volume(&self) -> &'static str {
        VOLUME
    }

    fn mount_path(&self, target: &str) -> String {
        format!("{MOUNT_PATH}-{target}")
    }

    fn extended(&self) -> &'static [&'static str] {
        &["JAVA_TOOL_OPTIONS"]
    }

    fn after_common(&self, context: &Context<'_>, env: &mut Environment, target: &str) {
        let directory = self.mount_path(target);
        let mut argument = format!(" -javaagent:{directory}/javaagent.jar");
        if !context.spec().java.extensions.is_empty() {
            argument.push_str(&format!(" -Dotel.javaagent.extensions={directory}/extensions"));
        }
        env.extend("JAVA_TOOL_OPTIONS", |old| format!("{old}{argument}"), &argument);
    }

    fn init_containers(&self, context: &Context<'_>) -> Vec<Container> {
        let java = &context.spec().java;
        let mount = || Mount::new(VOLUME, MOUNT_PATH);
        let agent = &["cp", "/javaagent.jar", "/otel-auto-instrumentation-java/javaagent.jar"];
        let mut containers = vec![init_container::copying(context, VOLUME, &java.image, agent, mount())];
        for (i, extension) in java.extensions.iter().enumerate() {
            let name = format!("{EXTENSION}{i}");
            let from = format!("{}/.", extension.dir);
            let command = &["cp", "-r", &from, "/otel-auto-instrumentation-java/extensions"];
            containers.push(init_container::copying(context, &name, &extension.image, command, mount()));
        }
        containers
    }
}
