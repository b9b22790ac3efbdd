//! What was a collector's and is not wished any more goes.

use std::collections::BTreeSet;

use api::collector::v1beta1::OpenTelemetryCollector;
use collector::{Available, Child, label};
use kube::{
    Client,
    api::{DeleteParams, ListParams, Preconditions},
};
use serde_json::Value;

use super::{
    apply::{api, key},
    children::{Children, Key, Stored},
    reconcile::Context,
};

/// The kinds that have no owner.
const OF_CLUSTER: [&str; 2] = ["ClusterRole", "ClusterRoleBinding"];

/// Deletes what was the collector's and is not wished any more. The messages of what failed.
pub(super) async fn prune(
    context: &Context,
    collector: &OpenTelemetryCollector,
    children: &[Child],
    available: &Available,
) -> Vec<String> {
    let metadata = &collector.metadata;
    let owned = context.children.owned(&metadata.namespace, &metadata.uid);
    let wished: BTreeSet<Key> = children.iter().map(key).collect();
    let history = history(&owned, collector.spec.config_versions);
    // Pods that stay as the Go operator made them read the ConfigMap of then.
    let mounted = mounted(owned.iter().filter(|(key, _)| wished.contains(key)));
    let is_kept = |key: &Key| {
        wished.contains(key) || history.contains(key) || key.1 == "ConfigMap" && mounted.contains(&key.2)
    };
    let mut gone: Vec<(Key, Stored)> = owned.iter().filter(|(key, _)| !is_kept(key)).cloned().collect();
    if available.cluster_roles {
        gone.extend(
            of_cluster(&context.children, collector).into_iter().filter(|(key, _)| !wished.contains(key)),
        );
    }
    let mut errors = Vec::new();
    for (key, stored) in gone {
        if let Err(error) = delete(&context.client, &context.children, &key, &stored).await {
            errors
                .push(format!("failed to prune objects for {}: {} {}: {error}", metadata.name, key.1, key.2));
        }
    }
    errors
}

/// Deletes a child, if it is still the one that we know.
pub(super) async fn delete(
    client: &Client,
    children: &Children,
    key: &Key,
    stored: &Stored,
) -> Result<(), kube::Error> {
    let uid = stored.value()["metadata"]["uid"].as_str().map(str::to_owned);
    let parameters = DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        ..DeleteParams::background()
    };
    match api(client, key.1, Some(&key.0)).delete(&key.2, &parameters).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error),
    }
    children.remove(key);
    Ok(())
}

/// The ClusterRoles and ClusterRoleBindings of a collector: they have no owner, so labels tell.
pub(super) fn of_cluster(children: &Children, collector: &OpenTelemetryCollector) -> Vec<(Key, Stored)> {
    let instance = label::instance(&collector.metadata);
    let reference = label::instance_as_reference(&collector.metadata);
    let selector = label::selector(&instance);
    let mine = |stored: &Stored| {
        let labels = &stored.value()["metadata"]["labels"];
        selector.iter().all(|(key, value)| {
            labels[key] == *value
                || key == label::INSTANCE && labels[key] == reference && reference == instance
        })
    };
    children.of_cluster().into_iter().filter(|(_, stored)| mine(stored)).collect()
}

/// Deletes the ClusterRoles and ClusterRoleBindings of a collector when they are not watched, because not everything about them is
/// allowed: deleting still may be. The messages of what failed.
pub(super) async fn sweep(client: &Client, collector: &OpenTelemetryCollector) -> Vec<String> {
    let selector = label::selector_text(&label::selector(&label::instance(&collector.metadata)));
    let mut errors = Vec::new();
    for kind in OF_CLUSTER {
        let api = api(client, kind, None);
        let found = match api.list_metadata(&ListParams::default().labels(&selector)).await {
            Ok(found) => found,
            Err(error) => {
                errors.push(format!("{kind}: {error}"));
                continue;
            }
        };
        for name in found.items.into_iter().filter_map(|object| object.metadata.name) {
            match api.delete(&name, &DeleteParams::background()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => errors.push(format!("{kind} {name}: {error}")),
            }
        }
    }
    errors
}

/// The ConfigMaps of earlier configurations that are kept: the newest `configVersions` and one more (collector.md 11.2).
fn history(owned: &[(Key, Stored)], versions: Option<i32>) -> BTreeSet<Key> {
    let mut maps: Vec<_> = owned.iter().filter(|(key, _)| key.1 == "ConfigMap").collect();
    let made = |stored: &Stored| stored.value()["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
    maps.sort_by_cached_key(|(_, stored)| std::cmp::Reverse((made(stored), stored.version)));
    let count = usize::try_from(versions.unwrap_or(3).max(1)).unwrap_or(1) + 1;
    maps.into_iter().take(count).map(|(key, _)| key.clone()).collect()
}

/// The names of the ConfigMaps that pods of these workloads mount.
fn mounted<'a>(children: impl Iterator<Item = &'a (Key, Stored)>) -> BTreeSet<String> {
    let workloads = children.filter(|(key, _)| matches!(key.1, "Deployment" | "DaemonSet" | "StatefulSet"));
    let mut names = BTreeSet::new();
    for (_, stored) in workloads {
        let object = stored.value();
        let volumes = object["spec"]["template"]["spec"]["volumes"].as_array();
        let names_of = |volume: &Value| volume["configMap"]["name"].as_str().map(str::to_owned);
        names.extend(volumes.into_iter().flatten().filter_map(names_of));
    }
    names
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::json;

    use super::*;

    fn kept(objects: &[Value]) -> Vec<(Key, Stored)> {
        let children = Children::default();
        for (version, object) in objects.iter().enumerate() {
            let mut object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
            object.metadata.resource_version = Some((version + 1).to_string());
            let kind = if object.data["spec"].is_null() { "ConfigMap" } else { "Deployment" };
            children.put(kind, object, None);
        }
        children.owned("shop", "u")
    }

    fn object(name: &str, made: &str, spec: Value) -> Value {
        let owner = json!([{"apiVersion": "x/v1", "kind": "X", "name": "x", "uid": "u", "controller": true}]);
        json!({"metadata": {"name": name, "namespace": "shop", "creationTimestamp": made, "ownerReferences": owner}, "spec": spec})
    }

    #[test]
    fn the_newest_configurations_and_the_one_that_is_mounted_are_kept() {
        let day = |day: u32| format!("2026-01-0{day}T00:00:00Z");
        let mut objects: Vec<Value> =
            (1..=5).map(|i| object(&format!("config-{i}"), &day(i), Value::Null)).collect();
        let volumes =
            json!([{"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "config-1"}}]);
        objects.push(object("edge", &day(1), json!({"template": {"spec": {"volumes": volumes}}})));
        let owned = kept(&objects);
        let names: Vec<String> = history(&owned, Some(2)).into_iter().map(|key| key.2).collect();
        assert_eq!(names, ["config-3", "config-4", "config-5"]);
        assert_eq!(mounted(owned.iter()), BTreeSet::from(["config-1".to_owned()]));
    }
}
