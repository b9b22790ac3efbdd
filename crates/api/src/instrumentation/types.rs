//! The fields of `Instrumentation`, as the engine reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Language;

/// An Instrumentation, as far as injection reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Instrumentation {
    /// Name, namespace, annotations and generation.
    pub metadata: Metadata,
    /// The wished settings.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: InstrumentationSpec,
}

/// The part of an object's metadata that injection reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Object name.
    pub name: String,
    /// Namespace; empty for the static Instrumentation of the configuration file.
    pub namespace: String,
    /// Generation of the spec, counted by the API server.
    pub generation: i64,
    /// UID; empty when it came from a file.
    #[serde(deserialize_with = "null_is_default")]
    pub uid: String,
    /// Annotations.
    #[serde(deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// `Instrumentation.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct InstrumentationSpec {
    /// Where telemetry is sent.
    #[serde(deserialize_with = "null_is_default")]
    pub exporter: Exporter,
    /// Resource attributes.
    #[serde(deserialize_with = "null_is_default")]
    pub resource: Resource,
    /// `OTEL_PROPAGATORS`.
    #[serde(deserialize_with = "null_is_default")]
    pub propagators: Vec<String>,
    /// `OTEL_TRACES_SAMPLER` and its argument.
    #[serde(deserialize_with = "null_is_default")]
    pub sampler: Sampler,
    /// How derived attributes are found.
    #[serde(deserialize_with = "null_is_default")]
    pub defaults: Defaults,
    /// Common environment variables, for every language.
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<EnvVar>,
    /// Pull policy of the agents' init containers.
    #[serde(deserialize_with = "null_is_default")]
    pub image_pull_policy: String,
    /// Security context of the agents' init containers; overrides what they would inherit from the target.
    pub init_container_security_context: Option<Value>,
    /// Java.
    #[serde(deserialize_with = "null_is_default")]
    pub java: Java,
    /// Node.js.
    #[serde(deserialize_with = "null_is_default")]
    pub nodejs: NodeJs,
    /// Python.
    #[serde(deserialize_with = "null_is_default")]
    pub python: Python,
    /// .NET.
    #[serde(deserialize_with = "null_is_default")]
    pub dotnet: DotNet,
    /// Go.
    #[serde(deserialize_with = "null_is_default")]
    pub go: Go,
    /// Apache HTTPD.
    #[serde(deserialize_with = "null_is_default")]
    pub apache_httpd: ApacheHttpd,
    /// Nginx.
    #[serde(deserialize_with = "null_is_default")]
    pub nginx: Nginx,
}

/// `spec.exporter`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Exporter {
    /// OTLP endpoint.
    #[serde(deserialize_with = "null_is_default")]
    pub endpoint: String,
    /// Certificates for the connection to the endpoint.
    pub tls: Option<Tls>,
}

/// `spec.exporter.tls`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// Secret in the pod's namespace with certificates and key.
    #[serde(rename = "secretName", deserialize_with = "null_is_default")]
    pub secret_name: String,
    /// ConfigMap in the pod's namespace with the CA certificate.
    #[serde(rename = "configMapName", deserialize_with = "null_is_default")]
    pub config_map_name: String,
    /// Key or absolute path of the CA certificate.
    #[serde(deserialize_with = "null_is_default")]
    pub ca_file: String,
    /// Key or absolute path of the client certificate.
    #[serde(deserialize_with = "null_is_default")]
    pub cert_file: String,
    /// Key or absolute path of the client key.
    #[serde(deserialize_with = "null_is_default")]
    pub key_file: String,
}

/// `spec.resource`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resource {
    /// Attributes given literally.
    #[serde(deserialize_with = "null_is_default")]
    pub resource_attributes: BTreeMap<String, String>,
    /// Whether UIDs of the pod and its owners are added.
    #[serde(rename = "addK8sUIDAttributes", deserialize_with = "null_is_default")]
    pub add_k8s_uid_attributes: bool,
}

/// `spec.sampler`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Sampler {
    /// Sampler name.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
    /// Sampler argument.
    #[serde(deserialize_with = "null_is_default")]
    pub argument: String,
}

/// `spec.defaults`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Defaults {
    /// Whether `app.kubernetes.io/*` labels of the pod are used for service attributes.
    #[serde(deserialize_with = "null_is_default")]
    pub use_labels_for_resource_attributes: bool,
}

/// An environment variable. `valueFrom` is passed on as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Literal value.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "scalar_as_string")]
    pub value: Option<String>,
    /// Source of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Value>,
}

/// Resource requirements as written: quantities stay strings or numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceRequirements {
    /// Limits by resource name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<BTreeMap<String, Value>>,
    /// Requests by resource name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<BTreeMap<String, Value>>,
    /// Dynamic resource claims, passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<Value>>,
}

