//! What the process was told: built-in defaults, then the configuration file, then the environment, then flags.
//!
//! * [`table`]: every setting by its names.
//! * [`arguments`]: the command line.
//! * [`gates`]: feature gates.
//! * [`values`]: who gave which value, and reading it.
//! * [`published`]: the settings of injection as a document in the cluster.

pub mod arguments;
pub mod certificate;
mod collector;
mod election;
pub mod gates;
mod names;
pub mod published;
pub mod table;
pub mod values;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use api::Language;
use clap::ArgMatches;
use serde_json::Value;

use crate::{certificate::Lifetimes, leader, log, manifest, telemetry, tls::TlsSettings};
pub use names::{WEBHOOK_URL, is_namespace, is_webhook_url};
use names::{image, object_name, watch_namespaces, webhook_url};
use values::{Invalid, Values};

/// What the process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `run`: webhooks, controllers, everything.
    Operator,
    /// `webhook-server`: webhooks only. It never leads, and writes nothing but certificates.
    WebhookServer,
}

/// Everything that the process was told.
#[derive(Debug)]
pub struct Process {
    /// What it is there for.
    pub role: Role,
    /// `--feature-gates`.
    pub gates: gates::Gates,
    /// Settings of decisions about pods.
    pub injection: Arc<api::Settings>,
    /// Settings about collectors; what the cluster offers is found out later.
    pub collector: ::collector::admission::Settings,
    /// Every setting that names an image, by its id, and the image.
    pub images: Vec<(&'static str, String)>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--webhook-url`, without a slash at its end.
    pub webhook_url: Option<String>,
    /// `--webhook-service` and the names of the webhook configurations.
    pub names: manifest::Names,
    /// `--install`.
    pub install: bool,
    /// `--state-dir`.
    pub state_dir: PathBuf,
    /// `--ca-store`.
    pub ca_store: certificate::Store,
    /// `--ca-lifetime`, `--certificate-lifetime` and `--ca-overlap`.
    pub lifetimes: Lifetimes,
    /// `--webhook-port`; none when webhooks are off.
    pub webhook_port: Option<u16>,
    /// `--webhook-deadline`.
    pub webhook_deadline: Duration,
    /// `--webhook-prefilter`.
    pub webhook_prefilter: bool,
    /// `--health-probe-addr`; none when it is off.
    pub health: Option<Address>,
    /// `--metrics-addr`; none when it is off.
    pub metrics: Option<Address>,
    /// `--admin-addr`; none when it is off.
    pub admin: Option<Address>,
    /// `--enable-cr-metrics`.
    pub usage_metrics: bool,
    /// `--create-sm-operator-metrics`.
    pub service_monitor: bool,
    /// Where traces of the process go, if anywhere.
    pub telemetry: Option<telemetry::settings::Settings>,
    /// `--metrics-secure`.
    pub metrics_secure: bool,
    /// `--metrics-tls-cert-file` and `--metrics-tls-key-file`.
    pub metrics_files: Option<(PathBuf, PathBuf)>,
    /// `--tls-min-version` and `--tls-cipher-suites`.
    pub tls: TlsSettings,
    /// `--tls-cluster-profile`.
    pub tls_cluster_profile: bool,
    /// `--enable-leader-election` and `--leader-election-*`; none when it is off.
    pub leader_election: Option<leader::Timing>,
    /// `--watch-namespace`; empty for all.
    pub watch_namespaces: BTreeSet<String>,
    /// `--zap-*`.
    pub log: log::Settings,
    /// What the user should know; logged at start.
    pub warnings: Vec<String>,
}

/// Host and port. An empty host means all addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Process {
    /// Reads file, environment and flags, for the operator.
    ///
    /// # Errors
    /// When a value makes no sense; the error names who gave it, the value and the fix.
    pub fn read(matches: &ArgMatches, unknown: Vec<String>) -> Result<Process> {
        Self::read_as(Role::Operator, matches, unknown)
    }

