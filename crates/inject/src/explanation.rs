//! What the reason codes mean, in the words that status and documentation share.

use std::fmt::Write as _;

use crate::verdict::Reason;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it means, one sentence.
    pub meaning: &'static str,
    /// What to do, one sentence or more.
    pub remedy: &'static str,
    /// What leads to it: part of a manifest, a flag, or what happened.
    pub example: &'static str,
}

const fn is(meaning: &'static str, remedy: &'static str, example: &'static str) -> Explanation {
    Explanation { meaning, remedy, example }
}

/// A word that pods get long after they were made, by comparing what they carry with what there is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aftermath {
    /// Injected, from an older state of the Instrumentation or with another version of the agent.
    Outdated,
    /// It asks, and carries no verdict.
    Missed,
}

impl Aftermath {
    /// All of them.
    pub const ALL: [Aftermath; 2] = [Aftermath::Outdated, Aftermath::Missed];

    /// The word.
    pub fn code(self) -> &'static str {
        match self {
            Aftermath::Outdated => "Outdated",
            Aftermath::Missed => "Missed",
        }
    }

    /// What it means.
    pub fn explanation(self) -> Explanation {
        match self {
            Aftermath::Outdated => is(
                "The pod was injected from an older generation of the Instrumentation, or with another version of the agent.",
                "Recreate the pods: `kubectl rollout restart deployment/NAME`.",
                "The Instrumentation was edited, or the operator moved its images, after the pod had been created.",
            ),
            Aftermath::Missed => is(
                "The pod asks for injection and carries no verdict: the operator was not asked when it was created.",
                "Recreate the pods: `kubectl rollout restart deployment/NAME`. If it happens again, look whether the webhook is reachable.",
                "The pod is older than the operator or than the annotation of its Namespace, or the webhook was down.",
            ),
        }
    }
}

