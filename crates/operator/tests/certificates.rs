//! Certificates that somebody else mounts.

mod support;

use std::{path::Path, time::Duration};

use anyhow::Result;
use operator::certificate::Authority;
use support::{COLLECTOR, INSTRUMENTATION, JAVA, ask, ca_bundle, create_pod, init_containers, pod};
use testkit::{Balancer, ControlPlane, Operator, OperatorOptions};

fn authority() -> Result<Authority> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()].into();
    Ok(Authority::create(&names, time::OffsetDateTime::now_utc())?)
}

/// Writes a Secret volume as the kubelet does: files in a folder of their own, to which a symbolic link is swung over.
fn mount(folder: &Path, authority: &Authority) -> Result<()> {
    let version = tempfile::Builder::new().prefix("..").tempdir_in(folder)?.keep();
    let link = |to: &Path, at: &Path| -> Result<()> {
        let new = folder.join("..new");
        std::os::unix::fs::symlink(to, &new)?;
        Ok(std::fs::rename(new, at)?)
    };
    let files = [
        ("ca.crt", &authority.ca_certificate),
        ("tls.crt", &authority.certificate),
        ("tls.key", &authority.key),
    ];
    for (name, content) in files {
        std::fs::write(version.join(name), content)?;
    }
    link(&version, &folder.join("..data"))?;
    for (name, _) in files {
        link(&Path::new("..data").join(name), &folder.join(name))?;
    }
    Ok(())
}

#[tokio::test]
async fn row_t19_mounted_certificates_are_used_and_followed_and_a_bad_pair_changes_nothing() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path().join("k8s-webhook-server/serving-certs");
    std::fs::create_dir_all(&folder)?;
    let (first, second) = (authority()?, authority()?);
    mount(&folder, &first)?;
    // The place is below the system's temporary folder, as in the reference.
    let env = vec![("TMPDIR".to_owned(), temporary.path().display().to_string())];
    let operator = Operator::start(&cluster, OperatorOptions { env, ..OperatorOptions::default() }).await?;
    let port = operator.webhook_port();
    assert_eq!(ask(port, &first.ca_certificate, "/probe", &[], b"").await?.0, 200);
    assert_eq!(ca_bundle(&cluster.client().await?).await?, first.ca_certificate);

    // A key that does not belong to the certificate.
    std::fs::write(folder.join("tls.key"), &second.key)?;
    testkit::wait_for("the bad pair to be counted", Duration::from_secs(25), async || {
        let metrics = operator.metrics().await?;
        Ok(metrics.contains("certwatcher_read_certificate_errors_total 1").then_some(()))
    })
    .await?;
    assert_eq!(
        ask(port, &first.ca_certificate, "/probe", &[], b"").await?.0,
        200,
        "the old pair stays in use"
    );

    mount(&folder, &second)?;
    testkit::wait_for("the new pair to be served", Duration::from_secs(25), async || {
        Ok(ask(port, &second.ca_certificate, "/probe", &[], b"").await.ok())
    })
    .await?;
    assert_eq!(operator.probe("/readyz").await?.0, 200);
    // The API server is told. The first one stays trusted: files reach other replicas later.
    let client = cluster.client().await?;
    testkit::wait_for("the caBundle", Duration::from_secs(25), async || {
        let bundle = ca_bundle(&client).await?;
        Ok([&first, &second].iter().all(|a| bundle.contains(a.ca_certificate.trim())).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_bundle_of_cert_manager_is_left_alone() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let options = operator::manifest::Options {
        webhook_url: Some("https://127.0.0.1:1".to_owned()),
        ca: Some(authority()?.ca_certificate),
        ..operator::manifest::Options::default()
    };
    let mut objects = operator::manifest::of_the_process(&options, false);
    for object in &mut objects {
        object["metadata"]["annotations"] =
            serde_json::json!({"cert-manager.io/inject-ca-from": "ns/certificate"});
    }
    testkit::apply_yaml(&client, &operator::manifest::yaml(&objects)?, "default").await?;
    let operator =
        Operator::start(&cluster, OperatorOptions { no_install: true, ..OperatorOptions::default() }).await?;
    // What it does with configurations of its own takes a moment; here it must not happen at all.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(Some(ca_bundle(&client).await?), options.ca);
    assert!(!operator.log().contains("wrote the caBundle"), "{}", operator.log());
    Ok(())
}

/// T50: an Instrumentation and a collector, created the moment that somebody is ready.
#[tokio::test]
async fn row_t50_who_is_ready_is_trusted_already() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let balancer = Balancer::start()?;
    let url = Some(format!("https://127.0.0.1:{}", balancer.port()));
    // As after `kubectl apply` of the manifest: nobody has been told yet whom to trust.
    let manifest = operator::manifest::Options { webhook_url: url.clone(), ..Default::default() };
    let objects = operator::manifest::of_the_process(&manifest, true);
    testkit::apply_yaml(&client, &operator::manifest::yaml(&objects)?, "default").await?;
    assert!(ca_bundle(&client).await.is_err());
    let options = OperatorOptions { webhook_url: url, no_install: true, ..OperatorOptions::default() };
    let operator = Operator::start(&cluster, options).await?;
    balancer.add(operator.webhook_port(), operator.health_port());
    testkit::wait_for("the replica", Duration::from_secs(30), async || {
        Ok((balancer.ready() == 1).then_some(()))
    })
    .await?;
    testkit::create_yaml(&client, INSTRUMENTATION, "default").await?;
    testkit::create_yaml(&client, COLLECTOR, "default").await?;
    let (made, _) = create_pod(&client, "default", &pod("p", JAVA, "true")).await?;
    assert_eq!(init_containers(&made), ["opentelemetry-auto-instrumentation-java"]);
    Ok(())
}
