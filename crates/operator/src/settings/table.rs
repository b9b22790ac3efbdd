//! The table of settings: each line is one flag, environment variable and configuration file key.
//!
//! The names are those of the reference operator, irregularities included, so that existing Deployments, files and
//! scripts keep working. `docs/reference-flags.md` is generated from here.

use std::sync::LazyLock;

use api::Language;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Flag, without dashes; none when only environment or file can say it.
    pub flag: Option<&'static str>,
    /// Environment variable.
    pub env: Option<&'static str>,
    /// Key in the configuration file; nested keys are joined by a dot.
    pub key: Option<&'static str>,
    /// What its value is.
    pub kind: Kind,
    /// The value when nobody says one.
    pub default: &'static str,
    /// Whether it does anything.
    pub effect: Effect,
    /// For whom reads `--help`.
    pub help: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// Texts separated by commas.
    List,
    /// A flag that may be given several times.
    Repeated,
    /// Words separated by commas, where flags add to the environment, which adds to the file.
    Layered,
    /// An object, in the file only.
    Object,
}

/// Whether a setting does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Works,
    /// Accepted with a warning: what it controls is not part of this operator yet.
    NotYet,
    /// Accepted with a warning, now and later: what it controls is done in another way, or not at all. Its help says why.
    Without,
    /// Accepted silently: the reference overwrites it, too.
    Ignored,
}

impl Setting {
    /// The name by which the rest of the process asks for it: the flag, or else the file key.
    pub fn id(&self) -> &'static str {
        self.flag.or(self.key).unwrap_or_default()
    }
}

