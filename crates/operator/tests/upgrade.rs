//! The move of stored Instrumentations to the images of this release, on real objects (rows 121 to 124).

mod support;

use std::time::Duration;

use anyhow::Result;
use api::Language;
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::json;
use testkit::{ControlPlane, Operator, OperatorOptions};

const OLD_PYTHON: &str = "ghcr.io/open-telemetry/opentelemetry-operator/autoinstrumentation-python:0.50b0";
const OLD_JAVA: &str = "ghcr.io/open-telemetry/opentelemetry-operator/autoinstrumentation-java:1.33.6";
const PINNED: &str = "registry.example/python:mine";

fn instrumentations(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("opentelemetry.io", "v1alpha1", "Instrumentation"));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn annotation(object: &DynamicObject, language: Language) -> Option<&str> {
    let key = language.info().default_image_annotation?;
    object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

#[tokio::test]
async fn images_that_are_the_operators_own_move_and_others_stay() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "upgrade").await?;
    let flags = |java: &str| {
        vec![
            format!("--auto-instrumentation-python-image={OLD_PYTHON}"),
            format!("--auto-instrumentation-java-image={java}"),
        ]
    };
    let args = flags(OLD_JAVA);
    let old = Operator::start(&cluster, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    for (name, image) in [("managed", ""), ("pinned", PINNED)] {
        let object = json!({
            "apiVersion": "opentelemetry.io/v1alpha1", "kind": "Instrumentation", "metadata": {"name": name},
            "spec": {"python": {"image": image}},
        });
        testkit::create(&client, object, &namespace).await?;
    }
    let api = instrumentations(&client, &namespace);
    assert_eq!(api.get("managed").await?.data["spec"]["python"]["image"], OLD_PYTHON);
    assert!(old.terminate());

    // A new release: Python moves (121) unless it is pinned (122); Java 1.33.6 is held back (123).
    let _new = Operator::start(&cluster, OperatorOptions::default()).await?;
    let python = Language::Python.info().default_image;
    let upgraded = testkit::wait_for("the upgrade", Duration::from_secs(30), async || {
        let object = api.get("managed").await?;
        Ok((object.data.pointer("/status/upgradeBlockedVersions/java").is_some()).then_some(object))
    })
    .await?;
    assert_eq!(upgraded.data["spec"]["python"]["image"], python);
    assert_eq!(annotation(&upgraded, Language::Python), Some(python));
    assert_eq!(upgraded.data["spec"]["java"]["image"], OLD_JAVA);
    assert_eq!(annotation(&upgraded, Language::Java), Some(OLD_JAVA));
    let note = upgraded.data["status"]["upgradeBlockedVersions"]["java"].as_str().unwrap_or_default();
    assert!(note.starts_with("Automated upgrade blocked for java: Java instrumentation 2.0.0"), "{note}");
    assert_eq!(api.get("pinned").await?.data["spec"]["python"]["image"], PINNED);
    let events = Api::<Event>::namespaced(client.clone(), &namespace);
    testkit::wait_for("the event", Duration::from_secs(10), async || {
        let events = events.list(&ListParams::default()).await?;
        let about_java = |e: &Event| {
            e.reason.as_deref() == Some("UpgradeBlocked")
                && e.action.as_deref() == Some("Upgrade-java")
                && e.type_.as_deref() == Some("Warning")
                && e.regarding.as_ref().and_then(|r| r.name.as_deref()) == Some("managed")
        };
        Ok(events.iter().any(about_java).then_some(()))
    })
    .await?;

    // The user moves Java by hand; the next start clears the status (124).
    let java = Language::Java.info().default_image;
    let by_hand = Patch::Merge(json!({"spec": {"java": {"image": java}}}));
    api.patch("managed", &PatchParams::default(), &by_hand).await?;
    _new.restart().await?;
    testkit::wait_for("the status to be cleared", Duration::from_secs(30), async || {
        let object = api.get("managed").await?;
        Ok(object.data.pointer("/status/upgradeBlockedVersions").is_none().then_some(()))
    })
    .await
}
