//! Just enough of an API server to fill the operator's caches without a control plane: lists from memory, and watches
//! in which nothing happens.

use anyhow::Context;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use kube::{Client, Config};
use operator::webhook::server;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::sample;

/// Name of the ReplicaSet in the lists.
pub(crate) const REPLICA_SET: &str = "checkout-7d9c4b6f58";

/// Starts it on a free port of loopback; returns a client for it. It ends with the runtime.
pub(crate) async fn start() -> anyhow::Result<Client> {
    let listener = server::bind("127.0.0.1", 0).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(server::serve(listener, None, CancellationToken::new(), answer));
    let client = Client::try_from(Config::new(url.parse().context("a URL of loopback")?))?;
    Ok(client)
}

async fn answer(request: Request<Incoming>) -> Response<Full<hyper::body::Bytes>> {
    if request.uri().query().is_some_and(|query| query.contains("watch=true")) {
        std::future::pending::<()>().await;
    }
    let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items(request.uri().path())});
    Response::new(Full::new(list.to_string().into()))
}

fn items(path: &str) -> Vec<Value> {
    let object = |name: &str, namespace: Option<&str>, owners: Value| json!({"metadata": {"name": name, "namespace": namespace, "resourceVersion": "1", "ownerReferences": owners}});
    match path.rsplit('/').next() {
        Some("namespaces") => vec![object(sample::NAMESPACE, None, json!([]))],
        Some("replicasets") => {
            let deployment = json!([{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": sample::DEPLOYMENT,
                "uid": "b4d6b1c8-5d0b-4b0e-9a8f-3f0f7c0d1e2a", "controller": true,
            }]);
            vec![object(REPLICA_SET, Some(sample::NAMESPACE), deployment)]
        }
        Some("instrumentations") => vec![applied_instrumentation()],
        _ => Vec::new(),
    }
}

/// The sample's Instrumentation as the API server has it, with what the defaulting webhook fills in.
pub(crate) fn applied_instrumentation() -> Value {
    let mut object = sample::instrumentation().unwrap_or_default();
    object["metadata"]["namespace"] = sample::NAMESPACE.into();
    object["metadata"]["resourceVersion"] = "1".into();
    object["metadata"]["generation"] = 1.into();
    object["spec"]["java"]["image"] = api::Settings::default().images[api::Language::Java].clone().into();
    object
}
