//! The left side of a case: fixture, pod, Instrumentations, facts, settings.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::{Instrumentation, Language, Settings, annotation, collector::sidecar::Collector};
use inject::{Candidates, Existence, Facts, Namespace, OwnerLookup};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Case, expected::variable, merge};

/// Settings; the fixture's are: every language on, several languages per pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SettingsForm {
    multi_instrumentation: Option<bool>,
    #[serde(default)]
    disabled: Vec<String>,
    otlp_protocol_by_port: Option<bool>,
    verdict_annotation: Option<bool>,
    /// Spec of the configuration file's Instrumentation; no CRDs then.
    static_instrumentation: Option<Value>,
}

/// The Namespace; the fixture's is `ns` without annotations.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NamespaceForm {
    name: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// An Instrumentation; its spec is merged over the fixture's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct InstrumentationForm {
    namespace: Option<String>,
    name: String,
    #[serde(default)]
    spec: Value,
    /// Why the object cannot be understood.
    unreadable: Option<String>,
}

/// An OpenTelemetryCollector; its spec is merged over a small one in sidecar mode.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CollectorForm {
    namespace: Option<String>,
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    spec: Value,
}

/// Facts of the cluster. What is not named does not exist.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FactsForm {
    /// `Kind/name` of an owner → its own owners, each `[group/version] Kind/name [uid]`.
    #[serde(default)]
    owners: BTreeMap<String, Vec<String>>,
    /// Secrets of the pod's namespace: `exists` or `unknown`.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// ConfigMaps of the pod's namespace: `exists` or `unknown`.
    #[serde(default)]
    config_maps: BTreeMap<String, String>,
    /// Keys of ConfigMaps named in `envFrom`.
    #[serde(default)]
    keys: BTreeMap<String, BTreeSet<String>>,
    /// Whether the cluster knows init containers that stay; it does when nothing is said.
    native_sidecars: Option<bool>,
    /// Specs of the LimitRanges of the pod's namespace.
    #[serde(default)]
    limit_ranges: Vec<Value>,
}

/// The fixture's Instrumentation spec.
fn fixture_spec() -> Value {
    let image = |image: &str| json!({ "image": image });
    json!({
        "exporter": { "endpoint": "http://c:4318" },
        "java": image("java:1"), "nodejs": image("nodejs:1"), "python": image("python:1"), "dotnet": image("dotnet:1"),
        "go": image("go:1"), "apacheHttpd": image("apache:1"), "nginx": image("nginx:1"),
    })
}

impl Case {
    fn namespace_name(&self) -> String {
        self.namespace.name.clone().unwrap_or_else(|| "ns".to_owned())
    }