impl Reason {
    /// What the code means.
    #[rustfmt::skip]
    pub fn explanation(self) -> Explanation {
        match self {
            Reason::Injected => is(
                "The language was injected.",
                "Nothing needs to be done.",
                "instrumentation.opentelemetry.io/inject-java: \"true\""),
            Reason::AlreadyInjected => is(
                "The pod was injected before, and injecting again would change nothing.",
                "Nothing needs to be done; `otel-operator uninject` takes an injection out of a manifest.",
                "A pod whose manifest was copied from a running, injected pod."),
            Reason::UnknownLanguage => is(
                "The annotation asks for a language that does not exist.",
                "Write `inject-` followed by java, nodejs, python, dotnet, go, apache-httpd, nginx or sdk.",
                "instrumentation.opentelemetry.io/inject-jav: \"true\""),
            Reason::LanguageDisabled => is(
                "The language is switched off in the operator.",
                "Start the operator with the flag that the message names. Go and Nginx are off unless switched on; the manifest, but not the chart, switches Nginx on.",
                "instrumentation.opentelemetry.io/inject-go: \"true\", and no --enable-go-instrumentation"),
            Reason::NoInstrumentation => is(
                "The value is `true` and the pod's namespace has no Instrumentation.",
                "Create an Instrumentation in the namespace of the pod, or name one of another namespace (`namespace/name`); then recreate the pod.",
                "instrumentation.opentelemetry.io/inject-java: \"true\", before any Instrumentation was created"),
            Reason::SeveralInstrumentations => is(
                "The value is `true` and the pod's namespace has several Instrumentations.",
                "Name the one to use.",
                "instrumentation.opentelemetry.io/inject-java: \"true\", in a namespace with the Instrumentations blue and green"),
            Reason::InstrumentationNotFound => is(
                "The named Instrumentation does not exist.",
                "Create it, or correct the annotation; then recreate the pod. Every value but `true` and `false` is taken for a name.",
                "instrumentation.opentelemetry.io/inject-java: \"elsewhere\""),
            Reason::InstrumentationUnreadable => is(
                "Instrumentations could not be read, or the one found could not be understood.",
                "Correct the field that the message names; where a namespace is not watched, add it to --watch-namespace.",
                "An Instrumentation that was stored while the operator's webhooks were off, with a number where a text belongs."),
            Reason::NamespaceNotFound => is(
                "The Namespace of the pod could not be read.",
                "Recreate the pod once the API server answers.",
                "The API server did not answer the operator in time."),
            Reason::InvalidContainerNames => is(
                "A container-names annotation holds characters that cannot be in a list of names.",
                "Write names separated by commas.",
                "instrumentation.opentelemetry.io/container-names: \"app;worker\""),
            Reason::ContainerNamesMissing => is(
                "Several languages are asked for, and at least one of them names no container.",
                "Give each language its containers.",
                "inject-java: \"true\" and inject-python: \"true\", without java-container-names and python-container-names"),
            Reason::DuplicateContainerNames => is(
                "A container is listed twice for one language.",
                "List each container once.",
                "instrumentation.opentelemetry.io/java-container-names: \"app,app\", beside another language"),
            Reason::ContainerNotFound => is(
                "No container of this name is in the pod.",
                "Name one of the pod's containers; the message lists them.",
                "instrumentation.opentelemetry.io/container-names: \"aap\""),
            Reason::InitContainerNotSupported => is(
                "The language cannot instrument an init container.",
                "Name a regular container.",
                "instrumentation.opentelemetry.io/go-container-names: \"prepare\", an init container"),
            Reason::CertificateObjectMissing => is(
                "The Secret or ConfigMap with certificates does not exist in the namespace of the pod.",
                "Create it in the namespace of the pod, not of the Instrumentation; then recreate the pod.",
                "spec.exporter.tls.secretName: otlp-certificates, and no such Secret"),
            Reason::VariableFromSource => is(
                "The container takes a variable that injection must extend from a source that injection cannot extend.",
                "Write the variable's value into the manifest instead of `valueFrom`.",
                "JAVA_TOOL_OPTIONS with valueFrom.configMapKeyRef"),
            Reason::UnsupportedPlatform => is(
                "The platform or runtime annotation has a value that the agent image has no files for.",
                "Write one of the values that the message names.",
                "instrumentation.opentelemetry.io/otel-python-platform: \"windows\""),
            Reason::AgentAlreadyConfigured => is(
                "OTEL_DOTNET_AUTO_HOME is set already: the application brings its own .NET agent.",
                "Remove one of the two agents.",
                "OTEL_DOTNET_AUTO_HOME in the container's env"),
            Reason::OtherProfiler => is(
                "Another CLR profiler is configured, and a process can have only one.",
                "Remove the other profiler, or do not inject .NET.",
                "CORECLR_PROFILER in the container's env"),
            Reason::GoExecutableMissing => is(
                "The Go agent was given no executable.",
                "Name the path of the executable in the annotation instrumentation.opentelemetry.io/otel-go-auto-target-exe.",
                "instrumentation.opentelemetry.io/inject-go: \"true\" alone"),
            Reason::GoSeveralContainers => is(
                "The Go agent instruments exactly one container, and several are asked for.",
                "Name one container.",
                "instrumentation.opentelemetry.io/go-container-names: \"app,worker\""),
            Reason::GoSharedProcessNamespace => is(
                "The pod forbids the shared process namespace that the Go agent needs.",
                "Remove `shareProcessNamespace: false` from the pod, or do not inject Go.",
                "spec.shareProcessNamespace: false"),
            Reason::PodSecurity => is(
                "The namespace enforces a Pod Security level that refuses what injection would add.",
                "The message names what is refused: change the pod, or the level of the namespace. Go needs a privileged namespace.",
                "inject-go in a namespace with pod-security.kubernetes.io/enforce: restricted"),
            Reason::WebServerTaken => is(
                "Another web server of the pod was injected already, and the agents' containers and volumes have fixed names.",
                "Inject one web server per pod.",
                "inject-apache-httpd and inject-nginx on one pod"),
            Reason::NameCollision => is(
                "Something in the pod has the name or mount path that injection needs.",
                "Rename what the message names.",
                "A volume named opentelemetry-auto-instrumentation-java in the pod"),
            Reason::InvalidInstrumentation => is(
                "The Instrumentation holds a value that the API server would refuse in the pod.",
                "Correct the field that the message names.",
                "spec.env with the name \"1=2\""),
            Reason::UnsupportedPod => is(
                "The pod runs where the agents cannot: on Windows, or as the mirror of a static pod.",
                "Remove the annotation.",
                "spec.os.name: windows"),
            Reason::NoContainers => is(
                "The pod has no regular container.",
                "Give the pod a container.",
                "spec.containers: []"),
            Reason::DeadlineExceeded => is(
                "The decision took longer than the webhook's deadline.",
                "Look for a slow or unreachable API server, then recreate the pod. --webhook-deadline allows for more time.",
                "The API server did not answer the operator within 500 ms."),
            Reason::PodUnreadable => is(
                "The pod in the request could not be understood.",
                "Apply a pod that this version of Kubernetes understands.",
                "spec.containers: 7"),
            Reason::SidecarRemoved => is(
                "The annotation for sidecars says `false`, and the collector's container was taken out.",
                "Nothing needs to be done.",
                "sidecar.opentelemetry.io/inject: \"false\" on a pod with a container otc-container"),
            Reason::NoCollector => is(
                "The value is `true` and the pod's namespace has no OpenTelemetryCollector in sidecar mode.",
                "Create an OpenTelemetryCollector with `mode: sidecar` in the namespace of the pod; then recreate the pod.",
                "sidecar.opentelemetry.io/inject: \"true\", before any collector was created"),
            Reason::SeveralCollectors => is(
                "The value is `true` and the pod's namespace has several OpenTelemetryCollectors in sidecar mode.",
                "Name the one to use.",
                "sidecar.opentelemetry.io/inject: \"true\", in a namespace with two collectors of `mode: sidecar`"),
            Reason::CollectorNotFound => is(
                "The named OpenTelemetryCollector does not exist.",
                "Create it, or correct the annotation; then recreate the pod.",
                "sidecar.opentelemetry.io/inject: \"elsewhere\""),
            Reason::CollectorNotSidecar => is(
                "The named OpenTelemetryCollector is in another mode than `sidecar`.",
                "Name a collector in sidecar mode. The mode of a collector cannot be changed.",
                "sidecar.opentelemetry.io/inject: \"gateway\", a collector with `mode: deployment`"),
            Reason::CollectorNotAllowed => is(
                "The OpenTelemetryCollector may not be used from the pod's namespace.",
                "Use a collector of the pod's own namespace, or add the namespace to the collector's annotation that the message names.",
                "sidecar.opentelemetry.io/inject: \"other/collector\", a collector with sidecar.opentelemetry.io/allowed-namespaces: elsewhere"),
            Reason::InvalidCollector => is(
                "No sidecar can be made of the OpenTelemetryCollector, or the API server would refuse the pod with it.",
                "Correct the field of the collector that the message names.",
                "A collector whose configuration is no YAML, stored while the operator's webhooks were off."),
        }
    }
}

