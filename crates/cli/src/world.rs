//! What is known: objects of the files first, then those of the cluster, if one is asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use anyhow::Result;
use api::{Instrumentation, Settings, collector, instrumentation};
use inject::{
    Candidates, Existence, Facts, Namespace, Needs, OwnerLookup, OwnerReference, Pod, Request,
    limit_range::LimitRange, needs,
};
use serde_json::Value;

use crate::{
    cluster::{self, Cluster},
    object::{Object, objects},
    sidecar::{self, Sidecars},
    source::{Document, File, Problem},
};

/// Everything that a decision may look at.
pub(crate) struct World {
    /// The operator's settings.
    pub settings: Settings,
    /// The cluster, if one is asked.
    pub cluster: Option<Cluster>,
    /// What people should hear of the files, although nothing is wrong enough to stop.
    pub warnings: Vec<String>,
    /// Unquoted numbers and booleans where texts belong, in Instrumentations of the files.
    pub unquoted: Vec<String>,
    /// Collectors that pods may ask for as sidecars.
    pub sidecars: Sidecars,
    given_namespace: Option<String>,
    folder_namespaces: BTreeMap<PathBuf, BTreeSet<String>>,
    namespaces: BTreeMap<String, Arc<Namespace>>,
    instrumentations: BTreeMap<(String, String), Result<Arc<Instrumentation>, String>>,
    secrets: BTreeSet<(String, String)>,
    config_maps: BTreeMap<(String, String), BTreeSet<String>>,
    limit_ranges: BTreeMap<(String, String), Value>,
    owners: BTreeMap<(String, String, String), Vec<OwnerReference>>,
}

