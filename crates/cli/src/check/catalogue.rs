//! The table of checks: id, group, what it makes sure of, what is wrong when it fails, and what to do. The output and
//! docs/check.md take their words from here.

use std::fmt::Write as _;

use serde::Serialize;

/// Checks that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// What the cluster must offer; made before and after the installation.
    Cluster,
    /// The custom resource definitions.
    Definitions,
    /// Webhook configurations, certificates, and whether the API server reaches us.
    Webhooks,
    /// The running process.
    Operator,
    /// Instrumentations, and where they send telemetry.
    Instrumentations,
    /// Workloads that ask for injection.
    Workloads,
    /// OpenTelemetryCollectors.
    Collectors,
}

impl Group {
    /// Every group, in the order of the output.
    pub(crate) const ALL: [Group; 7] = [
        Group::Cluster,
        Group::Definitions,
        Group::Webhooks,
        Group::Operator,
        Group::Instrumentations,
        Group::Workloads,
        Group::Collectors,
    ];

    /// The headline.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Group::Cluster => "cluster",
            Group::Definitions => "custom resource definitions",
            Group::Webhooks => "webhooks and certificates",
            Group::Operator => "operator",
            Group::Instrumentations => "instrumentations",
            Group::Workloads => "workloads",
            Group::Collectors => "collectors",
        }
    }
}

macro_rules! checks {
    ($($variant:ident $id:literal $group:ident $good:literal $bad:literal $fix:literal;)*) => {
        /// A check. The ids are stable: people search for them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Check {
            $(#[doc = $bad] $variant,)*
        }

        impl Check {
            /// Every check, in the order of the output.
            pub(crate) const ALL: &[Check] = &[$(Check::$variant),*];

            /// The stable id.
            pub(crate) fn id(self) -> &'static str {
                match self { $(Check::$variant => $id,)* }
            }

            /// What it belongs to.
            pub(crate) fn group(self) -> Group {
                match self { $(Check::$variant => Group::$group,)* }
            }

            /// What is so when nothing is wrong.
            pub(crate) fn good(self) -> &'static str {
                match self { $(Check::$variant => $good,)* }
            }

            /// What is wrong when it fails, in general.
            pub(crate) fn bad(self) -> &'static str {
                match self { $(Check::$variant => $bad,)* }
            }

            /// What to do, in general.
            pub(crate) fn fix(self) -> &'static str {
                match self { $(Check::$variant => $fix,)* }
            }
        }
    };
}