/// The sections of the documentation: one for each reason code, then one for each word that pods get later.
pub fn markdown() -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for reason in Reason::ALL {
        let _ = writeln!(text, "{}", section(reason.code(), reason.explanation(), &seen(reason)));
    }
    for word in Aftermath::ALL {
        let code = word.code();
        let seen = format!(
            "`status.reasons` of the Instrumentation; `otel-operator explain`. Neither event nor metric has the word `{code}`: it is about running pods."
        );
        let _ = writeln!(text, "{}", section(code, word.explanation(), &seen));
    }
    text
}

fn section(code: &str, explanation: Explanation, seen: &str) -> String {
    let Explanation { meaning, remedy, example } = explanation;
    format!(
        "### {code}\n\n{meaning}\n\n- **What to do:** {remedy}\n- **Example:** `{example}`\n- **Where you see it:** {seen}\n"
    )
}

/// Where a user meets the code.
fn seen(reason: Reason) -> String {
    let code = reason.code();
    let metric = format!("metric `opentelemetry_operator_injection_verdicts_total{{reason=\"{code}\"}}`");
    if !reason.is_news() {
        return format!("the pod's annotation; {metric}; `otel-operator explain`.");
    }
    let event = format!(
        "event `{}` on the workload; a warning to who creates a pod; {metric}; `otel-operator explain`",
        reason.event_reason()
    );
    match reason {
        // The pod goes through as it came, or is refused by the API server.
        Reason::NamespaceNotFound
        | Reason::DeadlineExceeded
        | Reason::PodUnreadable
        | Reason::NoContainers => {
            format!(
                "{event}. The pod carries no annotation of ours; if it exists, the status counts it as `Missed`."
            )
        }
        Reason::NoCollector
        | Reason::SeveralCollectors
        | Reason::CollectorNotFound
        | Reason::CollectorNotSidecar
        | Reason::CollectorNotAllowed
        | Reason::InvalidCollector => format!("the pod's annotation; {event}."),
        _ => format!("the pod's annotation; {event}; `status.reasons` of the Instrumentation."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_what_it_means_and_what_to_do() {
        let all = Reason::ALL
            .map(Reason::explanation)
            .into_iter()
            .chain(Aftermath::ALL.map(Aftermath::explanation));
        for explanation in all {
            let Explanation { meaning, remedy, example } = explanation;
            assert!(
                meaning.ends_with('.') && remedy.ends_with('.') && !example.is_empty(),
                "{explanation:?}"
            );
        }
        let meanings: std::collections::BTreeSet<_> = Reason::ALL.map(|r| r.explanation().meaning).into();
        assert_eq!(meanings.len(), Reason::ALL.len(), "no two codes mean the same");
    }
}
