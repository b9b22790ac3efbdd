//! The standard variables of OpenTelemetry SDKs, as far as traces over HTTP need them.

use std::{path::PathBuf, time::Duration};

use hyper::Uri;

/// Where and how traces are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The URL, path included.
    pub endpoint: Uri,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// PEM of the CA that signed the endpoint's certificate; none: those of the system.
    pub certificate: Option<PathBuf>,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Which traces begin here.
    pub sampler: Sampler,
    /// What the process is.
    pub resource: Vec<(String, String)>,
}

/// Which traces are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    parent_decides: bool,
    /// Trace identifiers below this bound, of 2^63.
    bound: u64,
}

/// Half of a trace identifier, less one bit, is below this.
const ALL: u64 = 1 << 63;

impl Default for Sampler {
    fn default() -> Self {
        Sampler { parent_decides: true, bound: ALL }
    }
}

impl Sampler {
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`; none when the words are unknown.
    pub fn parse(name: &str, argument: &str) -> Option<Sampler> {
        let (parent_decides, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (name.is_empty(), name),
        };
        let bound = match root {
            "" | "always_on" => ALL,
            "always_off" => 0,
            "traceidratio" => {
                let ratio = if argument.is_empty() { 1.0 } else { argument.parse::<f64>().ok()? };
                if !(0.0..=1.0).contains(&ratio) {
                    return None;
                }
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a ratio from 0 to 1 of 2^63"
                )]
                let bound = (ratio * ALL as f64) as u64;
                bound
            }
            _ => return None,
        };
        Some(Sampler { parent_decides, bound })
    }

    /// Whether this trace is sent. `parent` says whether its parent is.
    pub fn samples(&self, trace: [u8; 16], parent: Option<bool>) -> bool {
        if let Some(parent) = parent.filter(|_| self.parent_decides) {
            return parent;
        }
        let [.., a, b, c, d, e, f, g, h] = trace;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.bound
    }
}

impl Settings {
    /// Reads the variables. None when nobody says where to send traces, or that they are off. What cannot be used is no reason
    /// not to start: it is told in `warnings`, and traces are off.
    pub fn read(variable: impl Fn(&str) -> Option<String>, warnings: &mut Vec<String>) -> Option<Settings> {
        let get = |name: &str| variable(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        // Of two variables the one about traces wins.
        let of_traces = |name: &str| {
            get(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| get(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let endpoint = match get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            Some(whole) => whole,
            None => format!("{}/v1/traces", get("OTEL_EXPORTER_OTLP_ENDPOINT")?.trim_end_matches('/')),
        };
        let off = get("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"))
            || get("OTEL_TRACES_EXPORTER").is_some_and(|v| v == "none");
        if off {
            return None;
        }
        let mut refuse = |name: &str, value: &str, fix: &str| {
            warnings.push(format!(
                "environment variable {name}: {value:?} cannot be used, no traces are sent; {fix}"
            ));
            None
        };
        let protocol = of_traces("PROTOCOL").unwrap_or_default();
        if !matches!(protocol.as_str(), "" | "http/protobuf") {
            let fix = "give http/protobuf, and the endpoint's port for HTTP (usually 4318)";
            return refuse("OTEL_EXPORTER_OTLP_PROTOCOL", &protocol, fix);
        }
        let uri = endpoint.parse::<Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        let Some(endpoint) = uri else {
            return refuse("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint, "give http://HOST:4318");
        };
        let (name, argument) = (
            get("OTEL_TRACES_SAMPLER").unwrap_or_default(),
            get("OTEL_TRACES_SAMPLER_ARG").unwrap_or_default(),
        );
        let Some(sampler) = Sampler::parse(&name, &argument) else {
            let fix = "give always_on, always_off, traceidratio or parentbased_ before one of them, and a ratio from 0 to 1";
            return refuse("OTEL_TRACES_SAMPLER", &format!("{name} {argument}"), fix);
        };
        let timeout = of_traces("TIMEOUT").and_then(|v| v.parse().ok()).unwrap_or(10_000);
        let mut resource = pairs(&get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        let set = |resource: &mut Vec<(String, String)>, key: &str, value: String| {
            resource.retain(|(k, _)| k != key);
            resource.push((key.to_owned(), value));
        };
        if let Some(name) = get("OTEL_SERVICE_NAME") {
            set(&mut resource, "service.name", name);
        } else if !resource.iter().any(|(key, _)| key == "service.name") {
            set(&mut resource, "service.name", "opentelemetry-operator".to_owned());
        }
        for (key, value) in [
            ("service.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
            ("k8s.namespace.name", get("NAMESPACE")),
            // In a pod the host name is that of the pod.
            ("k8s.pod.name", get("HOSTNAME").filter(|_| get("KUBERNETES_SERVICE_HOST").is_some())),
        ] {
            if let Some(value) = value
                && !resource.iter().any(|(k, _)| k == key)
            {
                resource.push((key.to_owned(), value));
            }
        }
        Some(Settings {
            endpoint,
            headers: pairs(&of_traces("HEADERS").unwrap_or_default()),
            certificate: of_traces("CERTIFICATE").map(PathBuf::from),
            timeout: Duration::from_millis(timeout),
            sampler,
            resource,
        })
    }
}

/// `key=value,key=value`, percent-decoded; what is no pair is left out.
fn pairs(text: &str) -> Vec<(String, String)> {
    let parts = text.split(',').filter_map(|part| part.split_once('='));
    parts.map(|(key, value)| (key.trim().to_owned(), decoded(value.trim()))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<Settings>, Vec<String>) {
        let mut warnings = Vec::new();
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let settings = Settings::read(variable, &mut warnings);
        (settings, warnings)
    }

    #[test]
    fn without_an_endpoint_nothing_is_sent() {
        assert_eq!(read(&[]), (None, Vec::new()));
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert_eq!(read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).0, None);
        assert_eq!(read(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]).0, None);
    }

    #[test]
    fn the_endpoint_is_a_base_unless_it_is_that_of_traces() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        assert_eq!(read(&[base]).0.unwrap().endpoint, "http://collector:4318/v1/traces");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://other/traces");
        assert_eq!(read(&[base, traces]).0.unwrap().endpoint, "https://other/traces");
    }

    #[test]
    fn what_cannot_be_used_is_told_and_stops_nothing() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ] {
            let (settings, warnings) = read(&[endpoint, (name, value)]);
            assert_eq!(settings, None);
            assert!(warnings[0].contains(value) && warnings[0].contains("give"), "{warnings:?}");
        }
    }

    #[test]
    fn the_resource_names_the_process() {
        let (settings, _) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=a%2Cb, k8s.cluster.name=prod"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x"),
            ("NAMESPACE", "otel"),
        ]);
        let settings = settings.unwrap();
        let value = |key: &str| settings.resource.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!(value("service.name"), Some("opentelemetry-operator"));
        assert_eq!((value("team"), value("k8s.cluster.name")), (Some("a,b"), Some("prod")));
        assert_eq!(value("k8s.namespace.name"), Some("otel"));
        assert_eq!(settings.headers, [("authorization".to_owned(), "Bearer x".to_owned())]);
    }

    #[test]
    fn a_ratio_takes_that_part_of_the_traces() {
        let half = Sampler::parse("parentbased_traceidratio", "0.5").unwrap();
        let trace = |byte: u8| {
            let mut trace = [0; 16];
            trace[8] = byte;
            trace
        };
        assert!(half.samples(trace(0x7f), None) && !half.samples(trace(0x80), None));
        assert!(half.samples(trace(0x80), Some(true)) && !half.samples(trace(0), Some(false)));
        let own = Sampler::parse("traceidratio", "0.5").unwrap();
        assert!(!own.samples(trace(0x80), Some(true)), "the parent has no say");
        assert!(Sampler::parse("always_on", "").unwrap().samples([0xff; 16], None));
        assert_eq!(Sampler::parse("traceidratio", "2"), None);
    }
}