    /// The pod as the API server would send it.
    pub(crate) fn pod(&self) -> Value {
        let mut app = json!({ "name": "app", "image": "app:latest" });
        if let Some(over) = &self.app {
            merge(&mut app, over);
        }
        let mut pod =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": { "containers": [app] } });
        if let Some(over) = &self.pod {
            merge(&mut pod, over);
        }
        for list in ["containers", "initContainers"] {
            let containers = pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
                container.entry("image").or_insert_with(|| json!("app:latest"));
                let env = container.get_mut("env").and_then(Value::as_array_mut);
                env.into_iter().flatten().for_each(|entry| *entry = variable(entry));
            }
        }
        if !self.annotations.is_empty() {
            pod["metadata"]["annotations"] = json!(full_keys(&self.annotations));
        }
        pod
    }

    /// The operator's settings.
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let form = &self.settings;
        let mut settings = Settings::with_every_language();
        settings.multi_instrumentation = form.multi_instrumentation.unwrap_or(settings.multi_instrumentation);
        settings.otlp_protocol_by_port = form.otlp_protocol_by_port.unwrap_or(settings.otlp_protocol_by_port);
        settings.verdict_annotation = form.verdict_annotation.unwrap_or(settings.verdict_annotation);
        for id in &form.disabled {
            let language = Language::from_id(id).ok_or(format!("settings: no language {id}"))?;
            settings.enabled[language] = false;
        }
        if let Some(spec) = &form.static_instrumentation {
            settings.instrumentation_crds = false;
            settings.static_instrumentation = Some(Arc::new(instrumentation("", "", spec)?));
        }
        Ok(settings)
    }

    /// The facts of the cluster.
    pub(crate) fn facts(&self) -> Result<Facts, String> {
        let mut candidates = Candidates::default();
        let mut fixture = fixture_spec();
        match (&self.instrumentation, &self.instrumentations) {
            (Some(_), Some(_)) => {
                return Err("instrumentation and instrumentations exclude each other".to_owned());
            }
            (over, None) => {
                merge(&mut fixture, over.as_ref().unwrap_or(&json!({})));
                candidates.objects.push(Arc::new(instrumentation(&self.namespace_name(), "inst", &fixture)?));
            }
            (None, Some(list)) => {
                for form in list {
                    let namespace = form.namespace.clone().unwrap_or_else(|| self.namespace_name());
                    if let Some(why) = &form.unreadable {
                        candidates.unreadable.push((namespace, form.name.clone(), why.clone()));
                        continue;
                    }
                    let mut spec = fixture.clone();
                    if !form.spec.is_null() {
                        merge(&mut spec, &form.spec);
                    }
                    candidates.objects.push(Arc::new(instrumentation(&namespace, &form.name, &spec)?));
                }
            }
        }
        let mut owners = BTreeMap::new();
        for (owner, theirs) in &self.facts.owners {
            let (kind, name) = owner.split_once('/').ok_or(format!("facts: {owner} is no Kind/name"))?;
            let references = theirs.iter().map(|text| owner_reference(text)).collect::<Result<_, _>>()?;
            owners.insert((kind.to_owned(), name.to_owned()), OwnerLookup::Found(references));
        }
        let existence = |known: &BTreeMap<String, String>| {
            known
                .iter()
                .map(|(name, state)| match state.as_str() {
                    "exists" => Ok((name.clone(), Existence::Exists)),
                    "unknown" => Ok((name.clone(), Existence::Unknown)),
                    other => Err(format!("facts: {name} is {other}, neither exists nor unknown")),
                })
                .collect::<Result<BTreeMap<_, _>, _>>()
        };
        Ok(Facts {
            namespace: Arc::new(Namespace {
                name: self.namespace_name(),
                annotations: full_keys(&self.namespace.annotations),
                labels: self.namespace.labels.clone(),
            }),
            instrumentations: candidates,
            owners,
            secrets: existence(&self.facts.secrets)?,
            config_maps: existence(&self.facts.config_maps)?,
            env_from: self.facts.keys.clone(),
            collectors: self.collectors.iter().map(|form| Arc::new(self.collector(form))).collect(),
            native_sidecars: self.facts.native_sidecars.unwrap_or(true),
            limit_ranges: self
                .facts
                .limit_ranges
                .iter()
                .map(|spec| {
                    serde_json::from_value(json!({ "spec": spec })).map_err(|e| format!("limit-ranges: {e}"))
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Case {
    /// A collector as the engine for collectors offers it.
    fn collector(&self, form: &CollectorForm) -> Collector {
        let endpoint = json!({ "endpoint": "0.0.0.0:4317" });
        let mut spec = json!({
            "mode": "sidecar",
            "image": "collector:1",
            "config": {
                "receivers": { "otlp": { "protocols": { "grpc": endpoint } } },
                "exporters": { "debug": {} },
                "service": { "pipelines": { "traces": { "receivers": ["otlp"], "exporters": ["debug"] } } },
            },
        });
        if !form.spec.is_null() {
            merge(&mut spec, &form.spec);
        }
        for entry in spec.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
            *entry = variable(entry);
        }
        let namespace = form.namespace.clone().unwrap_or_else(|| self.namespace_name());
        let object = json!({
            "metadata": { "namespace": namespace, "name": form.name, "generation": 1, "annotations": form.annotations },
            "spec": spec,
        });
        collector::sidecar::offered(&object, &collector::Settings::default())
    }
}

fn instrumentation(namespace: &str, name: &str, spec: &Value) -> Result<Instrumentation, String> {
    let mut spec = spec.clone();
    let languages = spec.as_object_mut().ok_or("the spec of an Instrumentation is an object")?;
    for (_, part) in languages.iter_mut() {
        for entry in part.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
            *entry = variable(entry);
        }
    }
    for entry in languages.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        *entry = variable(entry);
    }
    let metadata = json!({ "namespace": namespace, "name": name, "generation": 1 });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec }))
        .map_err(|e| format!("Instrumentation {name}: {e}"))
}

/// Reads `apps/v1 Deployment/web uid-1`.
fn owner_reference(text: &str) -> Result<inject::OwnerReference, String> {
    let parts: Vec<&str> = text.split(' ').collect();
    let (api_version, object, uid) = match parts.as_slice() {
        [api_version, object] => (*api_version, *object, ""),
        [api_version, object, uid] => (*api_version, *object, *uid),
        _ => return Err(format!("facts: {text} is no owner")),
    };
    let (kind, name) = object.split_once('/').ok_or(format!("facts: {object} is no Kind/name"))?;
    Ok(inject::OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        controller: true,
    })
}

fn full_keys(short: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    short
        .iter()
        .map(|(key, value)| {
            let key = if key.contains('/') { key.clone() } else { format!("{}{key}", annotation::PREFIX) };
            (key, value.clone())
        })
        .collect()
}
