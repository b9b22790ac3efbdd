//! Node.js: `NODE_OPTIONS` requires the agent (spec 6.2).

use api::instrumentation::Agent;

use super::copied_agent::CopiedAgent;
use crate::{
    context::Context,
    draft::{Container, Mount},
    env::{Entry, Environment},
    init_container,
};

const VOLUME: &str = "opentelemetry-auto-instrumentation-nodejs";
const MOUNT_PATH: &str = "/otel-auto-instrumentation-nodejs";

pub(super) struct NodeJs;

impl CopiedAgent for NodeJs {
    fn settings<'a>(&self, context: &Context<'a>) -> &'a dyn Agent {
        &context.instrumentation.spec.nodejs
    }

    fn volume(&self) -> &'static str {
        VOLUME
    }

    fn extended(&self) -> &'static [&'static str] {
        &["NODE_OPTIONS"]
    }

    fn after_common(&self, _: &Context<'_>, env: &mut Environment, _: &str) {
        let argument = format!(" --require {MOUNT_PATH}/autoinstrumentation.js");
        env.extend("NODE_OPTIONS", |old| format!("{old}{argument}"), &argument);
        env.push_if_absent(Entry::plain("OTEL_METRICS_EXPORTER", "otlp"));
    }

    fn init_containers(&self, context: &Context<'_>) -> Vec<Container> {
        let command = &["cp", "-r", "/autoinstrumentation/.", MOUNT_PATH];
        let image = &context.spec().nodejs.image;
        vec![init_container::copying(context, VOLUME, image, command, Mount::new(VOLUME, MOUNT_PATH))]
    }
}
