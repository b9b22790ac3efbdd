//! The bundle for the Operator Lifecycle Manager.

use std::process::Command;

use anyhow::Result;
use operator::manifest::olm;
use serde_json::Value;

use crate::deploy;

#[test]
fn the_validator_of_operator_hub_finds_nothing_in_the_bundle() -> Result<()> {
    let output = Command::new(testkit::binaries::operator_verify()?)
        .args(["manifests", "--operatorhub_validate", "--object_validate"])
        .arg(deploy("olm/manifests"))
        .output()?;
    // It says what it finds and ends with 0 nevertheless.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let found: Vec<_> = said
        .lines()
        .filter(|line| line.contains("level="))
        .filter(|line| !line.contains("validator is deprecated"))
        // Rules of roles name no version; it takes every one about an old kind for the removed version.
        .filter(|line| !line.contains("APIs which were deprecated and removed in v1.25"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

#[test]
fn the_bundle_asks_olm_for_every_webhook_and_for_no_volume_that_olm_mounts_itself() -> Result<()> {
    let files = olm::files()?;
    let (_, csv) = files.iter().find(|(name, _)| name.ends_with("clusterserviceversion.yaml")).unwrap();
    let csv = testkit::documents(csv)?.remove(0);
    let spec = &csv["spec"];
    let webhooks: Vec<&str> = spec["webhookdefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["generateName"].as_str().unwrap_or_default())
        .collect();
    for name in ["mpod.kb.io", "minstrumentation.kb.io", "vopentelemetrycollectorcreateupdatebeta.kb.io"] {
        assert!(webhooks.contains(&name), "{webhooks:?}");
    }
    let pods: Vec<&Value> = spec["webhookdefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|w| w["rules"][0]["resources"][0] == "pods")
        .collect();
    assert_eq!(pods.len(), 1, "without namespace selectors the others would be asked about every pod");
    assert_eq!(pods[0]["failurePolicy"], "Ignore");
    let conversion = spec["webhookdefinitions"].as_array().unwrap().last().unwrap();
    assert_eq!(conversion["conversionCRDs"][0], "opentelemetrycollectors.opentelemetry.io");
    let deployment = &spec["install"]["spec"]["deployments"][0];
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(deployment["spec"]["template"]["spec"]["volumes"], serde_json::json!([]));
    assert_eq!(csv["metadata"]["name"], format!("opentelemetry-operator.v{}", env!("CARGO_PKG_VERSION")));
    Ok(())
}
