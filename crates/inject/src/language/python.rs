//! Python: `PYTHONPATH` loads the agent's `sitecustomize` (spec 6.3).

use api::{
    annotation::PYTHON_PLATFORM,
    instrumentation::{Agent, EnvVar},
};

use super::copied_agent::CopiedAgent;
use crate::{
    context::Context,
    draft::{Container, Mount},
    env::{Entry, Environment},
    init_container,
    verdict::{Decline, Reason},
};

const VOLUME: &str = "opentelemetry-auto-instrumentation-python";
const MOUNT_PATH: &str = "/otel-auto-instrumentation-python";
const PYTHONPATH: &str = "PYTHONPATH";

pub(super) struct Python;

/// The directory of the agent image that fits the platform annotation; none when no directory does.
fn source(platform: &str) -> Option<&'static str> {
    match platform {
        "" | "glibc" => Some("/autoinstrumentation/."),
        "musl" => Some("/autoinstrumentation-musl/."),
        _ => None,
    }
}

/// The agent's `sitecustomize`: first in the path.
const SITECUSTOMIZE: &str =
    "/otel-auto-instrumentation-python/opentelemetry/instrumentation/auto_instrumentation";

/// Puts the agent around the user's path: its `sitecustomize` first, its packages last.
fn set_pythonpath(env: &mut Environment) {
    let around = |old: &str| format!("{SITECUSTOMIZE}:{old}:{MOUNT_PATH}");
    env.extend(PYTHONPATH, around, &format!("{SITECUSTOMIZE}:{MOUNT_PATH}"));
}

impl CopiedAgent for Python {
    fn settings<'a>(&self, context: &Context<'a>) -> &'a dyn Agent {
        &context.instrumentation.spec.python
    }

    fn volume(&self) -> &'static str {
        VOLUME
    }

    fn extended(&self) -> &'static [&'static str] {
        &[PYTHONPATH]
    }

    fn refuse(&self, context: &Context<'_>, _: &Environment) -> Result<(), Decline> {
        let platform = context.annotation(PYTHON_PLATFORM);
        match source(platform) {
            Some(_) => Ok(()),
            None => Err(Decline::new(
                Reason::UnsupportedPlatform,
                format!("provided {PYTHON_PLATFORM} annotation value '{platform}' is not supported"),
                format!("set {PYTHON_PLATFORM} to glibc or musl, or remove it"),
            )),
        }
    }

    fn before_common(&self, env: &mut Environment, common: &[EnvVar]) {
        // One among the common variables is honoured: it is extended once it is there (W32).
        let comes_later = !env.has(PYTHONPATH) && common.iter().any(|v| v.name == PYTHONPATH);
        if !comes_later && !env.is_opaque(PYTHONPATH) {
            set_pythonpath(env);
        }
    }

    fn after_common(&self, _: &Context<'_>, env: &mut Environment, _: &str) {
        if !env.plain(PYTHONPATH).is_some_and(|path| path.starts_with(SITECUSTOMIZE)) {
            set_pythonpath(env);
        }
        env.push_if_absent(Entry::plain("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"));
        for exporter in ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"] {
            env.push_if_absent(Entry::plain(exporter, "otlp"));
        }
    }

    fn init_containers(&self, context: &Context<'_>) -> Vec<Container> {
        let from = source(context.annotation(PYTHON_PLATFORM)).unwrap_or("/autoinstrumentation/.");
        let command = &["cp", "-r", from, MOUNT_PATH];
        let image = &context.spec().python.image;
        vec![init_container::copying(context, VOLUME, image, command, Mount::new(VOLUME, MOUNT_PATH))]
    }
}
