//! Ports that collectors listen on, derived from the configuration.

use std::{cmp::Ordering, collections::BTreeSet};

use serde_json::{Map, Value};

use super::{
    Kind, Problem,
    decode::{field, map, text},
    table::{Listener, Listening, default_protocol_port, listener},
};
use crate::config::{Config, Path, endpoint};

/// A Service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name; may be longer than the 15 characters that Kubernetes allows only where the Go operator's is (never for inferred ports).
    pub name: String,
    /// Number, as written: above 65535 too, which admission refuses.
    pub number: i32,
    /// `protocol`; none: not set, which means TCP.
    pub protocol: Option<&'static str>,
    /// `appProtocol`.
    pub app_protocol: Option<&'static str>,
    /// `targetPort`, always the same number where set.
    pub target_port: Option<i32>,
    /// The component that listens.
    pub component: (Kind, String),
    /// Where the port is written, or would be.
    pub path: Path,
}

impl Port {
    /// The transport protocol, `TCP` where none is set.
    pub fn transport(&self) -> &'static str {
        self.protocol.unwrap_or("TCP")
    }
}

/// The ports of all enabled components of these kinds, sorted by name.
///
/// Two components may give the same port; see [`distinct`].
///
/// # Errors
/// The first component, by kind and id, that cannot be understood.
pub fn ports(config: &Config<'_>, kinds: &[Kind]) -> Result<Vec<Port>, Problem> {
    let mut ports = Vec::new();
    for kind in kinds {
        for (id, body) in config.enabled(*kind) {
            ports.extend(component_ports(*kind, id, *body)?);
        }
    }
    ports.sort_by(order);
    Ok(ports)
}

/// The ports of those enabled components that can be understood, sorted by name. What is defined without a body listens at its
/// default.
pub fn understood_ports(config: &Config<'_>) -> Vec<Port> {
    let empty = Value::Object(Map::new());
    let enabled = Kind::ALL.iter().flat_map(|kind| config.enabled(*kind).iter().map(move |c| (*kind, c)));
    let mut ports: Vec<Port> = enabled
        .flat_map(|(kind, (id, body))| {
            let body = body.map(|body| if body.is_null() { &empty } else { body });
            component_ports(kind, id, body).unwrap_or_default()
        })
        .collect();
    ports.sort_by(order);
    ports
}

/// Every kind that listens: the Go operator's *all ports*.
pub const LISTENING_KINDS: [Kind; 3] = [Kind::Receiver, Kind::Exporter, Kind::Extension];

fn order(a: &Port, b: &Port) -> Ordering {
    a.name.cmp(&b.name).then(a.number.cmp(&b.number))
}

/// The ports that the API server accepts in one Service: of equal number and protocol the first stays; a second port of the same
/// name is called `port-<number>`, and dropped if that is taken as well.
pub fn distinct(ports: Vec<Port>) -> Vec<Port> {
    let mut numbers = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut kept = Vec::with_capacity(ports.len());
    for mut port in ports {
        if !numbers.insert((port.number, port.transport())) {
            continue;
        }
        if !names.insert(port.name.clone()) {
            port.name = format!("port-{}", port.number);
            if !names.insert(port.name.clone()) {
                continue;
            }
        }
        kept.push(port);
    }
    kept.sort_by(order);
    kept
}

