//! What the Go operator leaves behind becomes ours: the recorded collectors with their children, written by its field manager.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use collector::{Available, ExistingWorkload, Given, Namespace, Settings, build};
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use operator::controller::collector::{apply::MANAGER, kind::Kind};
use serde_json::{Value, json};
use testkit::Options;

use crate::{
    cluster::{
        self, PATIENCE, TURN, V1BETA1, comparable, everything, get, send, settled, start, with_definitions,
        without_admission,
    },
    difference,
    record::{self, Children, Record, State},
};

const WORKLOADS: [&str; 3] = ["Deployment/", "DaemonSet/", "StatefulSet/"];

fn is_workload(name: &str) -> bool {
    WORKLOADS.iter().any(|kind| name.starts_with(kind))
}

/// A collector that the Go operator brought about and left.
struct Left {
    id: String,
    name: String,
    unmanaged: bool,
    /// Its children, as the API server stored them.
    children: Children,
}

fn path_of(kind: &Kind, namespace: &str) -> String {
    let prefix =
        if kind.api_version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{}", kind.api_version) };
    match kind.cluster {
        true => format!("{prefix}/{}", kind.plural),
        false => format!("{prefix}/namespaces/{namespace}/{}", kind.plural),
    }
}

/// Writes everything as the Go operator does: by plain requests, under the name of its binary.
async fn leave(client: &Client, record: &Record, state: &State) -> Result<Left> {
    let id = record.id.clone();
    cluster::namespace(client, &id).await?;
    let mut collector = state.stored(&id);
    collector["apiVersion"] = json!("opentelemetry.io/v1beta1");
    collector["kind"] = json!("OpenTelemetryCollector");
    let name = collector["metadata"]["name"].as_str().context("no name")?.to_owned();
    if let Some(metadata) = collector["metadata"].as_object_mut() {
        metadata.remove("uid");
    }
    // The autoscaler of this control plane would really scale, which is a change of the spec; that of the recorder did not.
    let objects = state.objects();
    let replicas = objects
        .iter()
        .find(|(name, _)| is_workload(name))
        .map(|(_, object)| object["spec"]["replicas"].clone());
    if collector["spec"]["autoscaler"].is_object() && collector["spec"]["replicas"].is_null() {
        collector["spec"]["replicas"] = replicas.unwrap_or_default();
    }
    let created = send(client, "POST", &cluster::collectors(V1BETA1, &id), &collector).await?.object()?;
    let mut status = state.status();
    let unmanaged = collector["spec"]["managementState"] == "unmanaged";
    if !unmanaged {
        status["observedGeneration"] = created["metadata"]["generation"].clone();
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            condition["observedGeneration"] = created["metadata"]["generation"].clone();
            condition["lastTransitionTime"] = created["metadata"]["creationTimestamp"].clone();
        }
        let path = format!("{}/status?fieldManager=manager", cluster::collector(V1BETA1, &id, &name));
        send(client, "PATCH", &path, &json!({"status": status})).await?.object()?;
    }
    let mut children = Children::new();
    for (child, mut object) in objects {
        let (kind, _) = child.split_once('/').context("no kind")?;
        let kind = Kind::of(kind).with_context(|| format!("{child} is no child"))?;
        object["apiVersion"] = json!(kind.api_version);
        object["kind"] = json!(kind.kind);
        for owner in object["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
            owner["uid"] = created["metadata"]["uid"].clone();
        }
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        if object["spec"]["clusterIP"] == "<ip>"
            && let Some(spec) = object["spec"].as_object_mut()
        {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        let path = format!("{}?fieldManager=manager", path_of(kind, &id));
        let stored = send(client, "POST", &path, &object).await?.object();
        children.insert(child.clone(), stored.with_context(|| format!("{id} {child}"))?);
    }
    Ok(Left { id, name, unmanaged, children })
}

/// Whether the Go operator still owns anything of an object but the template of its pods.
fn is_theirs(name: &str, object: &Value) -> bool {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut theirs = entries
        .filter(|e| e["manager"] == "manager" && e["subresource"].as_str().unwrap_or_default().is_empty());
    theirs.any(|entry| {
        let fields = entry["fieldsV1"].as_object();
        let only_template = fields.is_some_and(|f| f.len() == 1)
            && entry["fieldsV1"]["f:spec"]
                .as_object()
                .is_some_and(|f| f.len() == 1 && f.contains_key("f:template"));
        !(is_workload(name) && only_template)
    })
}

/// What we would make of a collector now.
fn wished(stored: &Value, live: &Children) -> Result<(Children, Vec<String>)> {
    let collector = serde_json::from_value(stored.clone())?;
    let workload = live.iter().find(|(name, _)| is_workload(name));
    let existing = workload.map(|(_, object)| ExistingWorkload::read(object, MANAGER));
    let built = build(&Given {
        collector: &collector,
        settings: &Settings::default(),
        available: &Available { monitors: true, gateway: true, routes: false, cluster_roles: true },
        namespace: &Namespace::default(),
        existing: existing.as_ref(),
    })?;
    let children = built.children.into_iter().map(|child| {
        let mut object = child.object;
        if object["metadata"]["namespace"].is_string() {
            object["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "opentelemetry.io/v1beta1", "kind": "OpenTelemetryCollector", "name": stored["metadata"]["name"],
                "uid": "", "controller": true, "blockOwnerDeletion": true,
            }]);
        }
        let name = format!("{}/{}", child.kind, child.name);
        (name.clone(), comparable(&name, &object))
    });
    Ok((children.collect(), built.warnings.iter().map(ToString::to_string).collect()))
}