    /// Reads file, environment and flags, for this role.
    ///
    /// # Errors
    /// As [`Process::read`].
    pub fn read_as(role: Role, matches: &ArgMatches, unknown: Vec<String>) -> Result<Process> {
        let mut flags = Values::default();
        arguments::take(matches, &mut flags);
        let path = flags.text("config-file");
        let file = match path.as_str() {
            "" => None,
            path => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("--config-file: cannot read {path:?}"))?,
            ),
        };
        let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let mut values = Values::default();
        values.warnings.extend(
            unknown
                .into_iter()
                .map(|flag| format!("unknown flag {flag} is ignored; see otel-operator run --help")),
        );
        Self::resolve(role, file.as_deref(), variable, |values| arguments::take(matches, values), values)
            .map_err(|error| in_file(error, &path))
    }

    /// Puts the sources together.
    fn resolve(
        role: Role,
        file: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
        flags: impl FnOnce(&mut Values),
        mut values: Values,
    ) -> Result<Process> {
        if let Some(text) = file {
            let document: Value =
                serde_saphyr::from_str(text).context("configuration file: it is no YAML")?;
            match document {
                Value::Null => {}
                Value::Object(keys) => {
                    keys.iter().try_for_each(|(key, value)| values.from_file(key, value))?
                }
                _ => anyhow::bail!("configuration file: it is no object; give keys with values"),
            }
        }
        values.from_environment(&variable);
        flags(&mut values);
        values.warn_of_the_ineffective();
        let telemetry = telemetry::settings::Settings::read(&variable, &mut values.warnings);
        Ok(Process { telemetry, ..Self::typed(role, values)? })
    }

    fn typed(role: Role, mut values: Values) -> Result<Process, Invalid> {
        let injection = Arc::new(injection(&mut values)?);
        let gates = gates::Gates::read(&mut values)?;
        let mut tls_warnings = Vec::new();
        let tls = TlsSettings::read(&values, &mut tls_warnings)?;
        let mut collector = collector::read(&values, &tls)?;
        collector.network_policy = gates.is_on("operand.networkpolicy");
        // A webhook server without webhooks would be nothing.
        let webhooks = values.boolean("enable-webhooks")? || role == Role::WebhookServer;
        // A time that is none is an error whether or not it is used.
        let times = election::times(&values)?;
        let elects = values.boolean("enable-leader-election")? && role == Role::Operator;
        let leader_election = elects.then(|| election::ordered(&values, times)).transpose()?;
        let webhook_port = port(&values)?.filter(|_| webhooks);
        let mut warnings = tls_warnings;
        let log = log::Settings::read(&values)?;
        let files = (values.text("metrics-tls-cert-file"), values.text("metrics-tls-key-file"));
        let metrics_files = match (files.0.as_str(), files.1.as_str()) {
            ("", "") => None,
            ("", _) | (_, "") => {
                warnings.push("--metrics-tls-cert-file and --metrics-tls-key-file only work together: a self-signed certificate is used".to_owned());
                None
            }
            (certificate, key) => Some((PathBuf::from(certificate), PathBuf::from(key))),
        };
        values.warnings.append(&mut warnings);
        let path = |id: &str| Some(values.text(id)).filter(|text| !text.is_empty()).map(PathBuf::from);
        Ok(Process {
            role,
            gates,
            injection,
            collector,
            images: images(&values)?,
            kubeconfig: path("kubeconfig"),
            webhook_url: webhook_url(&values)?,
            names: manifest::Names {
                webhook_service: object_name(&values, "webhook-service")?,
                mutating: object_name(&values, "mutating-webhook-configuration")?,
                validating: object_name(&values, "validating-webhook-configuration")?,
            },
            install: values.boolean("install")?,
            state_dir: path("state-dir").unwrap_or_else(default_state_dir),
            ca_store: certificate::store(&values)?,
            lifetimes: certificate::lifetimes(&values)?,
            webhook_port,
            // Longer than the API server waits would be a promise that nobody keeps.
            webhook_deadline: duration(&values, "webhook-deadline", Duration::from_secs(30))?,
            webhook_prefilter: values.boolean("webhook-prefilter")?,
            health: address(&values, "health-probe-addr")?,
            metrics: address(&values, "metrics-addr")?,
            admin: admin(&values)?,
            usage_metrics: values.boolean("enable-cr-metrics")?,
            service_monitor: values.boolean("create-sm-operator-metrics")?,
            telemetry: None,
            metrics_secure: values.boolean("metrics-secure")?,
            metrics_files,
            tls,
            tls_cluster_profile: values.boolean("tls-cluster-profile")?,
            leader_election,
            watch_namespaces: watch_namespaces(&values)?,
            log,
            warnings: values.warnings,
        })
    }
}

/// The settings that name images. An empty value is what a build without defaults would have; the built-in one is meant.
fn images(values: &Values) -> Result<Vec<(&'static str, String)>, Invalid> {
    let named = table::all().iter().filter(|setting| setting.id().ends_with("-image"));
    named
        .map(|setting| {
            let image = image(values, setting.id())?.unwrap_or_else(|| setting.default.to_owned());
            Ok((setting.id(), image))
        })
        .collect()
}

