//! The auto-instrumentation path of the OpenTelemetry documentation's operator page, step by step: the real kubectl, the
//! real API server, and the page's YAML as printed, which is in `examples/docs-page`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{Api, Client, api::ListParams};
use testkit::{Cluster, Operator};

const VERDICT: &str = "instrumentation.opentelemetry.io/verdict";
const JAVA: &str = "opentelemetry-auto-instrumentation-java";
const PATIENCE: Duration = Duration::from_secs(60);

/// One Instrumentation of the page.
struct Step {
    /// Below `examples/docs-page`.
    folder: &'static str,
    /// The container that brings the agent.
    agent: &'static str,
    /// What the page prints, and what makes it effective, as variables of the instrumented process.
    env: &'static [(&'static str, &'static str)],
}

const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
const TO_4317: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://demo-collector:4317");
const TO_4318: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://demo-collector:4318");

const STEPS: [Step; 9] = [
    Step { folder: "dotnet", agent: "opentelemetry-auto-instrumentation-dotnet", env: &[TO_4318] },
    Step {
        folder: "dotnet-excluding",
        agent: "opentelemetry-auto-instrumentation-dotnet",
        env: &[
            TO_4318,
            ("OTEL_DOTNET_AUTO_TRACES_GRPCNETCLIENT_INSTRUMENTATION_ENABLED", "false"),
            ("OTEL_DOTNET_AUTO_METRICS_PROCESS_INSTRUMENTATION_ENABLED", "false"),
        ],
    },
    Step { folder: "java", agent: JAVA, env: &[TO_4317, GRPC] },
    Step {
        folder: "java-excluding",
        agent: JAVA,
        env: &[
            TO_4317,
            GRPC,
            ("OTEL_INSTRUMENTATION_KAFKA_ENABLED", "false"),
            ("OTEL_INSTRUMENTATION_REDISCALA_ENABLED", "false"),
        ],
    },
    Step { folder: "nodejs", agent: "opentelemetry-auto-instrumentation-nodejs", env: &[TO_4317, GRPC] },
    Step { folder: "python", agent: "opentelemetry-auto-instrumentation-python", env: &[TO_4318] },
    Step {
        folder: "python-excluding",
        agent: "opentelemetry-auto-instrumentation-python",
        env: &[
            TO_4318,
            (
                "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
                "<comma-separated list of package names to exclude from instrumentation>",
            ),
        ],
    },
    Step {
        folder: "python-logs",
        agent: "opentelemetry-auto-instrumentation-python",
        env: &[
            TO_4318,
            ("OTEL_LOGS_EXPORTER", "otlp_proto_http"),
            ("OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED", "true"),
        ],
    },
    // The agent is a container beside the application's, and is the process that exports.
    Step {
        folder: "go",
        agent: "opentelemetry-auto-instrumentation",
        env: &[TO_4317, GRPC, ("OTEL_GO_AUTO_TARGET_EXE", "/usr/src/app/main")],
    },
];

fn file(folder: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/docs-page").join(folder).join(name)
}

/// What kubectl printed, on both streams.
struct Printed {
    success: bool,
    stdout: String,
    stderr: String,
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Result<Printed> {
    let mut command = Command::new(testkit::binaries::get()?.kubectl);
    let output = command.arg("--kubeconfig").arg(cluster.kubeconfig()).args(arguments).output()?;
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    Ok(Printed { success: output.status.success(), stdout, stderr })
}

/// `kubectl apply` of a file of the page, on the client's side as the page does.
fn apply(cluster: &Cluster, namespace: &str, path: &Path) -> Result<Printed> {
    let printed = kubectl(cluster, &["apply", "-n", namespace, "-f", path.to_str().unwrap()])?;
    ensure!(printed.success, "{}: {}", path.display(), printed.stderr);
    Ok(printed)
}

/// A namespace with an operator beside it.
async fn start(prefix: &str) -> Result<(&'static Cluster, Client, String)> {
    let cluster = testkit::shared().await?;
    Operator::shared().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, prefix).await?;
    Ok((cluster, client, namespace))
}

fn containers(pod: &Pod) -> Vec<&Container> {
    let spec = pod.spec.as_ref().unwrap();
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).collect()
}