/// Takes over without a restart. Nothing is said about what differs by now: that is held against the recordings elsewhere.
async fn is_taken_over(client: &Client, left: &Left) -> Result<()> {
    let before: BTreeMap<_, _> = left.children.iter().filter(|(name, _)| is_workload(name)).collect();
    let live = testkit::wait_for(&format!("the children of {} to be ours", left.id), PATIENCE, async || {
        let live = everything(client, &left.id).await?;
        let theirs: Vec<_> =
            live.iter().filter(|(name, object)| is_theirs(name, object)).map(|(name, _)| name).collect();
        ensure!(theirs.is_empty(), "still theirs: {theirs:?}");
        Ok(Some(live))
    })
    .await?;
    for (name, before) in before {
        let after = live.get(name).with_context(|| format!("{} lost {name}", left.id))?;
        // The generation of a Deployment counts its annotations, too, and its controller writes one.
        for pointer in ["/metadata/uid", "/spec"] {
            ensure!(
                before.pointer(pointer) == after.pointer(pointer),
                "{} {name} {pointer}:\n{:?}\n{:?}",
                left.id,
                before.pointer(pointer),
                after.pointer(pointer)
            );
        }
    }
    // A second ReplicaSet would be a roll-out.
    let sets = get(client, &format!("/apis/apps/v1/namespaces/{}/replicasets", left.id)).await?;
    let sets = sets["items"].as_array().map_or(0, Vec::len);
    ensure!(sets <= 1, "{} has {sets} ReplicaSets", left.id);
    Ok(())
}

/// With the next change of the spec everything is as wished: what was removed is gone.
async fn becomes_as_wished(client: &Client, left: &Left) -> Result<()> {
    let change = json!({"spec": {
        "args": {"takeover": "done"}, "env": null, "envFrom": null, "volumes": null, "volumeMounts": null, "nodeSelector": null,
        "tolerations": null, "podAnnotations": null, "resources": null, "topologySpreadConstraints": null, "lifecycle": null,
        "hostNetwork": null, "terminationGracePeriodSeconds": null,
    }});
    let path = cluster::collector(V1BETA1, &left.id, &left.name);
    send(client, "PATCH", &path, &change).await?.object()?;
    let stored = settled(client, &left.id, &left.name).await?;
    let condition = &stored["status"]["conditions"][0];
    ensure!(condition["status"] == "True", "{}: {condition}", left.id);
    let live = everything(client, &left.id).await?;
    let (wished, _) = wished(&stored, &live)?;
    for (name, wished) in &wished {
        let found = live.get(name).map(|object| comparable(name, object));
        let fields = difference::fields(Some(wished), found.as_ref());
        let at = |object: Option<&Value>| {
            fields.iter().map(|f| object.and_then(|o| o.pointer(f)).cloned()).collect::<Vec<_>>()
        };
        ensure!(
            fields.is_empty(),
            "{} {name} {fields:?}\n    wished {:?}\n    found  {:?}",
            left.id,
            at(Some(wished)),
            at(found.as_ref())
        );
    }
    let more: Vec<_> =
        live.keys().filter(|name| !wished.contains_key(*name) && !name.starts_with("ConfigMap/")).collect();
    ensure!(more.is_empty(), "{} still has {more:?}", left.id);
    Ok(())
}

#[tokio::test]
async fn takeover_restarts_nothing_and_removes_what_is_removed_later() -> Result<()> {
    let _turn = TURN.lock().await;
    let control_plane = with_definitions(Options::default()).await?;
    // Installed, and away while the other one works.
    let operator = start(&control_plane, &["--collector-config-validation=off"]).await?;
    let client = control_plane.client().await?;
    operator.terminate();
    without_admission(&client).await?;
    let records = record::all();
    let states: Vec<(&Record, State)> = records
        .iter()
        .filter(|record| !record.wants_allocator_or_bridge())
        .filter_map(|record| Some((record, record.states().into_iter().next()?.1)))
        .collect();
    let left: Vec<Left> = stream::iter(&states)
        .map(|(record, state)| leave(&client, record, state))
        .buffer_unordered(6)
        .try_collect()
        .await?;
    assert!(left.len() > 60, "{}", left.len());

    operator.start_again().await?;
    let mut failed = Vec::new();
    for left in left.iter().filter(|left| !left.unmanaged) {
        if let Err(error) = is_taken_over(&client, left).await {
            failed.push(format!("{error:#}"));
        }
    }
    assert!(failed.is_empty(), "{} are not taken over:\n{}", failed.len(), failed.join("\n"));
    let results: Vec<Result<()>> = stream::iter(left.iter().filter(|left| !left.unmanaged))
        .map(|left| becomes_as_wished(&client, left))
        .buffer_unordered(6)
        .collect()
        .await;
    let failed: Vec<String> =
        results.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    assert!(failed.is_empty(), "{} are not as wished:\n{}", failed.len(), failed.join("\n"));
    // What nobody manages is as it was.
    for left in left.iter().filter(|left| left.unmanaged) {
        let live = everything(&client, &left.id).await?;
        assert!(
            live.values().all(|object| !object["metadata"]["managedFields"].to_string().contains(MANAGER))
        );
    }
    println!("{} collectors of the Go operator were taken over", left.len());
    Ok(())
}
