//! .NET: a CLR profiler and a startup hook (spec 6.4).

use api::{annotation::DOTNET_RUNTIME, instrumentation::Agent};

use super::copied_agent::CopiedAgent;
use crate::{
    context::Context,
    draft::{Container, Mount},
    env::{Entry, Environment},
    init_container,
    verdict::{Decline, Reason},
};

const VOLUME: &str = "opentelemetry-auto-instrumentation-dotnet";
const MOUNT_PATH: &str = "/otel-auto-instrumentation-dotnet";
const HOME: &str = "OTEL_DOTNET_AUTO_HOME";
const PROFILER: &str = "CORECLR_PROFILER";
/// The agent's class id.
const PROFILER_ID: &str = "{918728DD-259F-4A6A-AC2B-B85E1B658318}";

pub(super) struct DotNet;

/// The directory of the native profiler that fits the runtime annotation; none when no directory does. The annotation keeps
/// its historic `-x64` on every architecture.
fn native_directory(runtime: &str) -> Option<&'static str> {
    match runtime {
        "" | "linux-x64" => Some("linux"),
        "linux-musl-x64" => Some("linux-musl"),
        _ => None,
    }
}

impl CopiedAgent for DotNet {
    fn settings<'a>(&self, context: &Context<'a>) -> &'a dyn Agent {
        &context.instrumentation.spec.dotnet
    }

    fn volume(&self) -> &'static str {
        VOLUME
    }

    fn extended(&self) -> &'static [&'static str] {
        &["DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS", "DOTNET_SHARED_STORE"]
    }

    fn refuse(&self, context: &Context<'_>, env: &Environment) -> Result<(), Decline> {
        let configured = |text: String, place: &str| {
            Decline::new(
                Reason::AgentAlreadyConfigured,
                text,
                format!(
                    "remove {HOME} from {place} to have this agent injected, or the annotation to keep the other one"
                ),
            )
        };
        if env.has(HOME) {
            return Err(configured(
                format!("{HOME} environment variable is already set in the container"),
                "the container",
            ));
        }
        if context.spec().dotnet.env.iter().any(|v| v.name == HOME) {
            return Err(configured(
                format!("{HOME} is already set in the .NET instrumentation spec"),
                "spec.dotnet.env",
            ));
        }
        let runtime = context.annotation(DOTNET_RUNTIME);
        if native_directory(runtime).is_none() {
            // The reference's message names an annotation that does not exist (W3).
            return Err(Decline::new(
                Reason::UnsupportedPlatform,
                format!("provided {DOTNET_RUNTIME} annotation value '{runtime}' is not supported"),
                format!("set {DOTNET_RUNTIME} to linux-x64 or linux-musl-x64, or remove it"),
            ));
        }
        let common = context.spec().dotnet.env.iter().chain(&context.spec().env).find(|v| v.name == PROFILER);
        let other = match env.get(PROFILER) {
            Some(entry) => entry.is_sourced() || !entry.text().eq_ignore_ascii_case(PROFILER_ID),
            None => {
                env.has(PROFILER)
                    || common.is_some_and(|v| {
                        !v.value.as_deref().unwrap_or_default().eq_ignore_ascii_case(PROFILER_ID)
                    })
            }
        };
        if other {
            return Err(Decline::new(
                Reason::OtherProfiler,
                format!("another CLR profiler is configured by {PROFILER}, and the runtime loads only one"),
                format!("remove {PROFILER} and its path to have the OpenTelemetry agent injected"),
            ));
        }
        Ok(())
    }

    fn after_common(&self, context: &Context<'_>, env: &mut Environment, _: &str) {
        let directory = native_directory(context.annotation(DOTNET_RUNTIME)).unwrap_or("linux");
        let native = format!("{MOUNT_PATH}/{directory}/OpenTelemetry.AutoInstrumentation.Native.so");
        let append = |env: &mut Environment, name: &str, value: String| {
            env.extend(name, |old| format!("{old}:{value}"), &value);
        };
        env.push_if_absent(Entry::plain("CORECLR_ENABLE_PROFILING", "1"));
        env.push_if_absent(Entry::plain(PROFILER, PROFILER_ID));
        env.push_if_absent(Entry::plain("CORECLR_PROFILER_PATH", native));
        append(
            env,
            "DOTNET_STARTUP_HOOKS",
            format!("{MOUNT_PATH}/net/OpenTelemetry.AutoInstrumentation.StartupHook.dll"),
        );
        append(env, "DOTNET_ADDITIONAL_DEPS", format!("{MOUNT_PATH}/AdditionalDeps"));
        env.push_if_absent(Entry::plain(HOME, MOUNT_PATH));
        append(env, "DOTNET_SHARED_STORE", format!("{MOUNT_PATH}/store"));
    }

    fn init_containers(&self, context: &Context<'_>) -> Vec<Container> {
        let command = &["cp", "-r", "/autoinstrumentation/.", MOUNT_PATH];
        let image = &context.spec().dotnet.image;
        vec![init_container::copying(context, VOLUME, image, command, Mount::new(VOLUME, MOUNT_PATH))]
    }
}