checks! {
    ServerVersion "server-version" Cluster
        "the API server is new enough"
        "The API server is older than Kubernetes 1.25; what the operator asks for is not there."
        "Upgrade the cluster.";
    Apis "apis" Cluster
        "the APIs that the operator needs are served"
        "The API server does not serve an API that the operator needs."
        "Serve it; the aggregation of APIs or `--runtime-config` of kube-apiserver is the usual reason.";
    Permissions "permissions" Cluster
        "you may install the operator"
        "You may not create what belongs to an installation. Made with `--pre` only."
        "Ask an administrator of the cluster to install, or for these permissions.";
    OtherOperator "other-operator" Cluster
        "no other operator instruments pods"
        "A webhook of another OpenTelemetry operator receives pods as well: both inject, or one undoes what the other did."
        "Remove one of the two: scale its Deployment down and delete its webhook configurations.";
    StaleWebhook "stale-webhook" Cluster
        "no webhook of a removed operator is left"
        "A webhook configuration of another OpenTelemetry operator names a Service that does not exist; with `failurePolicy: Fail` it refuses objects."
        "Delete that webhook configuration.";

    DefinitionMissing "definition-missing" Definitions
        "all definitions are there"
        "A custom resource definition is not installed, or not established."
        "Apply `otel-operator crds`, or install again.";
    DefinitionVersion "definition-version" Definitions
        "all versions are served, and the right one is stored"
        "A definition does not serve a version, or stores another one: it is of another release."
        "Apply `otel-operator crds`; it changes no objects.";
    ConversionWebhook "conversion-webhook" Definitions
        "collectors of both versions are converted by the operator"
        "The definition of OpenTelemetryCollectors does not convert through the operator: objects of the other version lose fields or cannot be read."
        "Apply the manifests of the installation again, with their `spec.conversion`.";
    ConversionBundle "conversion-ca-bundle" Definitions
        "conversion trusts the same authority as the webhooks"
        "The `caBundle` of the conversion webhook is missing, is no certificate, or is not that of the webhooks: collectors of the other version cannot be read."
        "A running operator writes it within seconds; look for `certificate` in its log. With cert-manager, look at its Certificate.";
    StoredVersions "stored-versions" Definitions
        "no objects of an older version are stored"
        "Objects may still be stored in a version that a later release will not have."
        "Write each object once (`kubectl get … -o yaml | kubectl replace -f -`), then remove the version from `status.storedVersions` of the definition.";

    WebhookConfigurationMissing "webhook-configuration-missing" Webhooks
        "both webhook configurations are there"
        "A webhook configuration is missing: pods are not injected, or custom resources not checked."
        "Apply the manifests of the installation again.";
    WebhookMissing "webhook-missing" Webhooks
        "every webhook is configured"
        "A webhook configuration lacks one of its webhooks."
        "Apply the manifests of the installation again.";
    WebhookRules "webhook-rules" Webhooks
        "the API server sends what the operator has to see"
        "A webhook's rules do not match what it is for, so the API server does not ask it."
        "Apply the manifests of the installation again.";
    FailurePolicy "failure-policy" Webhooks
        "pods are created even when the operator is away"
        "The webhook of pods has `failurePolicy: Fail`: while the operator is away, no pod that it matches can be created."
        "Set `failurePolicy: Ignore`, or exclude kube-system and the operator's namespace and run several replicas.";
    WebhookTimeout "webhook-timeout" Webhooks
        "a hanging webhook delays pods by a few seconds only"
        "The webhook of pods has a long timeout: an operator that hangs delays every pod by as much."
        "Set `timeoutSeconds: 5`.";
    NamespaceExcluded "namespace-excluded" Webhooks
        "the webhook sees every namespace that asks for it"
        "Workloads of a namespace ask for injection, and the selectors of the webhook leave them out."
        "Change `namespaceSelector` or `objectSelector` of the webhook, or the labels of the namespace; kube-system and the operator's namespace opt in by label.";
    WebhookBundle "webhook-ca-bundle" Webhooks
        "the API server trusts the operator's certificate"
        "The `caBundle` of a webhook is missing, is no certificate, or did not sign the certificate that the operator serves: the API server does not talk to it."
        "A running operator writes it within seconds; look for `certificate` in its log. With cert-manager, look at its Certificate and cainjector.";
    CertificateExpiry "certificate-expiry" Webhooks
        "certificates are valid for a while"
        "A certificate has expired or soon will."
        "The operator renews its own in time; look for `certificate` in its log. A mounted one is renewed by whoever made it.";
    WebhookService "webhook-service" Webhooks
        "the Service of the webhooks is there"
        "A webhook names a Service, or a port of it, that does not exist."
        "Apply the manifests of the installation again.";
    WebhookEndpoints "webhook-endpoints" Webhooks
        "the operator is ready behind its Service"
        "No pod behind the Service of the webhooks is ready."
        "Look at the operator's pods: `kubectl get pods -l app.kubernetes.io/name=opentelemetry-operator -A`, and at their logs.";
    PodWebhook "pod-webhook" Webhooks
        "the API server reaches the webhook of pods (tried with a pod that is not stored)"
        "A pod was let through without the operator: the API server does not reach its webhook, or the webhook fails."
        "The message says what the API server met; network policies, a firewall between control plane and nodes (port 9443), and certificates are the usual reasons.";
    InstrumentationWebhook "instrumentation-webhook" Webhooks
        "the API server reaches the webhooks of Instrumentations (tried with one that is not stored)"
        "The API server could not have an Instrumentation checked."
        "As for `pod-webhook`.";
    CollectorWebhook "collector-webhook" Webhooks
        "the API server reaches the webhooks of collectors, conversion included (tried with one that is not stored)"
        "The API server could not have a collector converted and checked."
        "As for `pod-webhook`; conversion is configured in the definition.";

    OperatorAvailable "operator-available" Operator
        "the operator runs"
        "The operator's Deployment has no ready pod, or fewer than it should have."
        "Look at its pods and their events: `kubectl describe deployment`.";
    OperatorVersion "operator-version" Operator
        "operator and command line are of the same release"
        "The operator that runs is of another release than this program; what one says of the other may be wrong."
        "Use the program of that release, or upgrade the operator.";
    OperatorPermissions "operator-permissions" Operator
        "the operator has its permissions"
        "The operator's ServiceAccount may not do what it needs."
        "Apply the ClusterRoles and bindings of the installation again.";
    LeaderGone "leader-gone" Operator
        "the leader is alive"
        "The Lease of the leader was not renewed for longer than it lasts, or its holder does not exist: collectors are not reconciled."
        "Another replica takes over by itself; if none runs, start one. A pod that hangs has to be deleted.";
    SettingsUnknown "settings-unknown" Operator
        "the operator has published its settings"
        "The ConfigMap with the operator's settings is missing or cannot be read, so this program assumes defaults."
        "Start the operator; say its namespace with `--operator-namespace`.";

    InstrumentationInvalid "instrumentation-invalid" Instrumentations
        "every Instrumentation is valid"
        "An Instrumentation is stored that the operator would refuse, so injection from it fails."
        "Correct the field that the message names.";
    EndpointMissing "endpoint-missing" Instrumentations
        "every Instrumentation says where to send telemetry"
        "An Instrumentation has no endpoint: applications send to localhost, where nobody listens."
        "Set `spec.exporter.endpoint` to the Service of a collector.";
    EndpointInvalid "endpoint-invalid" Instrumentations
        "endpoints are URLs"
        "An endpoint is no URL that SDKs understand."
        "Write `http://<service>.<namespace>:4318` or `…:4317`.";
    EndpointService "endpoint-service" Instrumentations
        "the Services that endpoints name exist"
        "An endpoint names a Service that does not exist, so telemetry is lost."
        "Create the collector, or correct the name; a Service of another namespace is written `<service>.<namespace>`.";
    EndpointPort "endpoint-port" Instrumentations
        "the Services have the ports of the endpoints"
        "The Service of an endpoint does not have its port."
        "Use a port of the Service, or give the collector a receiver there.";
    EndpointNotReady "endpoint-not-ready" Instrumentations
        "something listens behind the endpoints"
        "No pod behind the Service of an endpoint is ready, so telemetry is lost."
        "Look at the collector's pods.";
    EndpointProtocol "endpoint-protocol" Instrumentations
        "agents speak the protocol of the port they send to"
        "An agent speaks OTLP over HTTP to a port for gRPC, or the other way round."
        "Use the other port (4317 is gRPC, 4318 is HTTP), or set `OTEL_EXPORTER_OTLP_PROTOCOL` in `spec.env`.";
    AgentImageTag "agent-image-tag" Instrumentations
        "agent images are pinned"
        "An agent image has no tag, or `latest`: pods of one workload run different agents, and nothing tells which."
        "Use a version or a digest.";
    AgentImageOld "agent-image-old" Instrumentations
        "agent images are those of this release"
        "An Instrumentation still has the operator's agent image of an older release: its upgrade is blocked or has not happened."
        "See `status` of the Instrumentation and `otel-operator diff --upgrade`.";

    MisplacedAnnotation "misplaced-annotation" Workloads
        "annotations stand where they are read"
        "An annotation stands on the workload instead of its pod template, or is a label: nobody reads it."
        "Move it to `spec.template.metadata.annotations`.";
    MisspelledAnnotation "misspelled-annotation" Workloads
        "annotation keys are spelled right"
        "An annotation looks like a request for injection and is none."
        "Write the key that the message names.";
    AnnotationValue "annotation-value" Workloads
        "annotation values are understood"
        "A value that was meant as `true` is taken for the name of an Instrumentation."
        "Write `\"true\"`.";
    NoInstrumentation "no-instrumentation" Workloads
        "who asks for injection has an Instrumentation"
        "Pods ask for injection with `true` and their namespace has no Instrumentation."
        "Create one there, or name one of another namespace: `<namespace>/<name>`.";
    SeveralInstrumentations "several-instrumentations" Workloads
        "`true` means one Instrumentation"
        "Pods ask with `true` and their namespace has several Instrumentations: nobody knows which is meant."
        "Name one of them instead of `true`.";
    InstrumentationNotFound "instrumentation-not-found" Workloads
        "named Instrumentations exist"
        "The Instrumentation that is named does not exist."
        "Correct the name, or create it.";
    LanguageDisabled "language-disabled" Workloads
        "languages that are asked for are switched on"
        "Pods ask for a language that the operator's flags switch off."
        "Switch it on with the flag that the message names.";
    RestrictedNamespace "restricted-namespace" Workloads
        "Pod Security lets agents in"
        "The namespace enforces a Pod Security level that refuses what the agent needs, so the pod is left alone."
        "Use another language's agent, or another namespace.";
    SidecarMissing "sidecar-missing" Workloads
        "who asks for a collector as sidecar gets one"
        "Pods ask for a collector as sidecar and there is none that they can have."
        "Create an OpenTelemetryCollector with `mode: sidecar` in their namespace, or name one.";
    Declined "declined" Workloads
        "every other request is fulfilled"
        "A request is declined for another reason."
        "The message says the reason; `otel-operator explain` says more.";
    NamespaceWithoutInstrumentation "namespace-without-instrumentation" Workloads
        "annotated namespaces have what they ask for"
        "A Namespace asks for injection of all its pods and no Instrumentation is found for it."
        "Create an Instrumentation in it, or correct the name.";
    NotInjected "not-injected" Workloads
        "running pods are instrumented as they ask"
        "Running pods are not instrumented though they would be if they were created now."
        "Restart them: `kubectl rollout restart`.";
    Outdated "outdated" Workloads
        "running pods are up to date with their Instrumentation"
        "Running pods were instrumented from an older generation of their Instrumentation."
        "Restart them when it suits you: `kubectl rollout restart`.";

    CollectorNotReady "collector-not-ready" Collectors
        "collectors are reconciled"
        "The operator could not bring a collector about."
        "The message is that of its condition `Ready`.";
    CollectorConfiguration "collector-configuration" Collectors
        "configurations of collectors are free of errors"
        "The configuration of a collector has a mistake that keeps the collector from starting."
        "Correct it; `kubectl get otelcol … -o yaml | otel-operator lint -f -` shows the lines.";
    CollectorVersion "collector-version" Collectors
        "collectors are of the operator's release"
        "A collector was not upgraded to the operator's release."
        "See its events and `otel-operator diff --upgrade`.";
    MonitorsMissing "monitors-missing" Collectors
        "who wants a ServiceMonitor can have one"
        "A collector asks for ServiceMonitors or PodMonitors and the cluster has no Prometheus operator."
        "Install its custom resource definitions, or set `spec.observability.metrics.enableMetrics: false`.";
}

/// docs/check.md.
pub(crate) fn markdown() -> String {
    let mut page = String::from(
        "# What `otel-operator check` looks at\n\n\
         Generated from the table of checks. Each check has an id, by which its results name it. `√` is good, `‼` works but should be looked at, \
         `×` is broken, `–` could not be looked at. `--pre` makes those of the first group only, before anything is installed.\n",
    );
    for group in Group::ALL {
        // Writing to a String cannot fail.
        let title = group.title();
        let (first, rest) = title.split_at(1);
        let _ = writeln!(page, "\n## {}{rest}", first.to_uppercase());
        for check in Check::ALL.iter().filter(|check| check.group() == group) {
            let _ = writeln!(page, "\n### {}\n\n{} {}", check.id(), check.bad(), check.fix());
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_texts_are_sentences() {
        let mut ids: Vec<_> = Check::ALL.iter().map(|check| check.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Check::ALL.len());
        for check in Check::ALL {
            assert!(check.bad().ends_with('.') && check.fix().ends_with('.'), "{}", check.id());
            assert!(!check.good().ends_with('.'), "{}", check.id());
        }
    }

    #[test]
    fn the_page_is_up_to_date() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/check.md");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(file, markdown()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(file).unwrap_or_default(), markdown());
    }
}
