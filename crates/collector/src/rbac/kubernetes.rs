//! The components that talk to the Kubernetes API, and what each may do there.

use serde_json::{Map, Value};

use super::Rule;
use crate::{
    component::{Kind, Problem, field, list, map, strings},
    config::Path,
};

const READ: [&str; 3] = ["get", "list", "watch"];
/// The order of the Go operator in some rules.
const READ_WATCH_FIRST: [&str; 3] = ["get", "watch", "list"];

/// The rules of one component.
pub(super) fn rules(kind: Kind, name: &str, id: &str, body: Option<&Value>) -> Result<Vec<Rule>, Problem> {
    let path = || Path::of(&[kind.section(), id]);
    let empty = Map::new();
    let body = || map(body, path, "").map(|body| body.unwrap_or(&empty));
    match (kind, name) {
        (Kind::Receiver, "kubelet_stats" | "kubeletstats") => kubelet_stats(body()?, path),
        (Kind::Receiver, "k8s_events") => Ok(vec![Rule::new("", &["events"], &READ)]),
        (Kind::Receiver, "k8s_cluster") => Ok(k8s_cluster(body()?)),
        (Kind::Receiver, "k8s_objects" | "k8sobjects") => k8s_objects(body()?, path),
        (Kind::Processor, "k8s_attributes" | "k8sattributes") => k8s_attributes(body()?, path),
        (Kind::Processor, "resource_detection" | "resourcedetection") => resource_detection(body()?, path),
        (Kind::Extension, "k8s_leader_elector") => Ok(vec![Rule::new(
            "coordination.k8s.io",
            &["leases"],
            &["get", "list", "watch", "create", "update", "patch", "delete"],
        )]),
        (Kind::Extension, "k8s_observer") => Ok(k8s_observer(body()?)),
        _ => Ok(Vec::new()),
    }
}

fn kubelet_stats(body: &Map<String, Value>, path: impl Fn() -> Path) -> Result<Vec<Rule>, Problem> {
    let mut rules = vec![Rule::new("", &["nodes/stats"], &["get"])];
    let labels = list(body, "extra_metadata_labels", &path)?.is_some_and(|labels| !labels.is_empty());
    let metrics = map(field(body, "metrics"), || path().join("metrics"), "metrics")?;
    let enabled = |name: &str| {
        let metric = metrics.and_then(|m| m.get(name)).and_then(Value::as_object);
        metric.and_then(|m| field(m, "enabled")).and_then(Value::as_bool) == Some(true)
    };
    let utilization = ["k8s.container", "k8s.pod"].iter().any(|of| {
        ["cpu_limit", "cpu_request", "memory_limit", "memory_request"]
            .iter()
            .any(|what| enabled(&format!("{of}.{what}_utilization")))
    });
    if labels || utilization {
        rules.push(Rule::new("", &["nodes/proxy"], &["get"]));
    }
    Ok(rules)
}

fn k8s_cluster(body: &Map<String, Value>) -> Vec<Rule> {
    let core = [
        "events",
        "namespaces",
        "namespaces/status",
        "nodes",
        "nodes/spec",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "pods/status",
        "replicationcontrollers",
        "replicationcontrollers/status",
        "resourcequotas",
        "services",
    ];
    let mut rules = vec![
        Rule::new("", &core, &READ),
        Rule::new("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"], &READ),
        Rule::new("extensions", &["daemonsets", "deployments", "replicasets"], &READ),
        Rule::new("batch", &["jobs", "cronjobs"], &READ),
        Rule::new("autoscaling", &["horizontalpodautoscalers"], &READ),
    ];
    if field(body, "distribution").and_then(Value::as_str) == Some("openshift") {
        rules.push(Rule::new("quota.openshift.io", &["clusterresourcequotas"], &READ));
    }
    rules
}

/// Without `mode` the receiver pulls.
fn k8s_objects(body: &Map<String, Value>, path: impl Fn() -> Path) -> Result<Vec<Rule>, Problem> {
    let mut rules = Vec::new();
    for (index, object) in list(body, "objects", &path)?.into_iter().flatten().enumerate() {
        let at = || path().join("objects").join(index);
        let Some(object) = map(Some(object), at, &format!("objects[{index}]"))? else { continue };
        let text = |key: &str| field(object, key).and_then(Value::as_str).unwrap_or_default();
        let (name, group) = (text("name"), text("group"));
        let verbs: &[&str] = match text("mode") {
            "watch" => &["list", "watch"],
            "" | "pull" if name != "events" && name != "events.k8s.io" => &["list", "get"],
            _ => &["list"],
        };
        rules.push(Rule::new(group, &[name], verbs));
    }
    Ok(rules)
}

fn k8s_attributes(body: &Map<String, Value>, path: impl Fn() -> Path) -> Result<Vec<Rule>, Problem> {
    let mut rules = vec![Rule::new("", &["pods", "namespaces"], &READ_WATCH_FIRST)];
    let extract = map(field(body, "extract"), || path().join("extract"), "extract")?;
    let metadata = match extract {
        Some(extract) => strings(extract, "metadata", || path().join("extract"))?,
        None => Vec::new(),
    };
    let of_deployments = ["k8s.deployment.uid", "k8s.deployment.name", "service.name"];
    if metadata.is_empty() || metadata.iter().any(|name| of_deployments.contains(name)) {
        rules.push(Rule::new("apps", &["replicasets"], &READ_WATCH_FIRST));
    }
    let nodes = metadata.iter().filter(|name| name.contains("k8s.node"));
    rules.extend(nodes.map(|_| Rule::new("", &["nodes"], &READ_WATCH_FIRST)));
    Ok(rules)
}

fn resource_detection(body: &Map<String, Value>, path: impl Fn() -> Path) -> Result<Vec<Rule>, Problem> {
    let detectors = strings(body, "detectors", path)?.into_iter();
    Ok(detectors
        .filter_map(|detector| match detector {
            "k8snode" => Some(Rule::new("", &["nodes"], &["get", "list"])),
            "openshift" => Some(Rule::new(
                "config.openshift.io",
                &["infrastructures", "infrastructures/status"],
                &READ_WATCH_FIRST,
            )),
            _ => None,
        })
        .collect())
}

/// Pods are observed unless that is switched off; services and nodes are not unless they are switched on.
fn k8s_observer(body: &Map<String, Value>) -> Vec<Rule> {
    let on = |key: &str, default: bool| field(body, key).map_or(default, |v| v.as_bool().unwrap_or(default));
    let observed = [("pods", true), ("services", false), ("nodes", false)];
    observed
        .into_iter()
        .filter(|(resource, default)| on(&format!("observe_{resource}"), *default))
        .map(|(resource, _)| Rule::new("", &[resource], &["list", "watch"]))
        .collect()
}
