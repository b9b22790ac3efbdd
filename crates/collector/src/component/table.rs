//! Which components listen, where by default, and which only fetch.

use super::Kind;
use crate::config::split_id;

/// What a listening component's port looks like in a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    /// Default port; none if the component has no default.
    pub(crate) port: Option<u16>,
    /// `protocol` of the Service port; empty: not set.
    pub(crate) protocol: &'static str,
    /// `appProtocol` of the Service port; empty: not set.
    pub(crate) app_protocol: &'static str,
    /// Whether the Service port names its target port.
    pub(crate) target_port: bool,
}

/// How the ports of a component are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// One port for each key under `protocols`.
    Protocols(&'static [(&'static str, Listening)]),
    /// One port, from `endpoint` or `listen_address`. No body, no port; a port that cannot be known is an error.
    Single(Listening),
    /// Like `Single`, but a port that cannot be known is no error.
    Silent(Listening),
    /// The API server of the Prometheus receiver.
    PrometheusReceiver,
    /// The query service of Jaeger, with HTTP and gRPC.
    JaegerQuery,
    /// Health checks, for probes.
    HealthCheck,
    /// No ports.
    None,
}

const fn tcp(port: u16) -> Listening {
    Listening { port: Some(port), protocol: "", app_protocol: "", target_port: true }
}

const fn udp(port: u16) -> Listening {
    Listening { protocol: "UDP", ..tcp(port) }
}

const fn app(port: u16, app_protocol: &'static str) -> Listening {
    Listening { app_protocol, ..tcp(port) }
}

const fn explicit_tcp(port: u16, app_protocol: &'static str) -> Listening {
    Listening { protocol: "TCP", ..app(port, app_protocol) }
}

const fn without_default(protocol: &'static str) -> Listening {
    Listening { port: None, protocol, app_protocol: "", target_port: false }
}

/// Receivers that listen, by all the names that they have.
const RECEIVERS: &[(&str, Listener)] = &[
    ("otlp", Listener::Protocols(&[("grpc", app(4317, "grpc")), ("http", app(4318, "http"))])),
    ("skywalking", Listener::Protocols(&[("grpc", app(11800, "grpc")), ("http", app(12800, "http"))])),
    (
        "jaeger",
        Listener::Protocols(&[
            ("grpc", explicit_tcp(14250, "grpc")),
            ("thrift_http", explicit_tcp(14268, "http")),
            ("thrift_compact", udp(6831)),
            ("thrift_binary", udp(6832)),
        ]),
    ),
    ("loki", Listener::Protocols(&[("grpc", app(9095, "grpc")), ("http", app(3100, "http"))])),
    ("awsxray", Listener::Single(udp(2000))),
    ("carbon", Listener::Single(tcp(2003))),
    ("collectd", Listener::Single(tcp(8081))),
    ("fluent_forward", Listener::Single(tcp(8006))),
    ("fluentforward", Listener::Single(tcp(8006))),
    ("influxdb", Listener::Single(tcp(8086))),
    ("sapm", Listener::Single(tcp(7276))),
    ("signalfx", Listener::Single(tcp(9943))),
    ("splunk_hec", Listener::Single(tcp(8088))),
    ("statsd", Listener::Single(udp(8125))),
    ("tcp_log", Listener::Single(without_default("TCP"))),
    ("tcplog", Listener::Single(without_default("TCP"))),
    ("udp_log", Listener::Single(without_default("UDP"))),
    ("udplog", Listener::Single(without_default("UDP"))),
    ("wavefront", Listener::Single(tcp(2003))),
    ("zipkin", Listener::Single(explicit_tcp(9411, "http"))),
    ("prometheus", Listener::PrometheusReceiver),
];

/// Receivers that fetch: their `endpoint` is somebody else's, so it makes no Service port. Sorted, without underscores.
const FETCHING_RECEIVERS: &[&str] = &[
    "activedirectoryds",
    "aerospike",
    "apache",
    "apachespark",
    "awscloudwatch",
    "awscontainerinsightreceiver",
    "awsecscontainermetrics",
    "awss3",
    "azureblob",
    "azureeventhub",
    "azuremonitor",
    "bigip",
    "chrony",
    "ciscoos",
    "cloudfoundry",
    "couchdb",
    "dockerstats",
    "elasticsearch",
    "expvar",
    "filelog",
    "filestats",
    "flinkmetrics",
    "googlecloudmonitoring",
    "googlecloudpubsub",
    "googlecloudspanner",
    "haproxy",
    "hostmetrics",
    "httpcheck",
    "icmpcheck",
    "iis",
    "jmx",
    "journald",
    "k8scluster",
    "k8sevents",
    "k8sobjects",
    "kafka",
    "kafkametrics",
    "kubeletstats",
    "macosunifiedlogging",
    "memcached",
    "mongodb",
    "mysql",
    "namedpipe",
    "nginx",
    "nsxt",
    "ntp",
    "oracledb",
    "otlpjsonfile",
    "podmanstats",
    "postgresql",
    "prometheussimple",
    "pulsar",
    "purefa",
    "purefb",
    "rabbitmq",
    "receivercreator",
    "redis",
    "riak",
    "saphana",
    "snmp",
    "snowflake",
    "splunkenterprise",
    "sqlquery",
    "sqlserver",
    "sshcheck",
    "systemd",
    "tcpcheck",
    "tlscheck",
    "vcenter",
    "windowseventlog",
    "windowsperfcounters",
    "windowsservice",
    "yanggrpc",
    "zookeeper",
];

/// Default of the Prometheus exporter. 8888, which the Go operator takes, is the port of the collector's own metrics.
const PROMETHEUS_EXPORTER: Listening =
    Listening { port: Some(8889), protocol: "", app_protocol: "", target_port: false };

/// Unknown receivers listen where their `endpoint` says.
const UNKNOWN: Listening = without_default("");

/// How the ports of a component are found, by its id.
pub(crate) fn listener(kind: Kind, id: &str) -> Listener {
    let name = split_id(id).0;
    match (kind, name) {
        (Kind::Receiver, _) => match RECEIVERS.iter().find(|(known, _)| *known == name) {
            Some((_, listener)) => *listener,
            None if fetches(name) => Listener::None,
            None => Listener::Silent(UNKNOWN),
        },
        (Kind::Exporter, "prometheus") => Listener::Single(PROMETHEUS_EXPORTER),
        (Kind::Extension, "health_check") => Listener::HealthCheck,
        (Kind::Extension, "jaeger_query") => Listener::JaegerQuery,
        _ => Listener::None,
    }
}

fn fetches(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| *c != '_').collect();
    FETCHING_RECEIVERS.binary_search(&plain.as_str()).is_ok()
}

/// The default port of a protocol of a receiver.
pub(crate) fn default_protocol_port(
    protocols: &[(&'static str, Listening)],
    protocol: &str,
) -> Option<Listening> {
    protocols.iter().find(|(name, _)| *name == protocol).map(|(_, listening)| *listening)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_fetching_receivers_can_be_searched() {
        assert!(FETCHING_RECEIVERS.is_sorted());
    }

    #[test]
    fn receivers_that_fetch_have_no_port_under_any_name() {
        for id in [
            "k8s_objects",
            "k8sobjects/x",
            "elasticsearch",
            "http_check",
            "prometheus_simple",
            "podman_stats",
        ] {
            assert_eq!(listener(Kind::Receiver, id), Listener::None, "{id}");
        }
        assert_eq!(listener(Kind::Receiver, "examplereceiver"), Listener::Silent(UNKNOWN));
    }
}
