//! Everything that a decision about a pod may look up, and what is told about it.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    given::{PATIENCE, api, event, until},
    process::World,
    support::{JAVA, create_pod, deployment, init_containers, pod},
};

const INSTRUMENTATION: &str = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: main}
spec:
  exporter:
    endpoint: https://collector:4318
    tls: {secretName: exporter, configMapName: authority, ca_file: ca.crt}
";

/// A pod that asks for Java by this Instrumentation and is owned by something that nobody has seen.
fn owned(name: &str, api_version: &str, kind: &str) -> Value {
    let mut pod = pod(name, JAVA, "main");
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": api_version, "kind": kind, "name": "unseen", "uid": "u", "controller": true}]);
    pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    pod
}

pub(crate) async fn all(world: &World) -> Result<()> {
    let client = &world.client;
    let namespace = testkit::namespace(client, "pods").await?;
    testkit::create_yaml(client, INSTRUMENTATION, &namespace).await?;
    for (kind, name) in [("Secret", "exporter"), ("ConfigMap", "authority"), ("ConfigMap", "settings")] {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        testkit::create(client, object, &namespace).await?;
    }
    for (name, api_version, kind) in
        [("of-a-replica-set", "apps/v1", "ReplicaSet"), ("of-a-job", "batch/v1", "Job")]
    {
        let (made, _) = create_pod(client, &namespace, &owned(name, api_version, kind)).await?;
        assert_eq!(init_containers(&made), ["opentelemetry-auto-instrumentation-java"], "{name}");
    }

    // What is declined is told: about the pod where nobody owns it, else about the Deployment, and how often.
    create_pod(client, &namespace, &pod("declined", JAVA, "nowhere")).await?;
    event(client, &namespace, "declined", "InstrumentationNotFound").await?;
    testkit::create_yaml(client, &deployment("web", JAVA, "nowhere", 3), &namespace).await?;
    event(client, &namespace, "web", "InstrumentationNotFound").await?;

    let instrumentations = api(client, &namespace, "opentelemetry.io/v1alpha1", "Instrumentation");
    until(&instrumentations, "main", "with its workloads", |main| {
        main.data["status"]["workloads"].is_object()
    })
    .await?;
    let events = api(client, &namespace, "events.k8s.io/v1", "Event");
    testkit::wait_for("a repeated event", PATIENCE, async || {
        let all = events.list(&kube::api::ListParams::default()).await?;
        Ok(all.items.iter().any(|event| event.data["series"]["count"].is_number()).then_some(()))
    })
    .await
}
