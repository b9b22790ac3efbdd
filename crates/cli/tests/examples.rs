//! `inject` on files and the webhook in a cluster come to the same pods, on every example of this repository.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};
use testkit::{ControlPlane, Operator, OperatorOptions};

const VERDICT: &str = "instrumentation.opentelemetry.io/verdict";
const SWITCHES: [&str; 2] = ["--enable-go-instrumentation", "--enable-nginx-instrumentation"];
const PATIENCE: Duration = Duration::from_secs(60);
/// The webhook leaves its pods alone, so the API server's own defaults are all that happens to them there.
const WITHOUT_WEBHOOK: &str = "kube-system";

/// An object and the namespace that its folder gives it.
struct Document {
    namespace: String,
    object: Value,
}

impl Document {
    fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }

    /// `namespace/name`.
    fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.object["metadata"]["name"].as_str().unwrap_or_default())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The objects of a YAML text that is, or stems from, `file`.
fn documents(file: &Path, text: &str) -> Result<Vec<Document>> {
    let namespace = fs::read_to_string(file.with_file_name("namespace.yaml"))?;
    let namespace = testkit::documents(&namespace)?[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let objects = testkit::documents(text).with_context(|| file.display().to_string())?;
    Ok(objects.into_iter().map(|object| Document { namespace: namespace.clone(), object }).collect())
}

/// Every document below a folder.
fn load(folder: &Path, found: &mut Vec<Document>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            load(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.extend(documents(&path, &fs::read_to_string(&path)?)?);
        }
    }
    Ok(())
}

/// The pod templates of `otel-operator inject -f examples`, by workload.
fn offline() -> Result<BTreeMap<String, Value>> {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-operator"))
        .args(["inject", "-f", "examples"])
        .args(SWITCHES)
        .current_dir(root())
        .env_clear()
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let mut templates = BTreeMap::new();
    for part in text.split("---\n# Source: ").skip(1) {
        let (source, yaml) = part.split_once('\n').unwrap_or((part, ""));
        for document in documents(&root().join(source), yaml)?.iter().filter(|d| d.kind() == "Deployment") {
            templates.insert(document.title(), document.object["spec"]["template"].clone());
        }
    }
    Ok(templates)
}

/// The pods that the cluster makes of the examples, by workload.
async fn online(client: &Client) -> Result<BTreeMap<String, Value>> {
    let mut examples = Vec::new();
    load(&root().join("examples"), &mut examples)?;
    // What workloads refer to comes first. Objects are created, as a client-side `kubectl apply` of new ones does.
    let phase = |document: &Document| match document.kind() {
        "Namespace" => 0,
        "Deployment" => 2,
        _ => 1,
    };
    examples.sort_by_key(phase);
    for document in &examples {
        testkit::create(client, document.object.clone(), &document.namespace).await?;
    }
    let mut pods = BTreeMap::new();
    for document in examples.iter().filter(|d| d.kind() == "Deployment") {
        let app = document.object["spec"]["selector"]["matchLabels"]["app"].as_str().unwrap();
        let api = Api::<Pod>::namespaced(client.clone(), &document.namespace);
        let selector = ListParams::default().labels(&format!("app={app}"));
        let what = format!("a pod of {}", document.title());
        let pod = testkit::wait_for(&what, PATIENCE, async || {
            Ok(api.list(&selector).await?.items.into_iter().next())
        });
        pods.insert(document.title(), serde_json::to_value(pod.await?)?);
    }
    Ok(pods)
}

/// What the API server makes of a pod with this template, with its own defaults and without any webhook.
async fn defaulted(client: &Client, template: &Value) -> Result<Value> {
    let mut pod = template.clone();
    pod["metadata"]["generateName"] = json!("offline-");
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let pods = Api::<Pod>::namespaced(client.clone(), WITHOUT_WEBHOOK);
    Ok(serde_json::to_value(pods.create(&parameters, &serde_json::from_value(pod)?).await?)?)
}

/// A pod without what files cannot know: the ReplicaSet, uids, generations, and the token's volume with its random
/// name.
fn comparable(pod: &Value) -> Value {
    let metadata = &pod["metadata"];
    let mut pod =
        json!({"labels": metadata["labels"], "annotations": metadata["annotations"], "spec": pod["spec"]});
    if let Some(labels) = pod["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    if let Some(Value::String(verdict)) = pod["annotations"].as_object_mut().and_then(|a| a.get_mut(VERDICT))
    {
        *verdict = without_generations(verdict);
    }
    let token = |object: &Value| object["name"].as_str().is_some_and(|n| n.starts_with("kube-api-access-"));
    let spec = &mut pod["spec"];
    drop_if(&mut spec["volumes"], token);
    for kind in ["containers", "initContainers"] {
        for container in spec[kind].as_array_mut().into_iter().flatten() {
            drop_if(&mut container["volumeMounts"], token);
            for variable in container["env"].as_array_mut().into_iter().flatten() {
                if variable["name"] == "OTEL_RESOURCE_ATTRIBUTES" {
                    let known = without_unknown_attributes(variable["value"].as_str().unwrap_or_default());
                    variable["value"] = known.into();
                }
            }
        }
    }
    pod
}

/// An empty list is none.
fn drop_if(list: &mut Value, unwanted: impl Fn(&Value) -> bool) {
    if let Some(items) = list.as_array_mut() {
        items.retain(|item| !unwanted(item));
        if items.is_empty() {
            *list = Value::Null;
        }
    }
}

/// `Injected(shop/demo@3)` becomes `Injected(shop/demo)`: the Instrumentation of a file has no generation.
fn without_generations(verdict: &str) -> String {
    let mut parts = verdict.split('@');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn without_unknown_attributes(attributes: &str) -> String {
    let known = |attribute: &&str| {
        let key = attribute.split('=').next().unwrap_or_default();
        !key.starts_with("k8s.replicaset.") && !key.ends_with(".uid")
    };
    attributes.split(',').filter(known).collect::<Vec<_>>().join(",")
}

// On a control plane of its own: the namespaces of the examples have fixed names.
#[tokio::test]
async fn inject_prints_the_pods_that_the_cluster_makes() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let args = SWITCHES.map(String::from).to_vec();
    let _operator = Operator::start(&cluster, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    let client = cluster.client().await?;
    let (offline, online) = (offline()?, online(&client).await?);
    assert_eq!(offline.keys().collect::<Vec<_>>(), online.keys().collect::<Vec<_>>());
    assert!(online.len() >= 20, "the examples are there: {}", online.len());

    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), WITHOUT_WEBHOOK);
    testkit::wait_for("the service account", PATIENCE, async || Ok(accounts.get_opt("default").await?))
        .await?;
    let mut different = Vec::new();
    let mut injected = 0;
    for (workload, pod) in &online {
        let ours = comparable(&defaulted(&client, &offline[workload]).await?);
        let theirs = comparable(pod);
        injected +=
            usize::from(theirs["annotations"][VERDICT].as_str().is_some_and(|v| v.contains("Injected")));
        let (ours, theirs) = (serde_json::to_string_pretty(&ours)?, serde_json::to_string_pretty(&theirs)?);
        if ours != theirs {
            let difference = similar::TextDiff::from_lines(&ours, &theirs).unified_diff().to_string();
            different.push(format!("{workload} (-: inject, +: the cluster):\n{difference}"));
        }
    }
    assert!(injected >= 14, "most examples are instrumented: {injected}");
    assert!(different.is_empty(), "{}", different.join("\n"));
    Ok(())
}