fn injection(values: &mut Values) -> Result<api::Settings, Invalid> {
    let mut settings = api::Settings {
        multi_instrumentation: values.boolean("enable-multi-instrumentation")?,
        otlp_protocol_by_port: values.boolean("otlp-protocol-by-port")?,
        verdict_annotation: values.boolean("verdict-annotation")?,
        instrumentation_crds: values.boolean("enable-instrumentation-crds")?,
        ..api::Settings::default()
    };
    for language in Language::ALL {
        if let Some(flag) = language.info().enable_flag {
            settings.enabled[language] = values.boolean(flag)?;
        }
        if let Some(flag) = language.info().image_flag
            && let Some(image) = image(values, flag)?
        {
            settings.images[language] = image;
        }
    }
    if let Some(given) = values.given("instrumentations").cloned() {
        match api::instrumentation::parse_static(&given.object, &settings) {
            Ok((instrumentation, warnings)) => {
                settings.static_instrumentation = Some(Arc::new(instrumentation));
                values.warnings.extend(warnings.into_iter().map(|w| format!("{}: {w}", given.origin)));
            }
            Err(message) => {
                let value = given.object.to_string();
                return Err(Invalid {
                    origin: given.origin,
                    value,
                    problem: "refused".to_owned(),
                    fix: message,
                });
            }
        }
        if settings.instrumentation_crds {
            values.warnings.push(
                "configuration file: `instrumentations` is used only with `enable-instrumentation-crds: false`".to_owned(),
            );
        }
    }
    Ok(settings)
}

/// The webhook port: 0 means the default and -1 "no webhooks", as in the reference.
fn port(values: &Values) -> Result<Option<u16>, Invalid> {
    let given = values.get("webhook-port");
    let text = given.texts.last().map(String::as_str).unwrap_or_default();
    match text.parse::<i32>().map(|number| (number, u16::try_from(number))) {
        Ok((-1, _)) => Ok(None),
        Ok((0, _)) => Ok(Some(9443)),
        Ok((_, Ok(port))) => Ok(Some(port)),
        _ => Err(Invalid::new(&given, "no port number", "give a number from 1 to 65535")),
    }
}

/// `host:port`; `0` switches a server off. An empty metrics address means `:8080`, as in the reference.
fn address(values: &Values, id: &str) -> Result<Option<Address>, Invalid> {
    let given = values.get(id);
    let text = given.texts.last().map(String::as_str).unwrap_or_default();
    let text = match (text, id) {
        ("0", _) => return Ok(None),
        ("", "metrics-addr") => ":8080",
        ("", _) => return Ok(None),
        (text, _) => text,
    };
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Some(Address { host: host.to_owned(), port: port.parse().ok()? })
    });
    match parsed {
        Some(address) => Ok(Some(address)),
        None => Err(Invalid::new(&given, "no address", "give host:port, :port, or 0 to switch it off")),
    }
}

/// The administrator's address, which must not be reachable from other pods.
fn admin(values: &Values) -> Result<Option<Address>, Invalid> {
    let address = address(values, "admin-addr")?;
    let loopback = |host: &str| match host.parse::<std::net::IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost",
    };
    match address {
        Some(address) if !loopback(&address.host) => Err(Invalid::new(
            &values.get("admin-addr"),
            "no loopback address",
            "give 127.0.0.1:PORT or [::1]:PORT; nobody is asked who they are there",
        )),
        address => Ok(address),
    }
}

/// Names the configuration file in an error about it.
fn in_file(error: anyhow::Error, path: &str) -> anyhow::Error {
    if path.is_empty() || !error.to_string().starts_with("configuration file") {
        return error;
    }
    error.context(format!("--config-file={path}"))
}

/// A duration as Go writes it, one unit only: `500ms`, `2s`, `1m`.
fn duration(values: &Values, id: &str, longest: Duration) -> Result<Duration, Invalid> {
    let given = values.get(id);
    let text = given.texts.last().map(String::as_str).unwrap_or_default();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let duration = number.parse::<u64>().ok().and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    });
    match duration.filter(|d| !d.is_zero() && *d <= longest) {
        Some(duration) => Ok(duration),
        None => {
            let fix = format!("give a time up to {}s, for example 500ms or 2s", longest.as_secs());
            Err(Invalid::new(&given, "no usable duration", fix))
        }
    }
}

fn default_state_dir() -> PathBuf {
    let base = std::env::var_os("XDG_STATE_HOME").filter(|p| !p.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    base.unwrap_or_else(std::env::temp_dir).join("otel-operator")
}

#[cfg(test)]
mod tests;
