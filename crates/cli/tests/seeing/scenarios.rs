//! What leads to each reason code.

use inject::Reason;

/// The Instrumentation of every namespace.
pub(crate) const INSTRUMENTATION: &str = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: main}
spec: {exporter: {endpoint: 'http://collector:4318'}, sampler: {type: always_on}}
";

/// One that nobody can read: the propagators are no list.
pub(crate) const BAD_INSTRUMENTATION: &str = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: bad}
spec: {propagators: b3}
";

/// A Deployment whose pods come out with this reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) reason: Reason,
    /// Labels of the namespace.
    pub(crate) labels: &'static [(&'static str, &'static str)],
    /// More objects.
    pub(crate) objects: &'static str,
    /// Annotations of the pods, without the prefix.
    pub(crate) annotations: &'static [(&'static str, &'static str)],
    /// The pods' spec, in one line.
    pub(crate) spec: &'static str,
    /// The Instrumentation is made when the pod is there.
    pub(crate) late: bool,
    /// The Instrumentation whose status tells of it; none for sidecars.
    pub(crate) told_by: Option<&'static str>,
}

const APP: &str = "{containers: [{name: app, image: 'registry.example/app:1'}]}";
const TWO: &str = "{containers: [{name: app, image: 'a:1'}, {name: worker, image: 'w:1'}]}";
const JAVA: &[(&str, &str)] = &[("inject-java", "true")];
const SIDECAR: &str = "sidecar.opentelemetry.io/inject";
const GO_EXE: (&str, &str) = ("otel-go-auto-target-exe", "/app");

impl Scenario {
    const fn of(reason: Reason, annotations: &'static [(&'static str, &'static str)]) -> Scenario {
        Scenario {
            reason,
            annotations,
            labels: &[],
            objects: "",
            spec: APP,
            late: false,
            told_by: Some("main"),
        }
    }

    const fn with_spec(self, spec: &'static str) -> Scenario {
        Scenario { spec, ..self }
    }

    const fn with_objects(self, objects: &'static str) -> Scenario {
        Scenario { objects, ..self }
    }

    const fn told_by(self, name: &'static str) -> Scenario {
        Scenario { told_by: Some(name), ..self }
    }

    const fn sidecar(reason: Reason, annotations: &'static [(&'static str, &'static str)]) -> Scenario {
        Scenario { told_by: None, ..Scenario::of(reason, annotations) }
    }

    pub(crate) fn namespace(&self) -> String {
        self.reason.code().to_lowercase()
    }

    /// Whether something went against the workload.
    pub(crate) fn is_news(&self) -> bool {
        self.reason.is_news()
    }

    pub(crate) fn deployment(&self) -> String {
        let annotations: Vec<String> = self
            .annotations
            .iter()
            .map(|(key, value)| match key.split_once('/') {
                Some(_) => format!("'{key}': '{value}'"),
                None => format!("'instrumentation.opentelemetry.io/{key}': '{value}'"),
            })
            .collect();
        format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata:
      labels: {{app: web}}
      annotations: {{{}}}
    spec: {}
",
            annotations.join(", "),
            self.spec
        )
    }
}

/// The namespace of this one is made before the operator starts.
pub(crate) const UNREADABLE: Scenario =
    Scenario::of(Reason::InstrumentationUnreadable, &[("inject-java", "bad")]);

