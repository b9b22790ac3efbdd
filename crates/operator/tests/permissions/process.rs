//! A process with everything switched on, and what it does for itself: leading, certificates, metrics, the objects of a start.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use operator::{
    certificate::{
        Authority,
        keep::{ROTATE, SECRET},
    },
    manifest::{self, NAMESPACE},
    service_monitor,
};
use serde_json::{Value, json};
use testkit::{ControlPlane, METADATA_AUDIT_POLICY, Operator, OperatorOptions};

use crate::{
    given::{PATIENCE, api, until},
    support::ask,
};

/// An Instrumentation of an older release with this image, which the process moves to its own when it starts.
const OLD: &str = "registry.example/java:2.1.0";

/// A process with everything switched on, as the ServiceAccount of the manifest.
pub(crate) struct World {
    pub(crate) cluster: ControlPlane,
    pub(crate) client: Client,
    pub(crate) operator: Operator,
    /// Signs the certificate of the metrics.
    authority: Authority,
    metrics_port: u16,
    /// With that certificate and its key.
    _folder: tempfile::TempDir,
}

/// Just enough of a definition of somebody else's.
fn definition(group: &str, kind: &str, scope: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            // Groups of Kubernetes are protected.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "scope": scope,
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// What is there before the process is: definitions, an Instrumentation of an older release, a Deployment to own the ServiceMonitor.
async fn before(client: &Client) -> Result<()> {
    let mut objects = manifest::crds();
    objects.extend(
        [
            ("monitoring.coreos.com", "ServiceMonitor"),
            ("monitoring.coreos.com", "PodMonitor"),
            ("gateway.networking.k8s.io", "HTTPRoute"),
            ("route.openshift.io", "Route"),
        ]
        .map(|(group, kind)| definition(group, kind, "Namespaced")),
    );
    objects.push(definition("config.openshift.io", "APIServer", "Cluster"));
    objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
    objects.push(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "manager", "namespace": NAMESPACE, "labels": manifest::labels()},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "manager", "image": "x"}]}}},
    }));
    let mark = "instrumentation.opentelemetry.io/default-auto-instrumentation-java-image";
    objects.push(json!({
        "apiVersion": "opentelemetry.io/v1alpha1", "kind": "Instrumentation",
        "metadata": {"name": "old", "namespace": "default", "annotations": {mark: OLD}},
        "spec": {"java": {"image": OLD}},
    }));
    testkit::apply_yaml(client, &manifest::yaml(&objects)?, "").await?;
    Ok(())
}

impl World {
    pub(crate) async fn start() -> Result<World> {
        let options = testkit::Options {
            audit_policy: Some(METADATA_AUDIT_POLICY.to_owned()),
            // Owning children takes a right then, as on OpenShift.
            api_server_args: vec![
                "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".to_owned(),
            ],
            ..testkit::Options::default()
        };
        let cluster = ControlPlane::start_with(options).await?;
        let client = cluster.client().await?;
        before(&client).await?;

        let folder = tempfile::tempdir()?;
        let names = ["localhost".to_owned()].into();
        let authority = Authority::create(&names, time::OffsetDateTime::now_utc())?;
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, &authority.certificate)?;
        std::fs::write(&key, &authority.key)?;
        let metrics_port = testkit::free_port()?;
        let mut args = [
            "--enable-leader-election",
            "--leader-election-retry-period=500ms",
            "--ca-store=secret",
            "--ca-overlap=2s",
            "--create-sm-operator-metrics",
            "--webhook-prefilter",
            "--tls-cluster-profile",
            "--metrics-secure=true",
        ]
        .map(str::to_owned)
        .to_vec();
        args.extend([
            format!("--metrics-addr=127.0.0.1:{metrics_port}"),
            format!("--metrics-tls-cert-file={}", certificate.display()),
            format!("--metrics-tls-key-file={}", key.display()),
        ]);
        let operator =
            Operator::start(&cluster, OperatorOptions { args, ..OperatorOptions::default() }).await?;
        // It starts once more: another election, and nothing new to make.
        operator.restart().await?;
        Ok(World { cluster, client, operator, authority, metrics_port, _folder: folder })
    }

    pub(crate) async fn leads_rotates_and_is_scraped(&self) -> Result<()> {
        let World { client, operator, .. } = self;
        testkit::wait_for("both elections", PATIENCE, async || {
            Ok((operator.log().matches("this process leads").count() == 2).then_some(()))
        })
        .await?;
        let monitors = api(client, NAMESPACE, "monitoring.coreos.com/v1", "ServiceMonitor");
        until(&monitors, service_monitor::NAME, "made", |_| true).await?;
        let instrumentations = api(client, "default", "opentelemetry.io/v1alpha1", "Instrumentation");
        until(&instrumentations, "old", "moved", |old| old.data["spec"]["java"]["image"] != OLD).await?;
        testkit::wait_for("the settings", PATIENCE, async || {
            operator::settings::published::read(client, NAMESPACE).await
        })
        .await?;

        let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
        let asked = Patch::Merge(json!({"metadata": {"annotations": {ROTATE: "now"}}}));
        secrets.patch(SECRET, &PatchParams::default(), &asked).await?;
        testkit::wait_for("the rotation", Duration::from_secs(120), async || {
            Ok(operator.log().contains("rotating the CA: done").then_some(()))
        })
        .await?;

        let token = self.cluster.kubectl(&["create", "token", "default"], "")?;
        let header = format!("Bearer {}", token.trim());
        let headers = [("authorization", header.as_str())];
        let scrape = ask(self.metrics_port, &self.authority.ca_certificate, "/metrics", &headers, b"");
        assert_eq!(scrape.await?.0, 403, "nobody has let the account read metrics");
        Ok(())
    }
}
