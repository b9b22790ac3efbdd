//! The pods that are reviewed: as kube-controller-manager creates them for a Deployment, and the API server completes
//! them, before webhooks see them.

use anyhow::Context;
use serde_json::{Value, json};

/// Namespace of the pod.
pub(crate) const NAMESPACE: &str = "shop";
/// The Deployment behind the pod.
pub(crate) const DEPLOYMENT: &str = "checkout";
/// What the pod must carry when it was instrumented for Java.
const JAVA: &str = "-javaagent:/otel-auto-instrumentation-java-app/javaagent.jar";

/// The Instrumentation that a pod asks for, without a namespace, as a user applies it.
pub(crate) fn instrumentation() -> anyhow::Result<Value> {
    serde_json::from_str(include_str!("../samples/instrumentation.json"))
        .context("samples/instrumentation.json")
}

/// A pod that asks for Java, or for nothing, of this ReplicaSet.
pub(crate) fn pod(asks: bool, replica_set: &str) -> anyhow::Result<Value> {
    let mut pod: Value =
        serde_json::from_str(include_str!("../samples/pod.json")).context("samples/pod.json")?;
    pod["metadata"]["ownerReferences"][0]["name"] = replica_set.into();
    pod["metadata"]["namespace"] = NAMESPACE.into();
    if asks {
        pod["metadata"]["annotations"]["instrumentation.opentelemetry.io/inject-java"] = "true".into();
    }
    Ok(pod)
}

/// The body of the request in which the API server asks about a pod.
pub(crate) fn review(pod: &Value) -> Vec<u8> {
    let review = json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": NAMESPACE,
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "a0e3ac3c-5b3c-4b0e-8b83-6a6a9b3d2b71",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
                "extra": {"authentication.kubernetes.io/credential-id": ["JTI=0f2a1a6c-1a2d-4f0b-8a55-0a5b6b8b2f11"]},
            },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    // A value with string keys always serialises.
    serde_json::to_vec(&review).unwrap_or_default()
}

/// Checks that an answer is the right one: the agent in the patch, or no patch at all. The error shows the answer.
pub(crate) fn check(answer: &[u8], asks: bool) -> anyhow::Result<()> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let review: Value = serde_json::from_slice(answer).context("the answer is not JSON")?;
    let response = &review["response"];
    let patch = response["patch"].as_str().map(|patch| BASE64_STANDARD.decode(patch)).transpose()?;
    let patch = patch.map(|patch| String::from_utf8_lossy(&patch).into_owned());
    let right = match &patch {
        Some(patch) => asks && patch.contains(JAVA),
        None => !asks,
    };
    anyhow::ensure!(
        right && response["allowed"] == true,
        "not the answer that was expected: {response}, patch {patch:?}"
    );
    Ok(())
}
