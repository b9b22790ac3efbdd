//! What is taken, and where it lies in the archive: the layout of must-gather, so that tools which read one read the other.
//! One answer that is missing ends nothing; it is listed in `errors.txt`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal as _,
};

use anyhow::Result;
use api::annotation;
use serde_json::Value;

use super::{archive::Archive, redact};
use crate::{
    arguments::Given,
    check,
    cluster::{Cluster, segment},
    status,
};

/// Lines and bytes of each log.
const LOG: &str = "tailLines=5000&limitBytes=2097152";
/// Pods of one workload that are taken: they are alike.
const PODS_OF_A_WORKLOAD: usize = 3;

/// Group with version, and plural, of what belongs to the operator or to its collectors.
const BELONGINGS: [(&str, &str); 23] = [
    ("v1", "pods"),
    ("v1", "services"),
    ("v1", "configmaps"),
    ("v1", "serviceaccounts"),
    ("v1", "persistentvolumeclaims"),
    ("apps/v1", "deployments"),
    ("apps/v1", "daemonsets"),
    ("apps/v1", "statefulsets"),
    ("apps/v1", "replicasets"),
    ("autoscaling/v2", "horizontalpodautoscalers"),
    ("policy/v1", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "ingresses"),
    ("networking.k8s.io/v1", "networkpolicies"),
    ("discovery.k8s.io/v1", "endpointslices"),
    ("coordination.k8s.io/v1", "leases"),
    ("rbac.authorization.k8s.io/v1", "roles"),
    ("rbac.authorization.k8s.io/v1", "rolebindings"),
    ("monitoring.coreos.com/v1", "servicemonitors"),
    ("monitoring.coreos.com/v1", "podmonitors"),
    ("gateway.networking.k8s.io/v1", "httproutes"),
    ("route.openshift.io/v1", "routes"),
    ("operators.coreos.com/v1alpha1", "clusterserviceversions"),
    ("operators.coreos.com/v1alpha1", "subscriptions"),
];

/// Objects of the operator's kinds.
const CUSTOM: [(&str, &str); 4] = [
    ("opentelemetry.io/v1alpha1", "instrumentations"),
    ("opentelemetry.io/v1beta1", "opentelemetrycollectors"),
    ("opentelemetry.io/v1alpha1", "targetallocators"),
    ("opentelemetry.io/v1alpha1", "opampbridges"),
];

/// What limits the pods of a namespace.
const SURROUNDINGS: [(&str, &str); 3] = [("v1", "events"), ("v1", "limitranges"), ("v1", "resourcequotas")];

/// Objects of the cluster.
const CLUSTER_SCOPED: [(&str, &str); 7] = [
    ("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
    ("rbac.authorization.k8s.io/v1", "clusterroles"),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    ("v1", "namespaces"),
    ("v1", "nodes"),
];

/// A collection in the making.
pub(super) struct Collection<'a> {
    cluster: &'a Cluster,
    archive: Archive,
    own: &'a str,
    only: Option<&'a str>,
    taken: BTreeSet<String>,
    failures: BTreeSet<String>,
}

impl<'a> Collection<'a> {
    /// For the operator of namespace `own`; custom resources and workloads of one namespace, or of all.
    pub(super) fn new(cluster: &'a Cluster, archive: Archive, own: &'a str, only: Option<&'a str>) -> Self {
        Collection { cluster, archive, own, only, taken: BTreeSet::new(), failures: BTreeSet::new() }
    }

    /// Takes everything.
    ///
    /// # Errors
    ///
    /// When the archive cannot be written.
    pub(super) fn everything(&mut self) -> Result<()> {
        self.progress("the cluster's own objects");
        for (api, plural) in CLUSTER_SCOPED {
            for object in self.list(api, plural, None, "") {
                if is_ours(plural, &object) {
                    self.put(api, plural, object)?;
                }
            }
        }
        if let Some(version) = self.cluster.get("/version").ok().flatten() {
            self.archive.add("version.json", format!("{version:#}\n").as_bytes())?;
        }
        self.progress("the operator");
        let own = self.own;
        for (api, plural) in BELONGINGS.into_iter().chain(SURROUNDINGS) {
            for object in self.list(api, plural, Some(own), "") {
                if plural == "pods" {
                    self.logs(&object)?;
                    self.metrics(&object)?;
                }
                self.put(api, plural, object)?;
            }
        }
        self.progress("custom resources and what belongs to them");
        let mut namespaces = BTreeSet::new();
        for (api, plural) in CUSTOM {
            for object in self.list(api, plural, self.only, "") {
                namespaces.insert(text(&object, "/metadata/namespace").to_owned());
                self.put(api, plural, object)?;
            }
        }
        for namespace in &namespaces {
            for (api, plural) in BELONGINGS {
                let selector = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dopentelemetry-operator";
                for object in self.list(api, plural, Some(namespace), selector) {
                    if plural == "pods" {
                        self.logs(&object)?;
                    }
                    self.put(api, plural, object)?;
                }
            }
        }
        self.progress("workloads that ask for injection");
        namespaces.extend(self.workloads()?);
        for namespace in &namespaces {
            for (api, plural) in SURROUNDINGS {
                for object in self.list(api, plural, Some(namespace), "") {
                    self.put(api, plural, object)?;
                }
            }
        }
        Ok(())
    }

