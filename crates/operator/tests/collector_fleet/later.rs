//! What comes after the operator has started.

use anyhow::Result;
use serde_json::json;
use testkit::{ControlPlane, Options};

use crate::{
    cluster::{PATIENCE, TURN, define, everything, namespace, settled, start},
    rows::{a_collector, create},
};

#[tokio::test]
async fn definitions_that_come_later_are_noticed_wo15() -> Result<()> {
    let _turn = TURN.lock().await;
    let control_plane = ControlPlane::start_with(Options::default()).await?;
    let _operator = start(&control_plane, &[]).await?;
    let client = control_plane.client().await?;
    namespace(&client, "early").await?;
    let spec = json!({
        "observability": {"metrics": {"enableMetrics": true}},
        "httpRoute": {"enabled": true, "gateway": "g", "hostnames": ["example.com"]},
    });
    create(&client, "early", &a_collector("c", spec)).await?;
    let stored = settled(&client, "early", "c").await?;
    // What the cluster does not have is passed over (WN10).
    assert_eq!(stored["status"]["conditions"][0]["status"], "True");
    let made = everything(&client, "early").await?;
    assert!(!made.keys().any(|name| name.starts_with("ServiceMonitor/") || name.starts_with("HTTPRoute/")));
    assert!(made.contains_key("Deployment/c-collector"));

    define(&control_plane).await?;
    testkit::wait_for("what is possible now", PATIENCE, async || {
        let made = everything(&client, "early").await?;
        let all = ["ServiceMonitor/c-monitoring-collector", "HTTPRoute/c-otlp-http-httproute"];
        Ok(all.iter().all(|name| made.contains_key(*name)).then_some(()))
    })
    .await
}
