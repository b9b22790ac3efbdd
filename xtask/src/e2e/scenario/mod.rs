//! The scenarios, in the order in which they run. Each waits for conditions, never for times.

mod agent_image;
mod application;
mod collector;
mod commands;
mod crash;
mod go;
mod init_container;
mod page;
mod restricted;
mod user_settings;

use std::{future::Future, path::PathBuf, pin::Pin};

use super::world::World;

/// A scenario: an error when something is not as it should be.
pub(super) type Scenario =
    for<'a> fn(&'a World<'a>) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// All of them.
pub(super) const ALL: &[(&str, Scenario)] = &[
    ("the_documentation_page_as_printed", |world| Box::pin(page::run(world))),
    ("one_trace_through_three_languages", |world| Box::pin(application::run(world))),
    ("collectors_as_sidecar_daemonset_and_statefulset", |world| Box::pin(collector::modes(world))),
    ("a_restricted_namespace_runs_and_reports", |world| Box::pin(restricted::run(world))),
    ("an_init_container_with_two_languages", |world| Box::pin(init_container::run(world))),
    ("go_is_seen_from_beside", |world| Box::pin(go::run(world))),
    ("settings_of_the_user_keep_working", |world| Box::pin(user_settings::run(world))),
    ("an_agent_image_that_cannot_be_had", |world| Box::pin(agent_image::run(world))),
    ("a_changed_collector_rolls_out_once_and_loses_no_span", |world| Box::pin(collector::change(world))),
    ("check_and_status_tell_the_truth", |world| Box::pin(commands::check_and_status(world))),
    ("lint_says_what_the_collector_says", |world| Box::pin(commands::lint_and_validate(world))),
    ("crashes_of_operator_kubelet_and_api_server", |world| Box::pin(crash::run(world))),
];

/// A Deployment with one pod of a test application; its label is `app: <name>`.
pub(super) struct Application<'a> {
    pub(super) name: &'a str,
    /// `java`, `nodejs`, `python` or `go`.
    pub(super) language: &'a str,
    /// Value of the annotation `inject-<language>`.
    pub(super) annotation: &'a str,
    /// The next service to ask.
    pub(super) next: Option<&'a str>,
    /// More environment variables.
    pub(super) env: &'a [(&'a str, &'a str)],
    /// Indented as fields of the container.
    pub(super) container: &'a str,
    /// More annotations of the pod.
    pub(super) annotations: &'a [(&'a str, &'a str)],
}

/// Which program of the Go application the agent is to look at.
pub(super) const GO_EXECUTABLE: (&str, &str) = (api::annotation::GO_TARGET_EXE, "/app/server");

impl Default for Application<'_> {
    fn default() -> Self {
        Application {
            name: "",
            language: "",
            annotation: "true",
            next: None,
            env: &[],
            container: "",
            annotations: &[],
        }
    }
}

impl Application<'_> {
    /// The Deployment and its Service, which listens at port 80.
    pub(super) fn yaml(&self) -> String {
        let Application { name, language, annotation, .. } = self;
        let next = self.next.map(|next| format!("http://{next}/"));
        let env = self.env.iter().copied().chain(next.as_deref().map(|next| ("NEXT", next)));
        let env: String =
            env.map(|(name, value)| format!("\n        - {{name: {name}, value: '{value}'}}")).collect();
        let annotations: String =
            self.annotations.iter().map(|(key, value)| format!("\n        {key}: '{value}'")).collect();
        let container: String = self.container.lines().map(|line| format!("\n        {line}")).collect();
        format!(
            "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata:
      labels: {{app: {name}}}
      annotations:
        instrumentation.opentelemetry.io/inject-{language}: '{annotation}'{annotations}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: registry.example/app-{language}:1
        ports: [{{containerPort: 8080}}]
        readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
        env:{env}
        - {{name: APPLICATION, value: {name}}}{container}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{port: 80, targetPort: 8080}}]
"
        )
    }
}

/// A Collector that writes everything to `folder` of the node as fast as it can, each of its pods to files of its own;
/// `fields` are indented as fields of its spec.
pub(super) fn file_collector(name: &str, folder: &std::path::Path, fields: &str) -> String {
    let fields: String = fields.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "\
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {{name: {name}}}
spec:
{fields}  volumes:
  - {{name: telemetry, hostPath: {{path: {folder}}}}}
  volumeMounts:
  - {{name: telemetry, mountPath: /telemetry}}
  config:
    receivers:
      otlp: {{protocols: {{grpc: {{endpoint: '0.0.0.0:4317'}}, http: {{endpoint: '0.0.0.0:4318'}}}}}}
    processors:
      batch: {{timeout: 200ms}}
    exporters:
      # The file exporter of several signals closes with the first of them; what the others still have makes it panic.
      file/traces: {{path: '/telemetry/${{env:POD_NAME}}-traces.json', append: true, flush_interval: 200ms}}
      file/metrics: {{path: '/telemetry/${{env:POD_NAME}}-metrics.json', append: true, flush_interval: 200ms}}
      file/logs: {{path: '/telemetry/${{env:POD_NAME}}-logs.json', append: true, flush_interval: 200ms}}
    service:
      pipelines:
        traces: {{receivers: [otlp], processors: [batch], exporters: [file/traces]}}
        metrics: {{receivers: [otlp], processors: [batch], exporters: [file/metrics]}}
        logs: {{receivers: [otlp], processors: [batch], exporters: [file/logs]}}
",
        folder = folder.display()
    )
}

/// A namespace with a running Collector `sink`, which writes to the folder that is returned, and an Instrumentation `demo` that
/// sends to it.
pub(super) async fn sink(world: &World<'_>, namespace: &str) -> anyhow::Result<PathBuf> {
    world.namespace(namespace, &[]).await?;
    let folder = world.shared_folder(namespace)?;
    world.apply(namespace, &file_collector("sink", &folder, "mode: deployment"))?;
    world.rolled_out(namespace, "deployment/sink-collector").await?;
    world.apply(namespace, &instrumentation("demo", "http://sink-collector:4318"))?;
    Ok(folder)
}

/// An Instrumentation whose telemetry arrives soon.
pub(super) fn instrumentation(name: &str, endpoint: &str) -> String {
    format!(
        "\
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {{name: {name}}}
spec:
  exporter: {{endpoint: '{endpoint}'}}
  propagators: [tracecontext, baggage]
  sampler: {{type: parentbased_always_on}}
  env:
  - {{name: OTEL_BSP_SCHEDULE_DELAY, value: '500'}}
  - {{name: OTEL_METRIC_EXPORT_INTERVAL, value: '2000'}}
  # The others ask cloud providers' addresses at start, which takes seconds where there are none.
  - {{name: OTEL_NODE_RESOURCE_DETECTORS, value: 'env,host,os,process'}}
"
    )
}

/// Asks `pod` again and again until the Collector behind `folder` has a server span of `service`, and returns all
/// spans of that moment. Whatever comes through the pod's readiness probe is no request.
pub(super) async fn server_span(
    world: &World<'_>,
    pod: &k8s_openapi::api::core::v1::Pod,
    folder: &std::path::Path,
    service: &str,
) -> anyhow::Result<Vec<super::telemetry::Span>> {
    use super::telemetry;
    testkit::wait_for(&format!("a server span of {service}"), super::world::PATIENCE, async || {
        world.ask(pod).await?;
        let spans = telemetry::spans(&telemetry::messages(folder));
        Ok(spans.iter().any(|span| span.kind == 2 && span.service() == service).then_some(spans))
    })
    .await
}