    /// Workloads and pods that ask; returns their namespaces.
    fn workloads(&mut self) -> Result<BTreeSet<String>> {
        let mut namespaces = BTreeSet::new();
        for (api, plural) in [
            ("apps/v1", "deployments"),
            ("apps/v1", "statefulsets"),
            ("apps/v1", "daemonsets"),
            ("batch/v1", "cronjobs"),
            ("batch/v1", "jobs"),
        ] {
            for object in self.list(api, plural, self.only, "") {
                if object.to_string().contains(annotation::PREFIX) {
                    namespaces.insert(text(&object, "/metadata/namespace").to_owned());
                    self.put(api, plural, object)?;
                }
            }
        }
        let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
        for pod in self.list("v1", "pods", self.only, "") {
            let annotations = pod.pointer("/metadata/annotations").and_then(Value::as_object);
            if !annotations.is_some_and(|all| all.keys().any(|key| key.starts_with(annotation::PREFIX))) {
                continue;
            }
            let namespace = text(&pod, "/metadata/namespace").to_owned();
            let owner = text(&pod, "/metadata/ownerReferences/0/name").to_owned();
            let number = seen.entry((namespace.clone(), owner.clone())).or_default();
            *number += 1;
            if owner.is_empty() || *number <= PODS_OF_A_WORKLOAD {
                namespaces.insert(namespace);
                self.put("v1", "pods", pod)?;
            }
        }
        Ok(namespaces)
    }

    /// What `check` and `status` say.
    ///
    /// # Errors
    ///
    /// When the archive cannot be written.
    pub(super) fn reports(&mut self, given: &Given) -> Result<()> {
        self.progress("check and status");
        match check::report(given) {
            Ok((report, json)) => {
                self.archive.add("check.txt", redact::text(&report).as_bytes())?;
                self.archive.add("check.json", redact::text(&format!("{json:#}\n")).as_bytes())?;
            }
            Err(error) => self.failure(&format!("check: {error:#}")),
        }
        match status::report(self.cluster, given, self.only) {
            Ok(report) => self.archive.add("status.txt", report.as_bytes())?,
            Err(error) => self.failure(&format!("status: {error:#}")),
        }
        Ok(())
    }

    /// Ends it. Returns how many files are in it, and what was not answered.
    ///
    /// # Errors
    ///
    /// When the archive cannot be written.
    pub(super) fn finish(mut self) -> Result<(usize, BTreeSet<String>)> {
        let failures: String = self.failures.iter().map(|line| format!("{line}\n")).collect();
        self.archive.add("errors.txt", failures.as_bytes())?;
        self.archive.add("README.txt", README.as_bytes())?;
        Ok((self.archive.finish()?, self.failures))
    }

    fn failure(&mut self, text: &str) {
        self.failures.insert(redact::text(text));
    }

    fn progress(&self, what: &str) {
        if std::io::stderr().is_terminal() {
            eprintln!("collecting {what} …");
        }
    }

    fn list(&mut self, api: &str, plural: &str, namespace: Option<&str>, query: &str) -> Vec<Value> {
        let prefix = if api.contains('/') { format!("/apis/{api}") } else { format!("/api/{api}") };
        let scope = match namespace.map(segment).transpose() {
            Ok(scope) => scope.map(|name| format!("/namespaces/{name}")).unwrap_or_default(),
            Err(error) => {
                self.failure(&format!("{error:#}"));
                return Vec::new();
            }
        };
        let question = if query.is_empty() { "" } else { "?" };
        self.cluster.pages(&format!("{prefix}{scope}/{plural}{question}{query}")).unwrap_or_else(|error| {
            self.failure(&format!("{error:#}"));
            Vec::new()
        })
    }

