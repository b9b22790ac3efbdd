//! Probes and metrics of the running process.

mod support;

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use support::{ask, create_pod, pod};
use testkit::{ControlPlane, Operator, OperatorOptions};

#[tokio::test]
async fn readiness_names_its_checks() -> Result<()> {
    let operator = Operator::shared().await?;
    assert_eq!(operator.probe("/healthz").await?, (200, "ok".to_owned()));
    assert_eq!(operator.probe("/readyz").await?, (200, "ok".to_owned()));
    let (status, text) = operator.probe("/readyz?verbose=1").await?;
    assert_eq!(status, 200);
    assert_eq!(text, "[+]readyz ok\n[+]caches ok\n[+]certificate ok\n[+]webhook ok\nreadyz check passed\n");
    assert_eq!(operator.probe("/readyz/webhook").await?.0, 200);
    assert_eq!(operator.probe("/readyz/nonsense").await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn a_process_that_cannot_list_is_not_ready_and_says_what_is_missing() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    // A user who may do nothing.
    let kubeconfig = cluster.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"], "")?;
    let mut kubeconfig: Value = serde_json::from_str(&kubeconfig)?;
    kubeconfig["users"][0]["user"]["as"] = "nobody".into();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, kubeconfig.to_string())?;
    let port = testkit::free_port()?;
    let mut process = std::process::Command::new(testkit::operator_binary()?)
        .args(["run", "--metrics-addr=0", "--kubeconfig"])
        .arg(&path)
        .arg(format!("--state-dir={}", folder.path().join("state").display()))
        .arg(format!("--webhook-port={}", testkit::free_port()?))
        .arg(format!("--health-probe-addr=127.0.0.1:{port}"))
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let answer = testkit::wait_for("an answer", Duration::from_secs(20), async || {
        Ok(Some(testkit::get(port, "/readyz").await?))
    })
    .await;
    process.kill()?;
    process.wait()?;
    let (status, text) = answer?;
    assert_eq!(status, 500);
    assert!(
        text.contains("[-]caches failed: not listed yet: namespaces, instrumentations, replicasets, jobs"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn metrics_count_verdicts_and_keep_the_names_of_the_reference() -> Result<()> {
    let operator = Operator::shared().await?;
    let client = testkit::shared().await?.client().await?;
    let namespace = testkit::namespace(&client, "metrics").await?;
    create_pod(&client, &namespace, &pod("p", "instrumentation.opentelemetry.io/inject-python", "nowhere"))
        .await?;
    let metrics = operator.metrics().await?;
    for line in [
        "opentelemetry_operator_injection_verdicts_total{language=\"python\",verdict=\"declined\",reason=\"InstrumentationNotFound\"} 1",
        "opentelemetry_operator_pod_reviews_total{outcome=\"declined\"}",
        "opentelemetry_operator_pod_review_seconds_bucket",
        "# TYPE opentelemetry_operator_injection_patch_bytes histogram",
        "controller_runtime_webhook_requests_total{webhook=\"/mutate-v1-pod\",code=\"200\"}",
        "controller_runtime_webhook_latency_seconds_bucket{le=\"0.001\",webhook=\"/mutate-v1-pod\"}",
        "controller_runtime_webhook_requests_in_flight{webhook=\"/mutate-v1-pod\"} 0",
        "certwatcher_read_certificate_total 0",
        "opentelemetry_operator_certificate_expiry_timestamp_seconds ",
        "opentelemetry_operator_cache_objects{kind=\"namespaces\"} ",
        "process_resident_memory_bytes ",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    Ok(())
}

#[tokio::test]
async fn secure_metrics_ask_who_you_are_and_what_you_may() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let folder = tempfile::tempdir()?;
    let names = ["localhost".to_owned()].into();
    let authority = operator::certificate::Authority::create(&names, time::OffsetDateTime::now_utc())?;
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&certificate, &authority.certificate)?;
    std::fs::write(&key, &authority.key)?;
    let port = testkit::free_port()?;
    let args = vec![
        format!("--metrics-addr=127.0.0.1:{port}"),
        "--metrics-secure=true".to_owned(),
        format!("--metrics-tls-cert-file={}", certificate.display()),
        format!("--metrics-tls-key-file={}", key.display()),
    ];
    let _operator = Operator::start(&cluster, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    let scrape = async |token: &str| -> Result<(u16, String)> {
        let header = format!("Bearer {}", token.trim());
        ask(port, &authority.ca_certificate, "/metrics", &[("authorization", &header)], b"").await
    };
    assert_eq!(ask(port, &authority.ca_certificate, "/metrics", &[], b"").await?.0, 401);
    assert_eq!(scrape("nonsense").await?.0, 401);
    let (status, text) = scrape(&cluster.kubectl(&["create", "token", "default"], "")?).await?;
    assert_eq!(status, 403);
    assert!(text.starts_with("system:serviceaccount:default:default may not get /metrics"), "{text}");
    cluster.kubectl(&["create", "serviceaccount", "scraper"], "")?;
    cluster.kubectl(&["create", "clusterrole", "reader", "--verb=get", "--non-resource-url=/metrics"], "")?;
    let binding = [
        "create",
        "clusterrolebinding",
        "reader",
        "--clusterrole=reader",
        "--serviceaccount=default:scraper",
    ];
    cluster.kubectl(&binding, "")?;
    // The API server learns of the binding a moment later, and a denial is remembered: a fresh token each time.
    testkit::wait_for("the scrape to be allowed", Duration::from_secs(20), async || {
        let (status, text) = scrape(&cluster.kubectl(&["create", "token", "scraper"], "")?).await?;
        Ok((status == 200 && text.ends_with("# EOF\n")).then_some(()))
    })
    .await
}