/// The ports of one component.
///
/// # Errors
/// If the component cannot be understood, or has no port although it must have one.
pub fn component_ports(kind: Kind, id: &str, body: Option<&Value>) -> Result<Vec<Port>, Problem> {
    let path = || Path::of(&[kind.section(), id]);
    let one = |listening: Listening, number: Option<i32>, path: Path| {
        number.map(|number| port(kind, id, id, number, listening, path)).into_iter().collect()
    };
    match listener(kind, id) {
        Listener::None => Ok(Vec::new()),
        Listener::Protocols(known) => {
            let Some(body) = map(body, path, "")? else { return Ok(Vec::new()) };
            let protocols = || path().join("protocols");
            let Some(map_of_protocols) = map(field(body, "protocols"), protocols, "protocols")? else {
                return Ok(Vec::new());
            };
            let mut ports = Vec::new();
            for (protocol, body) in map_of_protocols {
                // A protocol of a newer collector is no reason to refuse it; a check reports it.
                let Some(listening) = default_protocol_port(known, protocol) else { continue };
                let at = || protocols().join(protocol.as_str());
                let view = map(Some(body), at, &format!("protocols[{protocol}]"))?;
                let (number, path) = single(view, listening, at)?;
                let name = format!("{id}-{protocol}");
                ports.extend(number.map(|number| port(kind, id, &name, number, listening, path)));
            }
            Ok(ports)
        }
        Listener::Single(listening) => {
            let Some(body) = map(body, path, "")? else { return Ok(Vec::new()) };
            let (number, at) = single(Some(body), listening, path)?;
            if number.is_none() {
                return Err(Problem {
                    message: "port should not be empty".to_owned(),
                    fix: format!(
                        "set {} to host:port, for example 0.0.0.0:54525",
                        path().join("listen_address")
                    ),
                    path: path(),
                });
            }
            Ok(one(listening, number, at))
        }
        Listener::Silent(listening) => {
            let (number, at) = single(map(body, path, "")?, listening, path)?;
            Ok(one(listening, number, at))
        }
        Listener::HealthCheck => {
            let listening =
                Listening { port: Some(13133), protocol: "", app_protocol: "", target_port: false };
            let (number, at) = single(map(body, path, "")?, listening, path)?;
            Ok(one(listening, number, at))
        }
        Listener::PrometheusReceiver => {
            let api = body.and_then(Value::as_object).and_then(|b| field(b, "api_server"));
            let api = api.and_then(Value::as_object);
            let enabled = api.and_then(|a| field(a, "enabled")).and_then(Value::as_bool) == Some(true);
            let server = api.and_then(|a| field(a, "server_config")).and_then(Value::as_object);
            let endpoint_text = server.and_then(|s| field(s, "endpoint")).and_then(Value::as_str);
            let number = endpoint_text.filter(|_| enabled).and_then(endpoint::port);
            let listening = Listening { port: None, protocol: "", app_protocol: "", target_port: false };
            Ok(one(listening, number, path().join("api_server").join("server_config").join("endpoint")))
        }
        Listener::JaegerQuery => jaeger_query(id, body),
    }
}

fn jaeger_query(id: &str, body: Option<&Value>) -> Result<Vec<Port>, Problem> {
    let path = || Path::of(&["extensions", id]);
    let Some(body) = map(body, path, "")? else { return Ok(Vec::new()) };
    let listening = Listening { port: Some(16686), protocol: "", app_protocol: "", target_port: true };
    let protocol = |key: &'static str| {
        let at = move || path().join(key);
        map(field(body, key), at, key).map(|view| (view, at))
    };
    let (http, http_path) = protocol("http")?;
    let (http_port, at) = single(http, listening, http_path)?;
    let http_port = http_port.unwrap_or(16686);
    let mut ports = vec![port(Kind::Extension, id, id, http_port, listening, at)];
    let (grpc, grpc_path) = protocol("grpc")?;
    let grpc_endpoint = grpc.map(|g| text(g, "endpoint", grpc_path)).transpose()?.unwrap_or_default();
    if let Some(grpc_port) = endpoint::port(grpc_endpoint).filter(|port| *port != http_port) {
        let name = format!("{id}-2");
        ports.push(port(Kind::Extension, id, &name, grpc_port, listening, grpc_path().join("endpoint")));
    }
    Ok(ports)
}

/// The port of a single endpoint and where it is written.
fn single(
    view: Option<&Map<String, Value>>,
    listening: Listening,
    path: impl Fn() -> Path,
) -> Result<(Option<i32>, Path), Problem> {
    let default = listening.port.map(i32::from);
    let Some(view) = view else { return Ok((default, path())) };
    for key in ["endpoint", "listen_address"] {
        let value = text(view, key, &path)?;
        if !value.is_empty() {
            return Ok((endpoint::port(value).or(default), path().join(key)));
        }
    }
    Ok((default, path()))
}

fn port(kind: Kind, id: &str, name: &str, number: i32, listening: Listening, path: Path) -> Port {
    let set = |text: &'static str| (!text.is_empty()).then_some(text);
    Port {
        name: port_name(name, number),
        number,
        protocol: set(listening.protocol),
        app_protocol: set(listening.app_protocol),
        target_port: listening.target_port.then_some(number),
        component: (kind, id.to_owned()),
        path,
    }
}

