//! OpenShift's TLS profile. A definition of `APIServer` stands for OpenShift's own.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject},
    core::GroupVersionKind,
};
use operator::manifest;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::TLS12,
};
use serde_json::{Value, json};
use testkit::{ControlPlane, Operator, OperatorOptions};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{PATIENCE, definition, strings, support::ca_bundle};

/// One server with `tls` that says nothing about versions, and one where the user has said it.
const COLLECTOR: &str = "
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: gateway}
spec:
  config:
    receivers:
      otlp:
        protocols:
          grpc: {tls: {cert_file: /c, key_file: /k}}
          http: {tls: {cert_file: /c, key_file: /k, min_version: '1.1', cipher_suites: [OF_THE_USER]}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
";

/// A connection by a client that speaks TLS 1.2 only, and trusts this CA.
async fn connect_with_12(port: u16, ca: &str) -> Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS12])?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    Ok(connector.connect(ServerName::try_from("localhost")?, stream).await?)
}

/// Whether a server accepts TLS 1.2. Who nobody trusts has been accepted, or there was no certificate to distrust.
async fn accepts_12(port: u16) -> Result<bool> {
    match connect_with_12(port, "").await.map_err(|error| format!("{error:#}")) {
        Err(error) if error.contains("ProtocolVersion") => Ok(false),
        Err(error) if error.contains("UnknownIssuer") => Ok(true),
        Err(error) => bail!(error),
        Ok(_) => bail!("trusted"),
    }
}

struct Cluster {
    client: Client,
    namespace: String,
    operator: Operator,
    ports: [u16; 2],
}

impl Cluster {
    /// Sets the profile of the cluster.
    async fn profile(&self, profile: Value) -> Result<()> {
        let object = json!({
            "apiVersion": "config.openshift.io/v1", "kind": "APIServer", "metadata": {"name": "cluster"},
            "spec": {"tlsSecurityProfile": profile},
        });
        testkit::apply_yaml(&self.client, &object.to_string(), "").await?;
        Ok(())
    }

    /// Waits until webhooks and metrics accept TLS 1.2, or refuse it.
    async fn servers_accept_12(&self, accept: bool) -> Result<()> {
        for port in self.ports {
            testkit::wait_for(&format!("TLS 1.2 accepted: {accept}"), PATIENCE, async || {
                Ok((accepts_12(port).await? == accept).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until the configuration that the collector's pods are given says this of the server that the user left alone, and
    /// returns the ConfigMap's name.
    async fn collector_has(&self, version: &str, suites: usize) -> Result<String> {
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), &self.namespace);
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), &self.namespace);
        testkit::wait_for(&format!("collectors with {version}"), PATIENCE, async || {
            let made = serde_json::to_value(deployments.get("gateway-collector").await?)?;
            let volumes = made["spec"]["template"]["spec"]["volumes"].as_array().context("no volumes")?;
            let name =
                volumes.iter().find_map(|v| v["configMap"]["name"].as_str()).context("no ConfigMap")?;
            let map = maps.get(name).await?;
            let text = map.data.as_ref().and_then(|data| data.get("collector.yaml")).context("empty")?;
            let config: Value = serde_saphyr::from_str(text)?;
            let protocols = &config["receivers"]["otlp"]["protocols"];
            ensure!(protocols["http"]["tls"]["min_version"] == "1.1", "the user's version: {text}");
            ensure!(protocols["http"]["tls"]["cipher_suites"] == json!(["OF_THE_USER"]), "{text}");
            let tls = &protocols["grpc"]["tls"];
            let count = tls["cipher_suites"].as_array().map_or(0, Vec::len);
            Ok((tls["min_version"] == version && count == suites).then(|| name.to_owned()))
        })
        .await
    }
}

#[tokio::test]
async fn t45_the_tls_profile_of_the_cluster_is_followed_without_a_restart() -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let client = control_plane.client().await?;
    let namespace = testkit::namespace(&client, "profile").await?;
    let metrics = testkit::free_port()?;
    let args = strings(&[
        "--tls-cluster-profile",
        "--tls-configure-operands",
        "--tls-min-version=VersionTLS13",
        &format!("--metrics-addr=127.0.0.1:{metrics}"),
        "--metrics-secure=true",
    ]);
    let options = OperatorOptions { args, ..OperatorOptions::default() };
    let operator = Operator::start(&control_plane, options).await?;
    let ports = [operator.webhook_port(), metrics];
    let cluster = Cluster { client: client.clone(), namespace, operator, ports };

    // Without OpenShift the flags hold, and that is said.
    cluster.servers_accept_12(false).await?;
    let log = cluster.operator.log();
    assert!(log.contains("the cluster has no APIServer of config.openshift.io"), "{log}");
    testkit::create_yaml(&client, COLLECTOR, &cluster.namespace).await?;
    let by_flags = cluster.collector_has("1.3", 0).await?;

    // What appears later is followed, too. It overrides the flags.
    let mut definition = definition("config.openshift.io", "APIServer");
    definition["spec"]["scope"] = json!("Cluster");
    testkit::apply_yaml(&client, &manifest::yaml(&[definition])?, "").await?;
    cluster.profile(json!({"type": "Intermediate", "intermediate": {}})).await?;
    cluster.servers_accept_12(true).await?;
    let intermediate = cluster.collector_has("1.2", 9).await?;
    assert_ne!(intermediate, by_flags);
    let ca = ca_bundle(&client).await?;

    // Who is connected by rules that do not hold any more is not kept.
    let stream = connect_with_12(cluster.operator.webhook_port(), &ca).await?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get("https://localhost/nothing").body(Full::<Bytes>::default())?;
    assert_eq!(sender.send_request(request).await?.status(), 404);
    let pid = cluster.operator.pid();
    cluster.profile(json!({"type": "Modern", "modern": {}})).await?;
    cluster.servers_accept_12(false).await?;
    tokio::time::timeout(PATIENCE, connection).await.context("the old connection is kept")???;
    assert_eq!(cluster.collector_has("1.3", 0).await?, by_flags);

    // A process that starts does not accept by anything else at first.
    assert_eq!(cluster.operator.pid(), pid);
    cluster.operator.restart().await?;
    for port in ports {
        assert!(!accepts_12(port).await?);
    }

    let pid = cluster.operator.pid();
    cluster.profile(json!({"type": "Intermediate", "intermediate": {}})).await?;
    cluster.servers_accept_12(true).await?;
    assert_eq!(cluster.collector_has("1.2", 9).await?, intermediate);

    let gone = ApiResource::from_gvk(&GroupVersionKind::gvk("config.openshift.io", "v1", "APIServer"));
    Api::<DynamicObject>::all_with(client.clone(), &gone).delete("cluster", &DeleteParams::default()).await?;
    cluster.servers_accept_12(false).await?;
    assert_eq!(cluster.collector_has("1.3", 0).await?, by_flags);
    assert_eq!(cluster.operator.pid(), pid, "nobody had to restart it");
    assert!(cluster.operator.log().lines().all(|line| !line.contains("panic")));
    Ok(())
}
