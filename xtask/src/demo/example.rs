//! The examples: one folder each, with a Namespace file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use kube::api::ListParams;
use serde_json::Value;

/// On a workload: what should become of its pods, as `<language>=<reason>` separated by commas, or `none`.
const EXPECTED: &str = "demo/expected";

/// One folder.
#[derive(Debug)]
pub(crate) struct Example {
    /// Below `examples/`.
    pub(crate) folder: PathBuf,
    /// That of the folder's Namespace file, for objects that state none.
    pub(crate) namespace: String,
    /// In the order of files and documents.
    pub(crate) objects: Vec<Value>,
}

/// A workload of an example.
pub(crate) struct Workload<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) object: &'a Value,
}

/// In which order objects are created; each says whether an object belongs to it.
pub(crate) const PHASES: [fn(&Value) -> bool; 4] = [
    is_namespace,
    |o| !is_namespace(o) && !is_instrumentation(o) && !is_workload(o),
    is_instrumentation,
    is_workload,
];

fn is_namespace(object: &Value) -> bool {
    object["kind"] == "Namespace"
}

fn is_instrumentation(object: &Value) -> bool {
    object["kind"] == "Instrumentation"
}

fn is_workload(object: &Value) -> bool {
    matches!(object["kind"].as_str(), Some("Deployment" | "StatefulSet" | "ReplicaSet" | "Job" | "Pod"))
}

/// Reads every folder below `root` that holds YAML files, in the order of their names.
pub(crate) fn load(root: &Path) -> anyhow::Result<Vec<Example>> {
    let mut examples = Vec::new();
    walk(root, root, &mut examples)?;
    if examples.is_empty() {
        bail!("there are no examples in {}", root.display());
    }
    Ok(examples)
}

fn walk(root: &Path, folder: &Path, examples: &mut Vec<Example>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let mut objects = Vec::new();
    for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml")) {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        objects.extend(testkit::documents(&text).with_context(|| path.display().to_string())?);
    }
    if !objects.is_empty() {
        let namespace = objects.iter().find(|o| is_namespace(o)).and_then(|o| o["metadata"]["name"].as_str());
        let Some(namespace) = namespace.map(str::to_owned) else {
            bail!(
                "{} has no document of kind Namespace: each example has a namespace of its own",
                folder.display()
            );
        };
        let folder = folder.strip_prefix(root).unwrap_or(folder).to_owned();
        examples.push(Example { folder, namespace, objects });
    }
    paths.iter().filter(|p| p.is_dir()).try_for_each(|p| walk(root, p, examples))
}

impl Example {
    pub(crate) fn workloads(&self) -> impl Iterator<Item = Workload<'_>> {
        self.objects.iter().filter(|o| is_workload(o)).map(|object| Workload {
            namespace: object["metadata"]["namespace"].as_str().unwrap_or(&self.namespace),
            object,
        })
    }
}

impl Workload<'_> {
    pub(crate) fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// `namespace/name`.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.name())
    }

    /// `kind/name`, as the command line takes it.
    pub(crate) fn reference(&self) -> String {
        format!("{}/{}", self.object["kind"].as_str().unwrap_or_default().to_lowercase(), self.name())
    }

    /// What the example says should become of its pods.
    pub(crate) fn expected(&self) -> anyhow::Result<&str> {
        let expected = self.object["metadata"]["annotations"][EXPECTED].as_str();
        expected.with_context(|| format!("{} has no annotation {EXPECTED}", self.title()))
    }

    /// Selects the pods of this workload.
    pub(crate) fn pods(&self) -> ListParams {
        match self.object["kind"].as_str() {
            Some("Pod") => ListParams::default().fields(&format!("metadata.name={}", self.name())),
            Some("Job") => {
                ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", self.name()))
            }
            _ => {
                let labels = self.object["spec"]["selector"]["matchLabels"].as_object();
                let pairs = labels.into_iter().flatten();
                let selector: Vec<_> =
                    pairs.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
                ListParams::default().labels(&selector.join(","))
            }
        }
    }
}