const fn line(
    flag: &'static str,
    env: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    effect: Effect,
    help: &'static str,
) -> Setting {
    const fn some(name: &'static str) -> Option<&'static str> {
        if name.is_empty() { None } else { Some(name) }
    }
    Setting { flag: some(flag), env: some(env), key: some(key), kind, default, effect, help }
}

use Effect::{Ignored, NotYet, Without, Works};
use Kind::{Bool, Integer, Layered, List, Object, Repeated, Text};

#[rustfmt::skip]
static LINES: &[Setting] = &[
    // Of this operator only.
    line("kubeconfig", "", "", Text, "", Works, "kubeconfig file; without it KUBECONFIG, else the service account in a cluster, else ~/.kube/config"),
    line("webhook-url", "", "", Text, "", Works, "base URL at which the API server reaches the webhooks, for a process outside the cluster"),
    line("install", "", "", Bool, "false", Works, "apply the custom resource definitions and webhook configurations at start"),
    line("webhook-service", "WEBHOOK_SERVICE", "webhook-service", Text, "opentelemetry-operator-webhook-service", Works, "name of the Service in front of the webhooks, in the operator's namespace"),
    line("mutating-webhook-configuration", "MUTATING_WEBHOOK_CONFIGURATION", "mutating-webhook-configuration", Text, "opentelemetry-operator-mutating-webhook-configuration", Works, "name of the MutatingWebhookConfiguration of this installation"),
    line("validating-webhook-configuration", "VALIDATING_WEBHOOK_CONFIGURATION", "validating-webhook-configuration", Text, "opentelemetry-operator-validating-webhook-configuration", Works, "name of the ValidatingWebhookConfiguration of this installation"),
    line("state-dir", "", "", Text, "", Works, "folder of the certificates of a process outside the cluster; default $XDG_STATE_HOME/otel-operator"),
    line("ca-store", "", "", Text, "auto", Works, "where the own certificate authority is kept: secret (opentelemetry-operator-ca in the operator's namespace), folder (--state-dir), or auto: a Secret in a cluster, a folder outside"),
    line("ca-lifetime", "", "", Text, "3650d", Works, "how long an own certificate authority lives; replaced 90 days before its end, or in its last third"),
    line("certificate-lifetime", "", "", Text, "365d", Works, "how long a serving certificate of the own authority lives; replaced likewise"),
    line("ca-overlap", "", "", Text, "6h", Works, "how long old and new certificate authority are trusted together before the change, and again after it"),
    line("verdict-annotation", "", "verdict-annotation", Bool, "true", Works, "write the decision into instrumented and declined pods"),
    line("otlp-protocol-by-port", "", "otlp-protocol-by-port", Bool, "true", Works, "set OTEL_EXPORTER_OTLP_PROTOCOL=grpc where the endpoint's port is 4317 and nobody named a protocol"),
    line("webhook-prefilter", "", "webhook-prefilter", Bool, "false", Works, "have the API server ask only about pods that can be concerned: the leader writes matchConditions from the annotations of namespaces"),
    line("webhook-deadline", "", "webhook-deadline", Text, "500ms", Works, "time after which a pod is created untouched"),
    // Servers and scope.
    line("config-file", "", "", Text, "", Works, "YAML file with settings"),
    line("metrics-addr", "METRICS_ADDR", "metrics-addr", Text, ":8443", Works, "address of /metrics; 0 switches it off"),
    line("metrics-secure", "METRICS_SECURE", "metrics-secure", Bool, "true", Works, "serve /metrics by HTTPS to authorised clients only"),
    line("metrics-tls-cert-file", "METRICS_TLS_CERT_FILE", "metrics-tls-cert-file", Text, "", Works, "certificate of /metrics; self-signed without"),
    line("metrics-tls-key-file", "METRICS_TLS_KEY_FILE", "metrics-tls-key-file", Text, "", Works, "key of /metrics"),
    line("health-probe-addr", "HEALTH_PROBE_ADDR", "health-probe-addr", Text, ":8081", Works, "address of /healthz and /readyz; 0 switches it off"),
    line("admin-addr", "", "admin-addr", Text, "127.0.0.1:8082", Works, "loopback address at which the log level is changed (GET and PUT /log-level); 0 switches it off"),
    line("pprof-addr", "PPROF_ADDR", "pprof-addr", Text, "", Without, "no profiler is served: profile the process from outside, with perf or an eBPF profiler"),
    line("webhook-port", "WEBHOOK_PORT", "webhook-port", Integer, "9443", Works, "port of the webhooks"),
    line("enable-webhooks", "ENABLE_WEBHOOKS", "enable-webhooks", Bool, "true", Works, "serve the webhooks"),
    line("enable-leader-election", "ENABLE_LEADER_ELECTION", "enable-leader-election", Bool, "false", Works, "of several replicas only the one that holds the Lease writes"),
    line("leader-election-lease-duration", "", "leader-election-lease-duration", Text, "60s", Works, "time after which a Lease that nobody renews may be taken"),
    line("leader-election-renew-deadline", "", "leader-election-renew-deadline", Text, "40s", Works, "time after which a process that cannot renew its Lease ends"),
    line("leader-election-retry-period", "", "leader-election-retry-period", Text, "5s", Works, "pause between looks at the Lease"),
    line("watch-namespace", "WATCH_NAMESPACE", "watch-namespace", List, "", Works, "namespaces to look at, separated by commas; empty for all"),
    line("feature-gates", "FEATURE_GATES", "feature-gates", Layered, "", Works, "features to switch on (name) or off (-name)"),
    // TLS.
    line("tls-min-version", "TLS_MIN_VERSION", "tls.minversion", Text, "VersionTLS12", Works, "oldest TLS version of webhooks and metrics: VersionTLS12 or VersionTLS13"),
    line("tls-cipher-suites", "TLS_CIPHER_SUITES", "tls.ciphersuites", List, "", Works, "cipher suites of webhooks and metrics, by IANA name"),
    line("tls-cluster-profile", "TLS_CLUSTER_PROFILE", "tls.useclusterprofile", Bool, "false", Works, "on OpenShift, follow the TLS profile of the cluster instead of the two settings above"),
    line("tls-configure-operands", "TLS_CONFIGURE_OPERANDS", "tls.configureoperands", Bool, "false", Works, "write TLS settings into generated collector configuration"),
    // Collectors and other operands.
    line("collector-config-validation", "", "collector-config-validation", Text, "warn", Works, "what becomes of mistakes in collector configurations: off, warn or enforce"),
    line("collector-image", "RELATED_IMAGE_COLLECTOR", "collector-image", Text, "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector:0.158.0", Works, "default collector image"),
    line("clusterobservability-collector-image", "", "clusterobservability-collector-image", Text, "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-k8s:0.158.0", NotYet, "default collector image of ClusterObservability"),
    line("target-allocator-image", "RELATED_IMAGE_TARGET_ALLOCATOR", "targetallocator-image", Text, "ghcr.io/open-telemetry/opentelemetry-operator/target-allocator:0.158.0", NotYet, "default target allocator image"),
    line("operator-opamp-bridge-image", "RELATED_IMAGE_OPERATOR_OPAMP_BRIDGE", "operatoropampbridge-image", Text, "ghcr.io/open-telemetry/opentelemetry-operator/operator-opamp-bridge:0.158.0", NotYet, "default OpAMP bridge image"),
    // Features.
    line("enable-multi-instrumentation", "ENABLE_MULTI_INSTRUMENTATION", "enable-multi-instrumentation", Bool, "true", Works, "several languages in one pod"),
    line("enable-cr-metrics", "ENABLE_CR_METRICS", "enable-cr-metrics", Bool, "false", Works, "metrics of what collectors are made of"),
    line("create-sm-operator-metrics", "CREATE_SM_OPERATOR_METRICS", "create-service-monitor-operator-metrics", Bool, "false", Works, "create a ServiceMonitor for the operator"),
    line("ignore-missing-collector-crds", "IGNORE_MISSING_COLLECTOR_CRDS", "ignore-missing-collector-crds", Bool, "false", Ignored, "start without the collector's custom resource definition; this operator always does"),
    line("openshift-create-dashboard", "OPENSHIFT_CREATE_DASHBOARD", "openshift-create-dashboard", Bool, "false", Without, "no dashboard is made on OpenShift"),
    line("openshift-webhook-replicas", "OPENSHIFT_WEBHOOK_REPLICAS", "openshift-webhook-replicas", Integer, "2", Without, "replicas are set on the Deployment"),
    line("fips-disabled-components", "FIPS_DISABLED_COMPONENTS", "fips-disabled-components", Text, "uppercase", Works, "collector components that are refused on FIPS hosts"),
    line("labels-filter", "LABELS_FILTER", "labels-filter", Repeated, "", Works, "labels of custom resources that are not passed on"),
    line("annotations-filter", "ANNOTATIONS_FILTER", "annotations-filter", Repeated, "^kubectl\\.kubernetes\\.io/last-applied-configuration$", Works, "annotations of custom resources that are not passed on"),
    line("create-rbac-permissions", "", "create-rbac-permissions", Bool, "false", Ignored, "deprecated; found out by itself"),
    // Logging.
    line("zap-log-level", "", "", Text, "info", Works, "debug, info, warn, error, or a number for more detail"),
    line("zap-encoder", "", "", Text, "", Works, "json or console"),
    line("zap-devel", "", "", Bool, "false", Works, "console format and debug level"),
    line("zap-stacktrace-level", "", "", Text, "error", Ignored, "accepted; errors name their causes instead of a stack"),
    line("zap-time-encoding", "", "", Text, "rfc3339", Works, "epoch, millis, nano, iso8601, rfc3339 or rfc3339nano"),
    line("zap-message-key", "ZAP_MESSAGE_KEY", "zap.message-key", Text, "message", Works, "key of the message in a JSON log line"),
    line("zap-level-key", "ZAP_LEVEL_KEY", "zap.level-key", Text, "level", Works, "key of the level in a JSON log line"),
    line("zap-time-key", "ZAP_TIME_KEY", "zap.time-key", Text, "timestamp", Works, "key of the time in a JSON log line"),
    line("zap-level-format", "ZAP_LEVEL_FORMAT", "zap.level-format", Text, "uppercase", Works, "uppercase or lowercase"),
    // In the file only.
    line("", "", "enable-instrumentation-crds", Bool, "true", Works, "whether Instrumentations are read from the cluster; else `instrumentations` is used"),
    line("", "", "instrumentations", Object, "", Works, "the one Instrumentation when they are not read from the cluster"),
    line("", "", "collector-configmap-entry", Text, "collector.yaml", Without, "the key in the collector's ConfigMap is always collector.yaml"),
    line("", "", "target-allocator-configmap-entry", Text, "targetallocator.yaml", NotYet, "key in the target allocator's ConfigMap"),
    line("", "", "operator-op-amp-bridge-configmap-entry", Text, "remoteconfiguration.yaml", NotYet, "key in the OpAMP bridge's ConfigMap"),
    line("", "", "open-shift-routes-availability", Integer, "1", Ignored, "found out by itself"),
    line("", "", "gateway-apis-availability", Integer, "0", Ignored, "found out by itself"),
    line("", "", "prometheus-cr-availability", Integer, "0", Ignored, "found out by itself"),
    line("", "", "cert-manager-availability", Integer, "0", Ignored, "found out by itself"),
    line("", "", "target-allocator-availability", Integer, "0", Ignored, "found out by itself"),
    line("", "", "collector-availability", Integer, "0", Ignored, "found out by itself"),
    line("", "", "opampbridge-availability", Integer, "0", Ignored, "found out by itself"),
];

static TABLE: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let switches =
        Language::ALL.into_iter().map(Language::info).filter(|info| info.enable_flag.is_some()).map(|info| {
            Setting {
                flag: info.enable_flag,
                env: info.enable_env,
                key: info.enable_key,
                kind: Bool,
                default: if info.enabled_by_default { "true" } else { "false" },
                effect: Works,
                help: "inject this language",
            }
        });
    let images =
        Language::ALL.into_iter().map(Language::info).filter(|info| info.image_flag.is_some()).map(|info| {
            Setting {
                flag: info.image_flag,
                env: info.image_env,
                key: info.image_key,
                kind: Text,
                default: info.default_image,
                effect: Works,
                help: "default agent image of this language",
            }
        });
    LINES.iter().copied().chain(switches).chain(images).collect()
});

