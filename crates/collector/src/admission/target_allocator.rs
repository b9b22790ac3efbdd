//! The embedded target allocator (collector.md 7.2).

use serde_json::{Map, Value};

use super::{
    Settings,
    access::{Asked, Asking, Subject, lines},
    defaulting::{config, mode},
    read::{field, flag, is_set, text},
};

/// What is wrong with it.
pub(super) fn check(raw: &Value, settings: &Settings) -> Option<String> {
    modes(raw).or_else(|| prometheus(raw)).or_else(|| mtls(raw, settings))
}

fn modes(raw: &Value) -> Option<String> {
    let mode = mode(raw);
    let given = text(raw, &["spec", "targetAllocator", "allocationStrategy"]);
    let strategy = if given.is_empty() { "consistent-hashing" } else { given };
    match mode {
        "statefulset" if strategy == "per-node" => Some(
            "target allocation strategy per-node is only supported in OpenTelemetry Collector mode daemonset; use another \
             spec.targetAllocator.allocationStrategy, or spec.mode daemonset"
                .to_owned(),
        ),
        "daemonset" if strategy != "per-node" => Some(format!(
            "the OpenTelemetry Collector mode is set to daemonset, which must be used with target allocation strategy per-node ; \
             set spec.targetAllocator.allocationStrategy ({strategy}) to per-node"
        )),
        "statefulset" | "daemonset" => None,
        _ => Some(format!(
            "the OpenTelemetry Collector mode is set to {mode}, which does not support the target allocation deployment; use \
             spec.mode statefulset or daemonset, or remove spec.targetAllocator"
        )),
    }
}

fn prometheus(raw: &Value) -> Option<String> {
    let receivers = config(raw).get("receivers").filter(|r| !r.is_null());
    let incorrect = |what: &str, fix: &str| {
        Some(format!("the OpenTelemetry Spec Prometheus configuration is incorrect, {what}; {fix}"))
    };
    let add = "add the receiver prometheus to spec.config.receivers";
    let Some(receivers) = receivers else {
        return incorrect("no receivers available as part of the configuration", add);
    };
    let Some(receivers) = receivers.as_object() else {
        return incorrect("receivers property in the configuration doesn't contain valid receivers", add);
    };
    let Some(prometheus) = receivers.get("prometheus") else {
        return named_instances(receivers)
            .or_else(|| incorrect("no prometheus available as part of the configuration", add));
    };
    let Some(prometheus) = prometheus.as_object() else {
        let what = "prometheus property in the configuration doesn't contain valid prometheus";
        return incorrect(what, "make spec.config.receivers.prometheus a map");
    };
    if flag(raw, &["spec", "targetAllocator", "prometheusCR", "enabled"]) {
        return None;
    }
    let own = prometheus.get("config").filter(|config| !config.is_null())?;
    scrape_configs(own).and_then(|what| {
        incorrect(what, "give scrape_configs a list of jobs, or enable spec.targetAllocator.prometheusCR")
    })
}

fn named_instances(receivers: &Map<String, Value>) -> Option<String> {
    let named: Vec<&str> =
        receivers.keys().map(String::as_str).filter(|id| id.starts_with("prometheus/")).collect();
    (!named.is_empty()).then(|| {
        let named = named.join(", ");
        format!(
            "the target allocator requires a receiver named exactly \"prometheus\", but only named instances were found: \
             {named}; rename one of them to \"prometheus\""
        )
    })
}

fn scrape_configs(prometheus: &Value) -> Option<&'static str> {
    let Some(prometheus) = prometheus.as_object() else {
        return Some("prometheusConfig property in the configuration doesn't contain valid prometheusConfig");
    };
    match prometheus.get("scrape_configs").filter(|configs| !configs.is_null()) {
        None => Some("no scrape_configs available as part of the configuration"),
        Some(Value::Array(configs)) if configs.is_empty() => {
            Some("either at least one scrape config needs to be defined or PrometheusCR needs to be enabled")
        }
        Some(Value::Array(configs)) if configs.iter().all(Value::is_object) => None,
        Some(Value::Array(_)) => {
            Some("scrape_config property in the configuration doesn't contain valid scrape_config")
        }
        Some(_) => Some("scrape_configs must be a list in the config"),
    }
}