impl World {
    /// Reads the objects of the files that decisions depend on.
    pub(crate) fn read(
        files: &[File],
        given_namespace: Option<String>,
        settings: Settings,
        collectors: ::collector::admission::Settings,
        cluster: Option<Cluster>,
    ) -> (World, Vec<Problem>) {
        let mut world = World {
            settings,
            cluster,
            warnings: Vec::new(),
            unquoted: Vec::new(),
            sidecars: Sidecars::new(collectors),
            given_namespace,
            folder_namespaces: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            instrumentations: BTreeMap::new(),
            secrets: BTreeSet::new(),
            config_maps: BTreeMap::new(),
            limit_ranges: BTreeMap::new(),
            owners: BTreeMap::new(),
        };
        let mut problems = Vec::new();
        let mut all: Vec<(&File, &Document, Object<'_>)> = Vec::new();
        for file in files {
            for document in &file.documents {
                match objects(file, document) {
                    Ok(found) => all.extend(found.into_iter().map(|object| (file, document, object))),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        for (file, _, object) in all.iter().filter(|(.., o)| o.is("", "Namespace")) {
            world.add_namespace(file, object);
        }
        for (file, document, object) in &all {
            world.add(file, document, object, &mut problems);
        }
        (world, problems)
    }

    fn add_namespace(&mut self, file: &File, object: &Object<'_>) {
        let map = |field: &str| -> BTreeMap<String, String> {
            let pairs = object.value.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
            let texts =
                pairs.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
            texts.collect()
        };
        let name = object.name.to_owned();
        if let Some(folder) = file.folders.last() {
            self.folder_namespaces.entry(folder.clone()).or_default().insert(name.clone());
        }
        let namespace =
            Namespace { name: name.clone(), annotations: map("annotations"), labels: map("labels") };
        self.namespaces.insert(name, Arc::new(namespace));
    }

    fn add(&mut self, file: &File, document: &Document, object: &Object<'_>, problems: &mut Vec<Problem>) {
        let namespace = self.namespace_of(file, object);
        let key = || (namespace.clone(), object.name.to_owned());
        match (object.group(), object.kind) {
            (instrumentation::GROUP, instrumentation::KIND) => {
                let title = format!("{} {namespace}/{}", object.kind, object.name);
                let read = if object.api_version == instrumentation::API_VERSION {
                    let Reading { read, unquoted, warnings } =
                        read_instrumentation(object.value, &namespace, &self.settings);
                    let place = crate::source::place(file, document);
                    let named = |text: String| format!("{place}: {title}: {text}");
                    self.unquoted.extend(unquoted.into_iter().map(named));
                    self.warnings.extend(warnings.into_iter().map(named));
                    read
                } else {
                    Err(format!(
                        "apiVersion {} is not served; write {}",
                        object.api_version,
                        instrumentation::API_VERSION
                    ))
                };
                if let Err(error) = &read {
                    problems.push(Problem::of(file, document, format!("{title}: {error}")));
                }
                self.instrumentations.insert(key(), read);
            }
            (instrumentation::GROUP, collector::KIND) => {
                if let Err(error) = self.sidecars.add(object.value, &namespace) {
                    let title = format!("{} {namespace}/{}", object.kind, object.name);
                    problems.push(Problem::of(file, document, format!("{title}: {error}")));
                }
            }
            ("", "Secret") => {
                self.secrets.insert(key());
            }
            ("", "ConfigMap") => {
                let data = object.value.get("data").and_then(Value::as_object);
                self.config_maps.insert(key(), data.into_iter().flat_map(|d| d.keys().cloned()).collect());
            }
            ("", "LimitRange") => {
                self.limit_ranges.insert(key(), object.value.clone());
            }
            ("apps", "ReplicaSet") | ("batch", "Job") => {
                let references = object.value.pointer("/metadata/ownerReferences").cloned();
                let references = references.and_then(|r| serde_json::from_value(r).ok()).unwrap_or_default();
                self.owners.insert((namespace, object.kind.to_owned(), object.name.to_owned()), references);
            }
            _ => {}
        }
    }

    /// The namespace of an object: its own, that of the command line, that of the Namespace object in its folder or the
    /// nearest one above, that of the kubeconfig's context, or `default`.
    pub(crate) fn namespace_of(&self, file: &File, object: &Object<'_>) -> String {
        let of_folder = || {
            let found = file.folders.iter().rev().find_map(|folder| self.folder_namespaces.get(folder))?;
            // With several of them nobody knows which one is meant.
            found.iter().next().filter(|_| found.len() == 1).map(String::as_str)
        };
        let given = || self.given_namespace.as_deref();
        let of_context = || self.cluster.as_ref().map(|c| c.namespace.as_str());
        object.namespace.or_else(given).or_else(of_folder).or_else(of_context).unwrap_or("default").to_owned()
    }

    /// A Namespace. One that nobody knows has no annotations.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be asked.
    pub(crate) fn namespace(&self, name: &str) -> Result<Arc<Namespace>> {
        if let Some(found) = self.namespaces.get(name) {
            return Ok(found.clone());
        }
        let mut namespace = Namespace { name: name.to_owned(), ..Namespace::default() };
        if let Some(cluster) = &self.cluster
            && let Some(found) = cluster.get(&format!("/api/v1/namespaces/{}", cluster::segment(name)?))?
        {
            let map = |field: &str| {
                let value = found.pointer(&format!("/metadata/{field}")).cloned().unwrap_or_default();
                serde_json::from_value(value).unwrap_or_default()
            };
            (namespace.annotations, namespace.labels) = (map("annotations"), map("labels"));
        }
        Ok(Arc::new(namespace))
    }

    /// The Instrumentations of these namespaces.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be asked.
    pub(crate) fn candidates(&self, namespaces: &BTreeSet<String>) -> Result<Candidates> {
        let mut found: BTreeMap<(String, String), Result<Arc<Instrumentation>, String>> = BTreeMap::new();
        for namespace in namespaces {
            for object in self.instrumentations_in_cluster(namespace)? {
                let name =
                    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
                let read = serde_json::from_value(object).map(Arc::new).map_err(|e| e.to_string());
                found.insert((namespace.clone(), name), read);
            }
        }
        let of_files = self.instrumentations.iter().filter(|((ns, _), _)| namespaces.contains(ns));
        found.extend(of_files.map(|(key, read)| (key.clone(), read.clone())));
        let mut candidates = Candidates::default();
        for ((namespace, name), read) in found {
            match read {
                Ok(object) => candidates.objects.push(object),
                Err(why) => candidates.unreadable.push((namespace, name, why)),
            }
        }
        Ok(candidates)
    }

    /// The Instrumentations of a namespace in the cluster, as they are stored.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be asked.
    pub(crate) fn instrumentations_in_cluster(&self, namespace: &str) -> Result<Vec<Value>> {
        match &self.cluster {
            Some(cluster) if self.settings.instrumentation_crds => {
                let namespace = cluster::segment(namespace)?;
                cluster
                    .list(&format!("/apis/opentelemetry.io/v1alpha1/namespaces/{namespace}/instrumentations"))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Everything that the decision about this pod may look at.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be asked.
    pub(crate) fn facts(
        &self,
        pod: &Pod<'_>,
        request: &Request,
        owners: &BTreeMap<(String, String), OwnerLookup>,
    ) -> Result<Facts> {
        let namespace = self.namespace(&request.namespace)?;
        let instrumentations = self.candidates(&request.instrumentation_namespaces())?;
        let needs = needs(pod, request, &instrumentations, &self.settings);
        let mut facts = Facts { instrumentations, owners: owners.clone(), ..Facts::default() };
        self.add_owners(&mut facts, &needs, &request.namespace)?;
        let key = |name: &String| (request.namespace.clone(), name.clone());
        for name in &needs.secrets {
            let known = self.secrets.contains(&key(name));
            let existence = self.existence(known, "secrets", &request.namespace, name)?;
            facts.secrets.insert(name.clone(), existence);
        }
        for name in &needs.config_maps {
            let known = self.config_maps.contains_key(&key(name));
            let existence = self.existence(known, "configmaps", &request.namespace, name)?;
            facts.config_maps.insert(name.clone(), existence);
        }
        for name in &needs.env_from {
            let keys = match (self.config_maps.get(&key(name)), &self.cluster) {
                (Some(keys), _) => Some(keys.clone()),
                (None, Some(cluster)) => cluster.config_map_keys(&request.namespace, name)?,
                (None, None) => None,
            };
            facts.env_from.extend(keys.map(|keys| (name.clone(), keys)));
        }
        facts.limit_ranges = self.limit_ranges(&request.namespace)?;
        facts.collectors = self.sidecars.find(request, self.cluster.as_ref())?;
        facts.native_sidecars = sidecar::native(self.cluster.as_ref())?;
        facts.namespace = namespace;
        Ok(facts)
    }

    /// Without a cluster, what the files do not have may well exist.
    fn existence(&self, known: bool, resource: &str, namespace: &str, name: &str) -> Result<Existence> {
        if known {
            return Ok(Existence::Exists);
        }
        let Some(cluster) = &self.cluster else { return Ok(Existence::Unknown) };
        Ok(match cluster.exists(&cluster::core(namespace, resource, name)?)? {
            true => Existence::Exists,
            false => Existence::Missing(format!("{resource} \"{name}\" not found")),
        })
    }

    fn limit_ranges(&self, namespace: &str) -> Result<Vec<LimitRange>> {
        let mut ranges = BTreeMap::new();
        if let Some(cluster) = &self.cluster {
            let path = format!("/api/v1/namespaces/{}/limitranges", cluster::segment(namespace)?);
            for range in cluster.list(&path)? {
                let name =
                    range.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
                ranges.insert(name, range);
            }
        }
        let of_files = self.limit_ranges.iter().filter(|((ns, _), _)| ns == namespace);
        ranges.extend(of_files.map(|((_, name), range)| (name.clone(), range.clone())));
        // One that cannot be understood limits nothing that could be computed here.
        Ok(ranges.into_values().filter_map(|range| serde_json::from_value(range).ok()).collect())
    }

    /// Namespace and name of every Instrumentation that can be seen, in any namespace.
    pub(crate) fn all_instrumentations(&self) -> Vec<(String, String)> {
        let mut all: BTreeSet<(String, String)> = self.instrumentations.keys().cloned().collect();
        if let Some(cluster) = &self.cluster {
            // Somebody who may not see other namespaces gets no hint about them.
            let list = cluster.list("/apis/opentelemetry.io/v1alpha1/instrumentations").unwrap_or_default();
            all.extend(list.iter().filter_map(|object| {
                let text = |field| object.pointer(field).and_then(Value::as_str).map(str::to_owned);
                Some((text("/metadata/namespace")?, text("/metadata/name")?))
            }));
        }
        all.into_iter().collect()
    }

    fn add_owners(&self, facts: &mut Facts, needs: &Needs, namespace: &str) -> Result<()> {
        for (kind, name) in &needs.owners {
            let key = (kind.clone(), name.clone());
            if facts.owners.contains_key(&key) || name.is_empty() {
                continue;
            }
            let in_files = self.owners.get(&(namespace.to_owned(), kind.clone(), name.clone()));
            let lookup = match (in_files, &self.cluster) {
                (Some(references), _) => OwnerLookup::Found(references.clone()),
                (None, Some(cluster)) => {
                    let (group, resource) =
                        if kind == "Job" { ("batch/v1", "jobs") } else { ("apps/v1", "replicasets") };
                    let owner = cluster.get(&cluster::grouped(group, namespace, resource, name)?)?;
                    owner.map_or(OwnerLookup::Missing, |owner| {
                        let list = owner.pointer("/metadata/ownerReferences").cloned().unwrap_or_default();
                        OwnerLookup::Found(serde_json::from_value(list).unwrap_or_default())
                    })
                }
                (None, None) => OwnerLookup::Missing,
            };
            facts.owners.insert(key, lookup);
        }
        Ok(())
    }
}

/// An Instrumentation of a file.
struct Reading {
    /// As the webhooks would have it stored; or what the API server would refuse it for.
    read: Result<Arc<Instrumentation>, String>,
    unquoted: Vec<String>,
    warnings: Vec<String>,
}

fn read_instrumentation(value: &Value, namespace: &str, settings: &Settings) -> Reading {
    let mut object = value.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    let defaulted = instrumentation::default(&object, None, settings);
    let mut reading =
        Reading { read: Err(String::new()), unquoted: defaulted.warnings, warnings: Vec::new() };
    if let Err(error) = json_patch::patch(&mut object, &defaulted.patch) {
        reading.read = Err(error.to_string());
        return reading;
    }
    let findings = instrumentation::schema::check(&object);
    let unknown =
        |field: &String| format!("{field} is no field of an Instrumentation; remove it or correct its name");
    reading.warnings.extend(findings.unknown.iter().map(unknown));
    let violations: Vec<_> = findings.violations.iter().map(ToString::to_string).collect();
    let validated = instrumentation::validate(&object, settings);
    reading.read = match validated.error {
        _ if !violations.is_empty() => Err(violations.join("; ")),
        Some(error) => Err(error),
        None => serde_json::from_value(object).map(Arc::new).map_err(|e| e.to_string()),
    };
    reading.warnings.extend(validated.warnings);
    reading
}
