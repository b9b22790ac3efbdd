//! A case: a collector and what is expected of its children.

use std::{collections::BTreeMap, fs, path::PathBuf};

use api::collector::v1beta1::OpenTelemetryCollector;
use collector::{Available, ExistingWorkload, Namespace, Settings, component::TlsProfile};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

/// One file of `cases/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Case {
    /// Row of the test matrix (`O8`), or key of a difference (`WN5`).
    pub(crate) row: String,
    /// What is to be seen, in one sentence.
    pub(crate) what: String,
    /// Changes the metadata of the collector `c` in `ns`, as a merge patch.
    #[serde(default)]
    metadata: Value,
    /// Changes `spec`, as a merge patch. What is changed is a deployment that receives OTLP and prints traces.
    #[serde(default)]
    spec: Value,
    /// Replaces `spec.config`.
    config: Option<Value>,
    /// `status`.
    #[serde(default)]
    status: Value,
    #[serde(default)]
    settings: GivenSettings,
    /// APIs and rights: `monitors`, `gateway`, `routes`, `cluster-roles`.
    #[serde(default)]
    available: Vec<String>,
    /// Annotations of the namespace.
    #[serde(default)]
    namespace: BTreeMap<String, String>,
    /// The workload that is there, as the API server returns it.
    existing: Option<Value>,
    pub(crate) expect: Expect,
}

/// Settings that differ from the defaults.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct GivenSettings {
    image: Option<String>,
    labels_filter: Vec<String>,
    annotations_filter: Option<Vec<String>>,
    proxy: Vec<(String, String)>,
    tls_profile: Option<GivenTlsProfile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GivenTlsProfile {
    min_version: String,
    cipher_suites: Vec<String>,
}

/// What is expected.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Expect {
    /// All children, `Kind/name`, in their order.
    pub(crate) children: Option<Vec<String>>,
    /// Parts of children: what is listed must be there; `null` must be absent; lists are complete.
    #[serde(default)]
    pub(crate) objects: BTreeMap<String, Value>,
    /// All warnings.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// What becomes of the pods: `Wished` unless it is said.
    pub(crate) pods: Option<String>,
    /// The error, instead of everything else.
    pub(crate) error: Option<String>,
}

/// Everything that `build` looks at.
pub(crate) struct Inputs {
    pub(crate) collector: OpenTelemetryCollector,
    pub(crate) settings: Settings,
    pub(crate) available: Available,
    pub(crate) namespace: Namespace,
    pub(crate) existing: Option<ExistingWorkload>,
}

/// All cases, by file name.
pub(crate) fn all() -> BTreeMap<String, Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/children/cases");
    let files = fs::read_dir(folder).expect("the cases can be listed");
    files
        .map(|file| {
            let path = file.expect("a case can be listed").path();
            let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a case can be read");
            let case = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, case)
        })
        .collect()
}

impl Case {
    pub(crate) fn inputs(&self) -> Inputs {
        self.inputs_with(&[]).expect("the case is a collector")
    }

    /// The same with other values in some fields of `spec`; none if that cannot be read.
    pub(crate) fn inputs_with(&self, fields: &[(&str, &Value)]) -> Option<Inputs> {
        let mut object = json!({
            "metadata": {"name": "c", "namespace": "ns", "uid": "1-2-3", "generation": 1},
            "spec": {
                "mode": "deployment",
                "config": {
                    "receivers": {"otlp": {"protocols": {"grpc": {}, "http": {}}}},
                    "exporters": {"debug": {}},
                    "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}},
                },
            },
        });
        merge(&mut object["metadata"], &self.metadata);
        merge(&mut object["spec"], &self.spec);
        if let Some(config) = &self.config {
            object["spec"]["config"] = config.clone();
        }
        for (field, value) in fields {
            object["spec"][*field] = (*value).clone();
        }
        object["status"] = self.status.clone();
        let has = |name: &str| self.available.iter().any(|available| available == name);
        Some(Inputs {
            collector: serde_json::from_value(object).ok()?,
            settings: self.settings.settings(),
            available: Available {
                monitors: has("monitors"),
                gateway: has("gateway"),
                routes: has("routes"),
                cluster_roles: has("cluster-roles"),
            },
            namespace: Namespace { annotations: self.namespace.clone() },
            existing: self.existing.as_ref().map(|object| ExistingWorkload::read(object, "otel-operator")),
        })
    }
}

impl GivenSettings {
    fn settings(&self) -> Settings {
        let expressions =
            |texts: &[String]| texts.iter().map(|text| Regex::new(text).expect("a filter")).collect();
        let default = Settings::default();
        Settings {
            image: self.image.clone().unwrap_or(default.image),
            labels_filter: expressions(&self.labels_filter),
            annotations_filter: self
                .annotations_filter
                .as_ref()
                .map_or(default.annotations_filter, |texts| expressions(texts)),
            proxy: self.proxy.clone(),
            tls_profile: self.tls_profile.as_ref().map(|profile| TlsProfile {
                min_version: profile.min_version.clone(),
                cipher_suites: profile.cipher_suites.clone(),
            }),
        }
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => {
            if !target.is_object() {
                *target = json!({});
            }
            for (key, value) in fields {
                if value.is_null() {
                    if let Some(target) = target.as_object_mut() {
                        target.remove(key);
                    }
                } else {
                    merge(&mut target[key], value);
                }
            }
        }
        Value::Null => {}
        other => *target = other.clone(),
    }
}