/// Every setting.
pub fn all() -> &'static [Setting] {
    &TABLE
}

/// The setting with this flag.
pub fn by_flag(flag: &str) -> Option<&'static Setting> {
    all().iter().find(|setting| setting.flag == Some(flag))
}

/// The setting with this key in the configuration file.
pub fn by_key(key: &str) -> Option<&'static Setting> {
    all().iter().find(|setting| setting.key == Some(key))
}

/// The table as a Markdown document.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Flags, environment variables and configuration file keys\n\n\
         Generated from the table of settings; `UPDATE_EXPECT=1 cargo test -p otel-operator-process` rewrites it.\n\n\
         A flag wins over an environment variable, which wins over the file, which wins over the default. A variable that is set, \
         even to nothing, counts. Unknown flags and keys are reported and ignored; values that make no sense stop the start with a message. \
         Settings are read once, at start.\n\n\
         *Not yet* means: accepted, with a warning at start; what it controls is not part of this operator yet. *No effect*: accepted, with a \
         warning; what it controls is done in another way, or not at all. *Ignored*: accepted silently, it decides nothing.\n\n\
         | Flag | Environment | File key | Default | | Meaning |\n|---|---|---|---|---|---|\n",
    );
    let code =
        |name: Option<&str>, dashes: &str| name.map_or("–".to_owned(), |name| format!("`{dashes}{name}`"));
    for setting in all() {
        let effect = match setting.effect {
            Works => "",
            NotYet => "not yet",
            Without => "no effect",
            Ignored => "ignored",
        };
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let (flag, env, key) = (code(setting.flag, "--"), code(setting.env, ""), code(setting.key, ""));
        text.push_str(&format!(
            "| {flag} | {env} | {key} | {default} | {effect} | {} |\n",
            setting.help.replace('|', "\\|")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        for name in [|s: &Setting| s.flag, |s: &Setting| s.env, |s: &Setting| s.key] {
            let names: Vec<_> = all().iter().filter_map(name).collect();
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }

    #[test]
    fn irregular_names_of_the_reference_are_there() {
        assert_eq!(
            by_flag("enable-nodejs-instrumentation").unwrap().key,
            Some("enable-node-js-auto-instrumentation")
        );
        assert_eq!(
            by_key("auto-instrumentation-dot-net-image").unwrap().env,
            Some("RELATED_IMAGE_AUTO_INSTRUMENTATION_DOTNET")
        );
    }
}