pub(crate) const SCENARIOS: &[Scenario] = &[
    UNREADABLE,
    Scenario::of(Reason::Injected, JAVA),
    Scenario::of(Reason::AlreadyInjected, JAVA).with_spec(
        "{containers: [{name: app, image: 'a:1'}], initContainers: [{name: opentelemetry-auto-instrumentation-java, image: 'j:1'}]}",
    ),
    Scenario::of(Reason::UnknownLanguage, &[("inject-jav", "true")]),
    Scenario::of(Reason::LanguageDisabled, &[("inject-nginx", "true")]),
    Scenario { late: true, ..Scenario::of(Reason::NoInstrumentation, JAVA) },
    Scenario::of(Reason::SeveralInstrumentations, JAVA).with_objects(
        "{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: other}, spec: {}}",
    ),
    Scenario::of(Reason::InstrumentationNotFound, &[("inject-java", "elsewhere")]),
    Scenario::of(Reason::InvalidContainerNames, &[("inject-java", "true"), ("container-names", "app;worker")]),
    Scenario::of(Reason::ContainerNamesMissing, &[("inject-java", "true"), ("inject-python", "true")]),
    Scenario::of(
        Reason::DuplicateContainerNames,
        &[
            ("inject-java", "true"),
            ("inject-python", "true"),
            ("java-container-names", "app,app"),
            ("python-container-names", "worker"),
        ],
    )
    .with_spec(TWO),
    Scenario::of(Reason::ContainerNotFound, &[("inject-java", "true"), ("container-names", "aap")]),
    Scenario::of(
        Reason::InitContainerNotSupported,
        &[("inject-go", "true"), ("go-container-names", "prepare"), GO_EXE],
    )
    .with_spec("{containers: [{name: app, image: 'a:1'}], initContainers: [{name: prepare, image: 'p:1'}]}"),
    Scenario::of(Reason::CertificateObjectMissing, &[("inject-java", "tls")]).with_objects(
        "{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: tls}, spec: {exporter: {endpoint: 'https://c:4318', tls: {secretName: none, ca_file: ca.crt}}}}",
    )
    .told_by("tls"),
    Scenario::of(Reason::VariableFromSource, JAVA).with_spec(
        "{containers: [{name: app, image: 'a:1', env: [{name: JAVA_TOOL_OPTIONS, valueFrom: {configMapKeyRef: {name: c, key: k}}}]}]}",
    ),
    Scenario::of(Reason::UnsupportedPlatform, &[("inject-python", "true"), ("otel-python-platform", "windows")]),
    Scenario::of(Reason::AgentAlreadyConfigured, &[("inject-dotnet", "true")]).with_spec(
        "{containers: [{name: app, image: 'a:1', env: [{name: OTEL_DOTNET_AUTO_HOME, value: /otel}]}]}",
    ),
    Scenario::of(Reason::OtherProfiler, &[("inject-dotnet", "true")]).with_spec(
        "{containers: [{name: app, image: 'a:1', env: [{name: CORECLR_PROFILER, value: '{846F5F1C-F9AE-4B07-969E-05C26BC060D8}'}]}]}",
    ),
    Scenario::of(Reason::GoExecutableMissing, &[("inject-go", "true")]),
    Scenario::of(
        Reason::GoSeveralContainers,
        &[("inject-go", "true"), ("go-container-names", "app,worker"), GO_EXE],
    )
    .with_spec(TWO),
    Scenario::of(Reason::GoSharedProcessNamespace, &[("inject-go", "true"), GO_EXE])
        .with_spec("{shareProcessNamespace: false, containers: [{name: app, image: 'a:1'}]}"),
    Scenario {
        labels: &[("pod-security.kubernetes.io/enforce", "baseline")],
        ..Scenario::of(Reason::PodSecurity, &[("inject-go", "true"), GO_EXE])
    },
    Scenario::of(
        Reason::WebServerTaken,
        &[("inject-apache-httpd", "true"), ("apache-httpd-container-names", "app,worker")],
    )
    .with_spec(TWO),
    Scenario::of(Reason::NameCollision, JAVA).with_spec(
        "{volumes: [{name: opentelemetry-auto-instrumentation-java, emptyDir: {}}], containers: [{name: app, image: 'a:1'}]}",
    ),
    Scenario::of(Reason::InvalidInstrumentation, &[("inject-sdk", "odd")]).with_objects(
        "{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: odd}, spec: {env: [{name: X, value: v, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}}",
    )
    .told_by("odd"),
    Scenario::of(Reason::UnsupportedPod, JAVA)
        .with_spec("{os: {name: windows}, containers: [{name: app, image: 'a:1'}]}"),
    Scenario::sidecar(Reason::SidecarRemoved, &[(SIDECAR, "false")])
        .with_spec("{containers: [{name: app, image: 'a:1'}, {name: otc-container, image: 'c:1'}]}"),
    Scenario::sidecar(Reason::NoCollector, &[(SIDECAR, "true")]),
    Scenario::sidecar(Reason::SeveralCollectors, &[(SIDECAR, "true")]).with_objects(
        "
{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: blue}, spec: {mode: sidecar, config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}}}
---
{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: green}, spec: {mode: sidecar, config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}}}
",
    ),
    Scenario::sidecar(Reason::CollectorNotFound, &[(SIDECAR, "elsewhere")]),
    Scenario::sidecar(Reason::CollectorNotSidecar, &[(SIDECAR, "gateway")]).with_objects(
        "{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: gateway}, spec: {mode: deployment, config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}}}",
    ),
    Scenario::sidecar(Reason::CollectorNotAllowed, &[(SIDECAR, "default/private")]).with_objects(
        "{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: private, namespace: default, annotations: {sidecar.opentelemetry.io/allowed-namespaces: elsewhere}}, spec: {mode: sidecar, config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}}}",
    ),
    Scenario::sidecar(Reason::InvalidCollector, &[(SIDECAR, "odd")]).with_objects(
        "{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: odd}, spec: {mode: sidecar, env: [{name: '', value: x}], config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}}}",
    ),
];

/// Reasons of which no Deployment can be made: file and test.
pub(crate) const ELSEWHERE: &[(Reason, &str, &str)] = &[
    (
        Reason::NoContainers,
        "crates/cli/tests/seeing.rs",
        "a_pod_without_containers_leads_to_an_event_before_it_is_refused",
    ),
    (
        Reason::NamespaceNotFound,
        "crates/operator/tests/resilience.rs",
        "a_paused_api_server_costs_no_more_than_the_deadline",
    ),
    (
        Reason::DeadlineExceeded,
        "crates/operator/tests/resilience.rs",
        "past_the_deadline_the_pod_goes_through_untouched_counted_and_logged",
    ),
    (
        Reason::PodUnreadable,
        "crates/operator/tests/injection.rs",
        "a_pod_that_cannot_be_understood_is_allowed_with_a_warning",
    ),
];