/// The name of a port: the component's, where Kubernetes accepts it as the name of a Service port and of a container port.
pub fn port_name(component: &str, number: i32) -> String {
    let name: String = component.chars().map(|c| if c == '/' || c == '_' { '-' } else { c }).collect();
    if component.len() <= 15 && is_port_name(&name) { name } else { format!("port-{number}") }
}

/// Whether Kubernetes accepts a name for a port of a Service and of a container (IANA service names).
pub fn is_port_name(name: &str) -> bool {
    port_name_problems(name).is_empty()
}

/// What Kubernetes finds wrong with the name of a port, in its own words.
pub fn port_name_problems(name: &str) -> Vec<&'static str> {
    let mut problems = Vec::new();
    if name.len() > 15 {
        problems.push("must be no more than 15 characters");
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || !name.bytes().all(allowed) {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        problems.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        problems.push("must not begin or end with a hyphen");
    }
    problems
}

/// What Kubernetes finds wrong with the number of a port, in its own words.
pub fn port_number_problems(number: i64) -> Vec<&'static str> {
    if (1..=65535).contains(&number) { Vec::new() } else { vec!["must be between 1 and 65535, inclusive"] }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `name port/protocol appProtocol targetPort` of each port.
    fn shown(kind: Kind, id: &str, body: Value) -> Vec<String> {
        component_ports(kind, id, Some(&body)).unwrap().iter().map(show).collect()
    }

    fn show(port: &Port) -> String {
        let target = port.target_port.map_or(String::new(), |p| format!(" target {p}"));
        format!(
            "{} {}/{} {}{target}",
            port.name,
            port.number,
            port.protocol.unwrap_or("-"),
            port.app_protocol.unwrap_or("-")
        )
    }

    #[test]
    fn receivers_of_several_protocols_have_a_port_for_each() {
        assert_eq!(
            shown(
                Kind::Receiver,
                "jaeger",
                json!({"protocols": {"grpc": null, "thrift_http": {}, "thrift_compact": {}, "thrift_binary": {}}})
            ),
            [
                "jaeger-grpc 14250/TCP grpc target 14250",
                "port-6832 6832/UDP - target 6832",
                "port-6831 6831/UDP - target 6831",
                "port-14268 14268/TCP http target 14268",
            ]
        );
        assert_eq!(
            shown(Kind::Receiver, "otlp/test", json!({"protocols": {"grpc": {"endpoint": "0.0.0.0:1234"}}})),
            ["otlp-test-grpc 1234/- grpc target 1234"]
        );
        assert_eq!(shown(Kind::Receiver, "otlp", json!({})), [""; 0]);
    }

    #[test]
    fn an_unknown_protocol_is_skipped() {
        assert_eq!(
            shown(Kind::Receiver, "otlp", json!({"protocols": {"quic": {}, "http": {}}})),
            ["otlp-http 4318/- http target 4318"]
        );
    }

    #[test]
    fn an_address_of_ip_version_6_has_its_own_port() {
        assert_eq!(
            shown(Kind::Receiver, "zipkin", json!({"endpoint": "[::1]:9411"})),
            ["zipkin 9411/TCP http target 9411"]
        );
    }

    #[test]
    fn a_scraper_has_no_port_and_an_unknown_receiver_has_that_of_its_endpoint() {
        assert_eq!(shown(Kind::Receiver, "elasticsearch", json!({"endpoint": "http://es:9200"})), [""; 0]);
        assert_eq!(
            shown(Kind::Receiver, "examplereceiver", json!({"endpoint": "0.0.0.0:12345"})),
            ["examplereceiver 12345/- -"]
        );
        assert_eq!(shown(Kind::Receiver, "examplereceiver", json!({})), [""; 0]);
    }

    #[test]
    fn jaeger_query_has_two_ports_when_they_differ() {
        assert_eq!(
            shown(Kind::Extension, "jaeger_query", json!({"grpc": {"endpoint": "0.0.0.0:16685"}})),
            ["jaeger-query 16686/- - target 16686", "jaeger-query-2 16685/- - target 16685"]
        );
        let same = json!({"http": {"endpoint": "0.0.0.0:16685"}, "grpc": {"endpoint": "0.0.0.0:16685"}});
        assert_eq!(shown(Kind::Extension, "jaeger_query", same), ["jaeger-query 16685/- - target 16685"]);
        let unknown = json!({"grpc": {"endpoint": "0.0.0.0:${env:P}"}});
        assert_eq!(shown(Kind::Extension, "jaeger_query", unknown), ["jaeger-query 16686/- - target 16686"]);
    }

    #[test]
    fn the_prometheus_receiver_has_a_port_for_its_api_alone() {
        let api = |enabled: bool| json!({"api_server": {"enabled": enabled, "server_config": {"endpoint": "localhost:9090"}}});
        assert_eq!(shown(Kind::Receiver, "prometheus", api(true)), ["prometheus 9090/- -"]);
        assert_eq!(shown(Kind::Receiver, "prometheus", api(false)), [""; 0]);
    }

    #[test]
    fn the_prometheus_exporter_keeps_clear_of_the_collectors_own_metrics() {
        assert_eq!(shown(Kind::Exporter, "prometheus", json!({})), ["prometheus 8889/- -"]);
        assert_eq!(shown(Kind::Exporter, "otlp", json!({"endpoint": "a:4317"})), [""; 0]);
    }

    #[test]
    fn health_checks_have_a_port_without_a_body() {
        assert_eq!(shown(Kind::Extension, "health_check", json!(null)), ["health-check 13133/- -"]);
        assert_eq!(shown(Kind::Extension, "healthcheckv2", json!({"endpoint": "a:1"})), [""; 0]);
    }

    #[test]
    fn what_is_no_map_is_an_error_in_the_known_words() {
        let error = component_ports(Kind::Receiver, "otlp", Some(&json!(["junk"]))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "'' expected a map, got 'slice'; make receivers.otlp a map of settings"
        );
        let error = component_ports(Kind::Receiver, "tcp_log", Some(&json!({}))).unwrap_err();
        assert_eq!(error.message, "port should not be empty");
        let error = component_ports(Kind::Receiver, "zipkin", Some(&json!({"endpoint": 9411}))).unwrap_err();
        assert_eq!(
            error.message,
            "'endpoint' expected type 'string', got unconvertible type 'float64', value: '9411'"
        );
        let reference = json!("${file:otlp.yaml}");
        assert_eq!(component_ports(Kind::Receiver, "otlp", Some(&reference)), Ok(Vec::new()));
    }

    #[test]
    fn names_that_kubernetes_refuses_fall_back_to_the_number() {
        for (name, expected) in [
            ("otlp-grpc", "otlp-grpc"),
            ("splunk_hec", "splunk-hec"),
            ("otlp/Foo-grpc", "port-1"),
            ("zipkin/a.b", "port-1"),
            ("zipkin/", "port-1"),
            ("zipkin//b", "port-1"),
            ("fifteen-letters", "fifteen-letters"),
            ("sixteen--letters", "port-1"),
        ] {
            assert_eq!(port_name(name, 1), expected, "{name}");
        }
    }

    #[test]
    fn one_service_gets_each_port_once() {
        let raw = json!({
            "receivers": {"carbon": {}, "wavefront": {}, "prometheus": {"api_server": {"enabled": true, "server_config": {"endpoint": "0.0.0.0:9090"}}}},
            "exporters": {"prometheus": {"endpoint": "0.0.0.0:8889"}},
            "service": {"pipelines": {"metrics": {"receivers": ["carbon", "wavefront", "prometheus"], "exporters": ["prometheus"]}}},
        });
        let ports = ports(&Config::read(&raw), &[Kind::Receiver, Kind::Exporter]).unwrap();
        let names: Vec<String> = ports.iter().map(|p| format!("{} {}", p.name, p.number)).collect();
        assert_eq!(names, ["carbon 2003", "prometheus 8889", "prometheus 9090", "wavefront 2003"]);
        let names: Vec<String> = distinct(ports).iter().map(|p| format!("{} {}", p.name, p.number)).collect();
        assert_eq!(names, ["carbon 2003", "port-9090 9090", "prometheus 8889"]);
    }
}
