//! What the tests of the process share: objects, and asking a webhook as the API server does.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
    core::GroupVersionKind,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(crate) const VERDICT: &str = "instrumentation.opentelemetry.io/verdict";

/// An Instrumentation with an endpoint.
pub(crate) const INSTRUMENTATION: &str = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: main}
spec:
  exporter: {endpoint: http://collector:4318}
  sampler: {type: always_on}
";

/// Asks for Java.
pub(crate) const JAVA: &str = "instrumentation.opentelemetry.io/inject-java";

/// A collector without anything special.
pub(crate) const COLLECTOR: &str = "
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: main}
spec:
  config:
    receivers: {otlp: {protocols: {grpc: {}}}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
";

/// A Deployment whose pods ask for a language.
pub(crate) fn deployment(name: &str, annotation: &str, value: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata:
      labels: {{app: {name}}}
      annotations: {{{annotation}: '{value}'}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: app, image: registry.example/app:1.2.3}}]
"
    )
}

/// A pod that asks for a language.
pub(crate) fn pod(name: &str, annotation: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {annotation: value}},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:1.2.3"}]},
    })
}

/// The pods of an app, once there are this many.
pub(crate) async fn pods(client: &Client, namespace: &str, app: &str, count: usize) -> Result<Vec<Pod>> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let parameters = ListParams::default().labels(&format!("app={app}"));
    testkit::wait_for(&format!("{count} pods of {app}"), Duration::from_secs(60), async || {
        let pods = api.list(&parameters).await?.items;
        Ok((pods.len() >= count).then_some(pods))
    })
    .await
}

/// The environment variable of a pod's first container.
pub(crate) fn env<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let container = pod.spec.as_ref()?.containers.first()?;
    container.env.iter().flatten().find(|e| e.name == name)?.value.as_deref()
}

/// The names of a pod's init containers.
pub(crate) fn init_containers(pod: &Pod) -> Vec<&str> {
    let spec = pod.spec.as_ref();
    spec.and_then(|s| s.init_containers.as_ref()).into_iter().flatten().map(|c| c.name.as_str()).collect()
}

/// The verdict annotation.
pub(crate) fn verdict(pod: &Pod) -> &str {
    pod.metadata.annotations.as_ref().and_then(|a| a.get(VERDICT)).map(String::as_str).unwrap_or_default()
}

/// The webhook configuration of this kind.
pub(crate) async fn webhook_configuration(client: &Client, kind: &str, name: &str) -> Result<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind));
    Ok(Api::<DynamicObject>::all_with(client.clone(), &resource).get(name).await?)
}

/// The CA that the API server trusts for our webhooks.
pub(crate) async fn ca_bundle(client: &Client) -> Result<String> {
    let name = operator::manifest::webhook::MUTATING;
    let configuration = webhook_configuration(client, "MutatingWebhookConfiguration", name).await?;
    let bundle = configuration
        .data
        .pointer("/webhooks/0/clientConfig/caBundle")
        .and_then(Value::as_str)
        .context("no caBundle")?;
    Ok(String::from_utf8(STANDARD.decode(bundle)?)?)
}

/// Creates a pod and returns it with the warnings of the API server.
pub(crate) async fn create_pod(client: &Client, namespace: &str, pod: &Value) -> Result<(Pod, Vec<String>)> {
    let request = http_post(&format!("/api/v1/namespaces/{namespace}/pods"), pod)?;
    let response = client.send(request).await?;
    let status = response.status();
    let warnings = response.headers().get_all("warning").iter();
    let warnings = warnings.filter_map(|w| w.to_str().ok()).map(str::to_owned).collect();
    let body = response.into_body().collect().await?.to_bytes();
    anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok((serde_json::from_slice(&body)?, warnings))
}

fn http_post(path: &str, body: &Value) -> Result<Request<kube::client::Body>> {
    let body = serde_json::to_vec(body)?;
    Ok(Request::post(path).header("content-type", "application/json").body(body.into())?)
}

/// An AdmissionReview for this pod.
pub(crate) fn review(namespace: &str, object: &Value) -> Vec<u8> {
    let request =
        json!({"uid": "of-the-test", "operation": "CREATE", "namespace": namespace, "object": object});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    serde_json::to_vec(&review).unwrap()
}

/// Asks a server over TLS; status and body of its answer. Without a CA no certificate is expected to be known.
pub(crate) async fn ask(
    port: u16,
    ca: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, String)> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost")?, stream)
        .await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::post(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Full::new(Bytes::copy_from_slice(body)))?).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
