//! The annotation keys that users write and the operator reads or writes.
//!
//! The keys are an interface shared with the Go operator; the irregular ones are irregular there too.

/// Prefix of every key that concerns auto-instrumentation.
pub const PREFIX: &str = "instrumentation.opentelemetry.io/";
/// Prefix of the per-language request keys; what follows must be a language id.
pub const INJECT_PREFIX: &str = "instrumentation.opentelemetry.io/inject-";
/// Target containers of every requested language (pod or Namespace).
pub const CONTAINER_NAMES: &str = "instrumentation.opentelemetry.io/container-names";
/// `glibc` or `musl` (pod or Namespace): which Python wheels are copied.
pub const PYTHON_PLATFORM: &str = "instrumentation.opentelemetry.io/otel-python-platform";
/// `linux-x64` or `linux-musl-x64` (pod or Namespace): which .NET native profiler is loaded.
pub const DOTNET_RUNTIME: &str = "instrumentation.opentelemetry.io/otel-dotnet-auto-runtime";
/// Path of the executable that the Go agent attaches to (pod, or Namespace).
pub const GO_TARGET_EXE: &str = "instrumentation.opentelemetry.io/otel-go-auto-target-exe";
/// Prefix of resource attributes given on the pod: `resource.opentelemetry.io/<attribute key>`.
pub const RESOURCE_PREFIX: &str = "resource.opentelemetry.io/";
/// Which collector a pod gets as a sidecar (pod or Namespace).
pub const SIDECAR_INJECT: &str = "sidecar.opentelemetry.io/inject";
/// On an OpenTelemetryCollector in sidecar mode: the namespaces, separated by commas, whose pods may get it. Without it all may.
pub const SIDECAR_NAMESPACES: &str = "sidecar.opentelemetry.io/allowed-namespaces";
/// Label of pods with a sidecar: `<namespace>.<name>` of its collector, cut to 63 characters.
pub const SIDECAR_INJECTED: &str = "sidecar.opentelemetry.io/injected";
/// What the operator decided for this pod, written on injected and on declined pods.
pub const VERDICT: &str = "instrumentation.opentelemetry.io/verdict";