fn value<'a>(container: &'a Container, name: &str) -> Option<&'a str> {
    container.env.iter().flatten().find(|e| e.name == name)?.value.as_deref()
}

fn verdict(pod: &Pod) -> &str {
    pod.metadata.annotations.as_ref().and_then(|a| a.get(VERDICT)).map_or("", String::as_str)
}

/// Creates a Java application's pod with this value of the page's annotation.
async fn java_pod(client: &Client, namespace: &str, annotation: Option<&str>) -> Result<Pod> {
    let annotations = match annotation {
        Some(value) => format!("{{instrumentation.opentelemetry.io/inject-java: '{value}'}}"),
        None => "{}".to_owned(),
    };
    let text = format!(
        "
apiVersion: v1
kind: Pod
metadata: {{generateName: app-, annotations: {annotations}}}
spec: {{containers: [{{name: app, image: 'registry.example/app:1'}}]}}
"
    );
    let created = testkit::create_yaml(client, &text, namespace).await?.remove(0);
    Ok(serde_json::from_value(serde_json::to_value(created)?)?)
}

fn has_agent(pod: &Pod, agent: &str) -> bool {
    containers(pod).iter().any(|c| c.name == agent)
}

#[tokio::test]
async fn every_instrumentation_of_the_page_is_accepted_as_printed_and_effective() -> Result<()> {
    for step in STEPS {
        let (cluster, client, mut namespace) = start(step.folder).await?;
        if step.folder == "python-logs" {
            // The one that states its namespace.
            kubectl(cluster, &["create", "namespace", "application"])?;
            namespace = "application".to_owned();
        }
        let printed = file(step.folder, "instrumentation.yaml");
        let answer = apply(cluster, &namespace, &printed)?;
        let warning = match step.folder {
            "java-excluding" | "dotnet-excluding" => Some("_ENABLED"),
            "python-logs" => Some("sampler type not set"),
            _ => None,
        };
        assert_eq!(
            answer.stderr.contains("Warning"),
            warning.is_some(),
            "{}: {}",
            step.folder,
            answer.stderr
        );
        assert!(answer.stderr.contains(warning.unwrap_or_default()), "{}: {}", step.folder, answer.stderr);
        apply(cluster, &namespace, &file(step.folder, "deployment.yaml"))?;

        let pods = Api::<Pod>::namespaced(client, &namespace);
        let what = format!("the pod of {}", step.folder);
        let pod = testkit::wait_for(&what, PATIENCE, async || {
            Ok(pods.list(&ListParams::default()).await?.items.into_iter().next())
        })
        .await?;
        assert!(has_agent(&pod, step.agent), "{}: no {} in {:?}", step.folder, step.agent, pod.spec);
        let process = if step.folder == "go" { step.agent } else { "app" };
        let container = containers(&pod).into_iter().find(|c| c.name == process).unwrap();
        let printed = testkit::documents(&std::fs::read_to_string(printed)?)?.remove(0);
        let sampler = ["type", "argument"].map(|field| printed["spec"]["sampler"][field].as_str());
        let expected = step.env.iter().map(|(name, value)| (*name, Some(*value))).chain([
            ("OTEL_PROPAGATORS", Some("tracecontext,baggage")),
            ("OTEL_TRACES_SAMPLER", sampler[0]),
            ("OTEL_TRACES_SAMPLER_ARG", sampler[1]),
        ]);
        for (name, expected) in expected {
            assert_eq!(value(container, name), expected, "{}: {name}", step.folder);
        }
    }
    Ok(())
}

