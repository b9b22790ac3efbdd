//! Collectors of each mode with everything that they can have: made, in the way of others, changed, and gone.

use anyhow::Result;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use operator::controller::collector::kind::{KINDS, Kind};
use serde_json::{Value, json};

use crate::{
    audit::ACCOUNT,
    given::{PATIENCE, change, collector, collectors, config, failed, gone, of_cluster, ready_collector},
    process::World,
};

/// One of each mode, by name. Together they have a child of each kind.
fn specs() -> [(&'static str, Value); 5] {
    let mut with_roles = config(&json!({"k8sattributes": {}}));
    with_roles["receivers"]["otlp"]["protocols"]["http"] = json!({});
    let metrics = json!({"metrics": {"enableMetrics": true}});
    let claim = json!([{
        "metadata": {"name": "queue"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }]);
    [
        (
            "deployed",
            json!({
                "config": with_roles,
                "configVersions": 1,
                "autoscaler": {"maxReplicas": 3},
                "ingress": {"type": "ingress", "hostname": "otel.example"},
                "networkPolicy": {"enabled": true},
                "observability": metrics,
            }),
        ),
        (
            "routed",
            json!({
                "config": with_roles,
                "ingress": {"type": "route", "hostname": "otel.example", "route": {"termination": "edge"}},
                "httpRoute": {"enabled": true, "gateway": "gateway", "hostnames": ["otel.example"]},
            }),
        ),
        ("stateful", json!({"mode": "statefulset", "volumeClaimTemplates": claim})),
        ("everywhere", json!({"mode": "daemonset"})),
        ("beside", json!({"mode": "sidecar", "observability": metrics})),
    ]
}

pub(crate) async fn all(world: &World) -> Result<()> {
    let client = &world.client;
    let namespace = testkit::namespace(client, "collectors").await?;
    owners_are_known(world, &namespace).await?;
    for (name, spec) in specs() {
        ready_collector(client, &namespace, name, &spec).await?;
    }
    in_the_way(client, &namespace).await?;
    changed(client, &namespace).await?;
    gone_with_everything(client, &namespace).await
}

/// The admission plugin that asks who may own what looks for new kinds every 30 seconds, and refuses owners of others.
async fn owners_are_known(world: &World, namespace: &str) -> Result<()> {
    let owned = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "owned", "namespace": namespace, "ownerReferences": [{
            "apiVersion": "opentelemetry.io/v1beta1", "kind": "OpenTelemetryCollector", "name": "owner", "uid": "u",
            "controller": true, "blockOwnerDeletion": true,
        }]},
    });
    let account = format!("--as={ACCOUNT}");
    let arguments = ["create", "--dry-run=server", &account, "-f", "-"];
    testkit::wait_for("collectors to be known as owners", PATIENCE, async || {
        world.cluster.kubectl(&arguments, &owned.to_string()).map(Some)
    })
    .await?;
    Ok(())
}

fn api(client: &Client, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
    match kind.cluster {
        true => Api::all_with(client.clone(), &kind.resource()),
        false => Api::namespaced_with(client.clone(), namespace, &kind.resource()),
    }
}

fn ours(object: &DynamicObject, namespace: &str) -> bool {
    let metadata = &object.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    metadata.namespace.is_some() || name.contains(namespace)
}

/// In another namespace, objects of somebody else's have the names of all children: each is looked at and left alone.
async fn in_the_way(client: &Client, namespace: &str) -> Result<()> {
    let other = testkit::namespace(client, "taken").await?;
    let labelled = ListParams::default().labels("app.kubernetes.io/managed-by=opentelemetry-operator");
    for kind in &KINDS {
        let listed = api(client, kind, namespace).list(&labelled).await?.items;
        let found: Vec<_> = listed.into_iter().filter(|object| ours(object, namespace)).collect();
        assert!(!found.is_empty(), "no collector has a {}", kind.kind);
        for mut object in found {
            let name = object.metadata.name.take().unwrap_or_default().replace(namespace, &other);
            let mut copy = object.data;
            copy["apiVersion"] = kind.api_version.into();
            copy["kind"] = kind.kind.into();
            copy["metadata"] = json!({"name": name, "labels": {"app.kubernetes.io/managed-by": "Helm"}});
            copy.as_object_mut().map(|copy| copy.remove("status"));
            if kind.kind == "Service" {
                // Addresses are taken.
                copy["spec"] = json!({"ports": [{"port": 1}]});
            }
            testkit::create(client, copy, &other).await?;
        }
    }
    for (name, spec) in specs() {
        testkit::create(client, collector(name, &spec), &other).await?;
    }
    for (name, _) in specs() {
        let (_, message) = failed(client, &other, name).await?;
        assert!(message.contains("exists and belongs to Helm"), "{message}");
    }
    Ok(())
}

/// Changes after which children are not wished any more, or cannot stay.
async fn changed(client: &Client, namespace: &str) -> Result<()> {
    for verbosity in ["basic", "normal", "detailed"] {
        let exporters = json!({"debug": {"verbosity": verbosity}});
        change(client, namespace, "deployed", json!({"spec": {"config": {"exporters": exporters}}})).await?;
    }
    change(client, namespace, "everywhere", json!({"spec": {"serviceAccount": "mine"}})).await?;
    change(client, namespace, "beside", json!({"spec": {"observability": null}})).await?;
    change(client, namespace, "routed", json!({"spec": {"ingress": null, "httpRoute": null}})).await?;
    let api = collectors(client, namespace);
    api.delete("routed", &DeleteParams::default()).await?;
    gone(&api, "routed").await
}

/// A sidecar has neither workload nor Services, only roles. The webhooks refuse a change of mode, so it is made without them.
async fn gone_with_everything(client: &Client, namespace: &str) -> Result<()> {
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let configurations = of_cluster(client, "admissionregistration.k8s.io/v1", kind);
        configurations.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    }
    let api_of_collectors = collectors(client, namespace);
    let sidecar = Patch::Merge(json!({"spec": {"mode": "sidecar", "observability": null}}));
    for name in ["deployed", "stateful", "everywhere"] {
        testkit::wait_for("the webhooks to be out of the way", PATIENCE, async || {
            api_of_collectors.patch(name, &PatchParams::default(), &sidecar).await?;
            Ok(Some(()))
        })
        .await?;
    }
    let labelled = ListParams::default().labels("app.kubernetes.io/managed-by=opentelemetry-operator");
    let goes = |kind: &&Kind| !kind.cluster && !matches!(kind.kind, "ConfigMap" | "ServiceAccount");
    for kind in KINDS.iter().filter(goes) {
        let children = api(client, kind, namespace);
        testkit::wait_for(&format!("each {} to go", kind.kind), PATIENCE, async || {
            let left = children.list(&labelled).await?.items;
            Ok((!left.iter().any(|object| ours(object, namespace))).then_some(()))
        })
        .await?;
    }
    Ok(())
}