    /// Puts an object where must-gather has it.
    fn put(&mut self, api: &str, plural: &str, mut object: Value) -> Result<()> {
        object["apiVersion"] = api.into();
        let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
        let group = api.split_once('/').map_or("core", |(group, _)| group);
        let path = match namespace {
            "" => format!("cluster-scoped-resources/{group}/{plural}/{name}.yaml"),
            namespace => format!("namespaces/{namespace}/{group}/{plural}/{name}.yaml"),
        };
        if !self.taken.insert(path.clone()) {
            return Ok(());
        }
        trim(plural, &mut object);
        redact::object(&mut object);
        self.archive.add(&path, serde_saphyr::to_string(&object)?.as_bytes())
    }

    /// The logs of every container, and of the ones that ran before.
    fn logs(&mut self, pod: &Value) -> Result<()> {
        let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
        for container in
            ["initContainers", "containers"].iter().flat_map(|field| items(pod, &format!("/spec/{field}")))
        {
            let container = text(container, "/name");
            let statuses = ["initContainerStatuses", "containerStatuses"];
            let restarted =
                statuses.iter().flat_map(|field| items(pod, &format!("/status/{field}"))).any(|status| {
                    text(status, "/name") == container
                        && status.get("restartCount").and_then(Value::as_i64) > Some(0)
                });
            let kinds = [("current", "false", true), ("previous", "true", restarted)];
            for (file, previous, wanted) in kinds {
                if !wanted {
                    continue;
                }
                let path = format!(
                    "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&previous={previous}&{LOG}"
                );
                match self.cluster.text(&path) {
                    Ok(log) => {
                        let file = format!(
                            "namespaces/{namespace}/pods/{name}/{container}/{container}/logs/{file}.log"
                        );
                        self.archive.add(&file, redact::text(&log).as_bytes())?;
                    }
                    Err(error) => self.failure(&format!("{error:#}")),
                }
            }
        }
        Ok(())
    }

    /// The operator's metrics, through the API server.
    fn metrics(&mut self, pod: &Value) -> Result<()> {
        let is_operator = text(pod, "/metadata/labels/app.kubernetes.io~1name") == "opentelemetry-operator";
        if !is_operator || text(pod, "/status/phase") != "Running" {
            return Ok(());
        }
        let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
        let path = format!("/api/v1/namespaces/{namespace}/pods/https:{name}:8443/proxy/metrics");
        match self.cluster.text(&path) {
            Ok(metrics) => self
                .archive
                .add(&format!("namespaces/{namespace}/pods/{name}/metrics.txt"), metrics.as_bytes()),
            Err(error) => {
                self.failure(&format!("{error:#}"));
                Ok(())
            }
        }
    }
}

/// Whether an object of the cluster concerns the operator. Webhooks of others do: they may change the same pods.
fn is_ours(plural: &str, object: &Value) -> bool {
    let name = text(object, "/metadata/name");
    match plural {
        "customresourcedefinitions" => name.ends_with(".opentelemetry.io"),
        "clusterroles" | "clusterrolebindings" => {
            name.contains("opentelemetry")
                || object.pointer("/metadata/labels/app.kubernetes.io~1name")
                    == Some(&Value::from("opentelemetry-operator"))
                || object.pointer("/metadata/labels/app.kubernetes.io~1managed-by")
                    == Some(&Value::from("opentelemetry-operator"))
        }
        _ => true,
    }
}

/// Takes out what is long and known, or of nobody's concern.
fn trim(plural: &str, object: &mut Value) {
    match plural {
        "customresourcedefinitions" => {
            let versions = object.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
            for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
                version.remove("schema");
            }
        }
        "nodes" => {
            let info = object.pointer("/status/nodeInfo").cloned();
            let conditions = object.pointer("/status/conditions").cloned();
            object["status"] = serde_json::json!({"nodeInfo": info, "conditions": conditions});
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("annotations");
            }
        }
        _ => {}
    }
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

const README: &str = "\
What otel-operator support-bundle collected.

  check.txt, check.json      what `otel-operator check` says
  status.txt                 what `otel-operator status` says
  version.json               of the API server
  cluster-scoped-resources/  definitions (without schemas), webhook configurations, roles, namespaces, nodes
  namespaces/                objects of the operator, custom resources and what belongs to them, workloads that ask for
                             injection with up to three of their pods, events; logs of the operator and of collectors
  errors.txt                 questions that the API server did not answer

The layout is that of must-gather. Secrets were not read. <redacted> stands for values of variables, of keys that look like
passwords or tokens, of headers, and for what looks like one in logs.
";
