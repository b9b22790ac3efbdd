//! What became of the examples' OpenTelemetryCollectors: the objects that run them.

use std::{collections::BTreeMap, time::Duration};

use anyhow::ensure;
use serde_json::Value;
use testkit::{Cluster, wait_for};

use super::example::Example;

/// How long the objects may take to come about.
const CHILDREN: Duration = Duration::from_secs(60);
/// Those that a Collector of each mode comes with; a sidecar's container is in its pods instead.
const KINDS: &str = "deployments.apps,daemonsets.apps,statefulsets.apps,services,configmaps,serviceaccounts,\
                     poddisruptionbudgets.policy,networkpolicies.networking.k8s.io";

/// Prints what `kubectl get` shows of the Collectors, and below it the objects of each.
pub(crate) async fn print(cluster: &Cluster, examples: &[Example]) -> anyhow::Result<()> {
    let collectors: Vec<(&str, &str, bool)> = examples.iter().flat_map(collectors).collect();
    let mut lines = Vec::new();
    for (namespace, name, runs) in &collectors {
        let what = format!("the objects of OpenTelemetryCollector {namespace}/{name}");
        let children = wait_for(&what, CHILDREN, async || {
            let children = children(cluster, namespace, name)?;
            // The workload comes last.
            let workload =
                children.keys().any(|k| ["Deployment", "DaemonSet", "StatefulSet"].contains(&k.as_str()));
            ensure!(workload || !runs, "so far: {children:?}");
            Ok(Some(children))
        })
        .await?;
        for (kind, names) in children {
            lines.push(format!("  {:<28} {kind:<20} {}", format!("{namespace}/{name}"), names.join(", ")));
        }
    }
    println!("$ kubectl get opentelemetrycollectors --all-namespaces");
    print!("{}", cluster.kubectl(&["get", "opentelemetrycollectors", "--all-namespaces"], "")?);
    println!();
    lines.iter().for_each(|line| println!("{line}"));
    println!();
    Ok(())
}

/// Namespace and name, and whether it runs by itself.
fn collectors(example: &Example) -> impl Iterator<Item = (&str, &str, bool)> {
    let objects = example.objects.iter().filter(|o| o["kind"] == "OpenTelemetryCollector");
    objects.map(|object| {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(&example.namespace);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        (namespace, name, object["spec"]["mode"] != "sidecar")
    })
}

/// Names by kind.
fn children(cluster: &Cluster, namespace: &str, name: &str) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let selector = format!(
        "app.kubernetes.io/managed-by=opentelemetry-operator,app.kubernetes.io/instance={namespace}.{name}"
    );
    let list = cluster.kubectl(&["get", KINDS, "-n", namespace, "-l", &selector, "-o", "json"], "")?;
    let list: Value = serde_json::from_str(&list)?;
    let mut children = BTreeMap::<String, Vec<String>>::new();
    for object in list["items"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        children.entry(text(&object["kind"])).or_default().push(text(&object["metadata"]["name"]));
    }
    Ok(children)
}