#[tokio::test]
async fn unquoted_booleans_are_stored_as_strings_with_a_warning() -> Result<()> {
    let (cluster, _, namespace) = start("unquoted").await?;
    let cases = [
        ("java-excluding", "java", "OTEL_INSTRUMENTATION_KAFKA_ENABLED"),
        ("dotnet-excluding", "dotnet", "OTEL_DOTNET_AUTO_TRACES_GRPCNETCLIENT_INSTRUMENTATION_ENABLED"),
    ];
    for (folder, language, variable) in cases {
        let path = file(folder, "instrumentation.yaml");
        let refused =
            kubectl(cluster, &["apply", "--server-side", "-n", &namespace, "-f", path.to_str().unwrap()])?;
        // The API server compares types with the schema before it asks any webhook.
        assert!(!refused.success && refused.stderr.contains(".value: expected string"), "{}", refused.stderr);

        let accepted = apply(cluster, &namespace, &path)?;
        assert!(
            accepted.stderr.contains("Warning: ") && accepted.stderr.contains(variable),
            "the warning names the variable: {}",
            accepted.stderr
        );
        let json =
            kubectl(cluster, &["get", "otelinst", "demo-instrumentation", "-n", &namespace, "-o", "json"])?;
        let stored: serde_json::Value = serde_json::from_str(&json.stdout)?;
        let env = &stored["spec"][language]["env"];
        assert_eq!((&env[0]["value"], &env[1]["value"]), (&"false".into(), &"false".into()), "{env}");
        // Once more, as after an edit of something else: the same file is still accepted.
        apply(cluster, &namespace, &path)?;
        kubectl(cluster, &["delete", "otelinst", "demo-instrumentation", "-n", &namespace])?;
    }
    Ok(())
}

#[tokio::test]
async fn kubectl_shows_and_describes_an_otelinst() -> Result<()> {
    let (cluster, _, namespace) = start("describe").await?;
    apply(cluster, &namespace, &file("java", "instrumentation.yaml"))?;
    let table = kubectl(cluster, &["get", "otelinst", "-n", &namespace])?;
    let lines: Vec<Vec<&str>> = table.stdout.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "AGE", "ENDPOINT", "SAMPLER", "SAMPLER", "ARG"]);
    assert_eq!(lines[1][0], "demo-instrumentation");
    assert_eq!(lines[1][2..], ["http://demo-collector:4317", "parentbased_traceidratio", "1"]);
    let described = kubectl(cluster, &["describe", "otelinst", "-n", &namespace])?;
    for part in [
        "demo-instrumentation",
        "Kind:         Instrumentation",
        "http://demo-collector:4317",
        "tracecontext",
    ] {
        assert!(described.stdout.contains(part), "no {part:?} in\n{}{}", described.stdout, described.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn the_values_of_the_annotation_mean_what_the_page_says() -> Result<()> {
    let (cluster, client, namespace) = start("values").await?;
    let (_, _, other) = start("values-other").await?;
    apply(cluster, &namespace, &file("java", "instrumentation.yaml"))?;
    apply(cluster, &other, &file("java", "instrumentation.yaml"))?;
    let own = format!("Injected({namespace}/demo-instrumentation@1,");
    let elsewhere = format!("{other}/demo-instrumentation");
    let cases = [
        (Some("true"), Some(own.clone())),
        (Some("demo-instrumentation"), Some(own)),
        (Some(&*elsewhere), Some(format!("Injected({elsewhere}@1,"))),
        (Some("false"), None),
        (None, None),
    ];
    for (annotation, expected) in cases {
        let pod = java_pod(&client, &namespace, annotation).await?;
        assert_eq!(has_agent(&pod, JAVA), expected.is_some(), "{annotation:?}: {}", verdict(&pod));
        if let Some(expected) = expected {
            assert!(
                verdict(&pod).starts_with(&format!("java/app={expected}")),
                "{annotation:?}: {}",
                verdict(&pod)
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_annotation_on_a_namespace_reaches_all_its_pods() -> Result<()> {
    let (cluster, client, namespace) = start("annotated").await?;
    apply(cluster, &namespace, &file("java", "instrumentation.yaml"))?;
    let annotation = "instrumentation.opentelemetry.io/inject-java=true";
    let answer = kubectl(cluster, &["annotate", "namespace", &namespace, annotation])?;
    assert!(answer.success, "{}", answer.stderr);
    // The operator hears of the change a moment later.
    testkit::wait_for("the pods to be instrumented", Duration::from_secs(20), async || {
        Ok(has_agent(&java_pod(&client, &namespace, None).await?, JAVA).then_some(()))
    })
    .await?;
    let pod = java_pod(&client, &namespace, Some("false")).await?;
    assert!(!has_agent(&pod, JAVA), "a pod can say no");
    Ok(())
}