fn mtls(raw: &Value, settings: &Settings) -> Option<String> {
    let of = |keys: &[&'static str]| [&["spec", "targetAllocator", "mtls"], keys].concat();
    if !flag(raw, &of(&["enabled"])) {
        return None;
    }
    let cert_manager = field(raw, &of(&["useCertManager"])).and_then(Value::as_bool).unwrap_or(true);
    if cert_manager {
        return (!settings.cert_manager).then(|| {
            "mTLS is enabled with useCertManager but cert-manager is not available; install cert-manager and restart the operator, \
             or set useCertManager to false; the field is spec.targetAllocator.mtls.useCertManager"
                .to_owned()
        });
    }
    let has = |keys: &[&'static str]| is_set(raw, &of(&[&["tls"], keys].concat()));
    if !has(&["serverCertificate"]) || !has(&["clientCertificate"]) {
        return Some(
            "mTLS is enabled with useCertManager set to false; tls.serverCertificate and tls.clientCertificate must both be set; \
             set them in spec.targetAllocator.mtls.tls"
                .to_owned(),
        );
    }
    if !has(&["certificateAuthorityCertificate"]) {
        return Some(
            "mTLS is enabled with useCertManager set to false; tls.certificateAuthorityCertificate must be set; set it in \
             spec.targetAllocator.mtls.tls"
                .to_owned(),
        );
    }
    let source = |key: &'static str| has(&["certificateAuthorityCertificate", key]);
    (source("secret") == source("configMap")).then(|| {
        "tls.certificateAuthorityCertificate must set exactly one of secret or configMap; correct it in \
         spec.targetAllocator.mtls.tls"
            .to_owned()
    })
}

/// What the allocator's account must be allowed to find Prometheus objects: group, resources, verbs.
const RULES: [(&str, &[&str], &[&str]); 5] = [
    ("monitoring.coreos.com", &["servicemonitors", "podmonitors"], &["*"]),
    (
        "",
        &["nodes", "nodes/metrics", "services", "endpoints", "pods", "namespaces"],
        &["get", "list", "watch"],
    ),
    ("", &["configmaps"], &["get"]),
    ("discovery.k8s.io", &["endpointslices"], &["get", "list", "watch"]),
    ("networking.k8s.io", &["ingresses"], &["get", "list", "watch"]),
];

const PATHS: [&str; 5] = ["/metrics", "/api", "/api/*", "/apis", "/apis/*"];

/// What the allocator's account lacks.
///
/// # Errors
/// If the API server could not say.
pub(super) fn warnings(raw: &Value, asking: &mut Asking<'_>) -> Result<Vec<String>, String> {
    if !flag(raw, &["spec", "targetAllocator", "prometheusCR", "enabled"]) {
        return Ok(Vec::new());
    }
    let mut asked = Vec::new();
    for (group, resources, verbs) in RULES {
        for resource in resources {
            asked.extend(verbs.iter().map(|verb| Asked::Resource {
                group: group.to_owned(),
                resource: (*resource).to_owned(),
                verb: (*verb).to_owned(),
            }));
        }
    }
    asked.extend(PATHS.iter().map(|path| Asked::Path { path: (*path).to_owned(), verb: "get".to_owned() }));
    let given = text(raw, &["spec", "targetAllocator", "serviceAccount"]);
    let own = format!("{}-targetallocator", text(raw, &["metadata", "name"]));
    let account =
        Subject::account(text(raw, &["metadata", "namespace"]), if given.is_empty() { &own } else { given });
    match asking.denied(&account, &asked) {
        Ok(denied) => Ok(lines(&account.name, &denied)),
        Err(error) => Err(format!("unable to check rbac rules {error}; try again")),
    }
}
