//! How a collector is reached: ports, Ingress, Route, HTTPRoute, NetworkPolicy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{IngressRuleType, IngressType, RouteTermination, null_is_default};

/// An entry of `spec.ports`: a port of the Services and of the container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port {
    /// Name; it replaces a port of the configuration that has the same one.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`; empty is TCP.
    #[serde(deserialize_with = "null_is_default")]
    pub protocol: String,
    /// Protocol above, as a hint to load balancers and meshes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// Number in the Service.
    #[serde(deserialize_with = "null_is_default")]
    pub port: i32,
    /// Number or name in the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<Value>,
    /// Number on every node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_port: Option<i32>,
    /// Number on the pod's node; 0 is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_port: Option<i32>,
}

/// `spec.ingress`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ingress {
    /// Ingress, Route, or none of them.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: IngressType,
    /// How the ports are told apart.
    #[serde(deserialize_with = "null_is_default")]
    pub rule_type: IngressRuleType,
    /// Host, or the domain of all hosts.
    #[serde(deserialize_with = "null_is_default")]
    pub hostname: String,
    /// Annotations of the Ingress or the Routes.
    #[serde(deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// Certificates of the Ingress.
    #[serde(deserialize_with = "null_is_default")]
    pub tls: Vec<IngressTls>,
    /// Class of the Ingress.
    pub ingress_class_name: Option<String>,
    /// Settings of the Routes.
    #[serde(deserialize_with = "null_is_default")]
    pub route: Route,
}

/// An entry of `spec.ingress.tls`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressTls {
    /// Hosts of the certificate.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub hosts: Vec<String>,
    /// Secret with the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// `spec.ingress.route`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Route {
    /// Where TLS ends.
    #[serde(deserialize_with = "null_is_default")]
    pub termination: RouteTermination,
}

/// `spec.httpRoute`: an HTTPRoute of the Gateway API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpRoute {
    /// Whether there is one.
    #[serde(deserialize_with = "null_is_default")]
    pub enabled: bool,
    /// Name of the Gateway.
    #[serde(deserialize_with = "null_is_default")]
    pub gateway: String,
    /// Namespace of the Gateway; empty is that of the collector.
    #[serde(deserialize_with = "null_is_default")]
    pub gateway_namespace: String,
    /// Hosts.
    #[serde(deserialize_with = "null_is_default")]
    pub hostnames: Vec<String>,
}

/// `spec.networkPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Whether there is one; undecided when absent.
    pub enabled: Option<bool>,
}