/// What every language with an agent image has.
pub trait Agent {
    /// Agent image.
    fn image(&self) -> &str;
    /// Language environment variables.
    fn env(&self) -> &[EnvVar];
    /// Resources of the agent's containers.
    fn resources(&self) -> &ResourceRequirements;
    /// Size limit of the agent's emptyDir volume, a quantity.
    fn volume_limit_size(&self) -> Option<&Value>;
    /// Template of an ephemeral volume; none when no leaf of it is set (addendum 7).
    fn volume_claim_template(&self) -> Option<&Value>;
}

macro_rules! agent {
    ($(#[$doc:meta])* $name:ident, $resources:literal { $($(#[$field_doc:meta])* $field:ident : $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub struct $name {
            /// Agent image.
            #[serde(deserialize_with = "null_is_default")]
            pub image: String,
            /// Environment variables of this language only.
            #[serde(deserialize_with = "null_is_default")]
            pub env: Vec<EnvVar>,
            /// Resources of the agent's containers.
            #[serde(rename = $resources, deserialize_with = "null_is_default")]
            pub resources: ResourceRequirements,
            /// Size limit of the agent's emptyDir volume (deprecated).
            pub volume_limit_size: Option<Value>,
            /// Template of an ephemeral volume instead of an emptyDir.
            pub volume_claim_template: Option<Value>,
            $($(#[$field_doc])* #[serde(deserialize_with = "null_is_default")] pub $field: $type,)*
        }

        impl Agent for $name {
            fn image(&self) -> &str {
                &self.image
            }
            fn env(&self) -> &[EnvVar] {
                &self.env
            }
            fn resources(&self) -> &ResourceRequirements {
                &self.resources
            }
            fn volume_limit_size(&self) -> Option<&Value> {
                self.volume_limit_size.as_ref().filter(|v| !v.is_null())
            }
            fn volume_claim_template(&self) -> Option<&Value> {
                self.volume_claim_template.as_ref().filter(|v| has_leaf(v))
            }
        }
    };
}

agent!(/// `spec.java`.
    Java, "resources" {
    /// Agent extensions, copied beside the agent.
    extensions: Vec<JavaExtension>,
});
agent!(/// `spec.nodejs`.
    NodeJs, "resourceRequirements" {});
agent!(/// `spec.python`.
    Python, "resourceRequirements" {});
agent!(/// `spec.dotnet`.
    DotNet, "resourceRequirements" {});
agent!(/// `spec.go`.
    Go, "resourceRequirements" {
    /// Security context of the agent's sidecar.
    security_context: Option<Value>,
});
agent!(/// `spec.apacheHttpd`.
    ApacheHttpd, "resourceRequirements" {
    /// Agent directives.
    attrs: Vec<EnvVar>,
    /// Apache version: `2.4`, or `2.2`.
    version: String,
    /// Configuration directory of the server.
    config_path: String,
});
agent!(/// `spec.nginx`.
    Nginx, "resourceRequirements" {
    /// Agent directives.
    attrs: Vec<EnvVar>,
    /// Configuration file of the server.
    config_file: String,
});

/// `spec.java.extensions[]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JavaExtension {
    /// Image that holds the extension.
    pub image: String,
    /// Directory in the image.
    pub dir: String,
}

impl InstrumentationSpec {
    /// The settings of a language's agent; none for sdk.
    pub fn agent(&self, language: Language) -> Option<&dyn Agent> {
        Some(match language {
            Language::Java => &self.java,
            Language::NodeJs => &self.nodejs,
            Language::Python => &self.python,
            Language::DotNet => &self.dotnet,
            Language::Go => &self.go,
            Language::ApacheHttpd => &self.apache_httpd,
            Language::Nginx => &self.nginx,
            Language::Sdk => return None,
        })
    }
}

/// Whether any leaf below this value is set. Empty objects and lists that serialisers leave behind
/// (`{metadata: {}, spec: {resources: {}}}`) do not count.
pub fn has_leaf(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(map) => map.values().any(has_leaf),
        Value::Array(list) => list.iter().any(has_leaf),
        Value::String(s) => !s.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// `null` and absence mean the same in the Kubernetes API.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Accepts unquoted booleans and numbers where a string is meant: YAML authors forget quotes
/// (the documentation page has two such examples).
fn scalar_as_string<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s)),
        Some(Value::Bool(b)) => Ok(Some(b.to_string())),
        Some(Value::Number(n)) => Ok(Some(n.to_string())),
        Some(other) => Err(serde::de::Error::custom(format!("expected a string, found {other}"))),
    }
}
