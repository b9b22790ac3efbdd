//! Instrumentations at the real API server: defaulting, validation, schema, upgrade.

mod support;

use anyhow::Result;
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use support::INSTRUMENTATION;
use testkit::Operator;

async fn start(prefix: &str) -> Result<(kube::Client, String)> {
    Operator::shared().await?;
    let client = testkit::shared().await?.client().await?;
    let namespace = testkit::namespace(&client, prefix).await?;
    Ok((client, namespace))
}

async fn refused(client: &kube::Client, namespace: &str, spec: Value) -> String {
    let object = json!({"apiVersion": "opentelemetry.io/v1alpha1", "kind": "Instrumentation", "metadata": {"name": "bad"}, "spec": spec});
    match testkit::create(client, object, namespace).await {
        Ok(created) => panic!("accepted: {}", created.data),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test]
async fn a_stored_instrumentation_carries_the_defaults() -> Result<()> {
    let (client, namespace) = start("defaults").await?;
    let stored = testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?.remove(0);
    let image = api::Language::Java.info().default_image;
    assert_eq!(stored.data["spec"]["java"]["image"], image);
    assert_eq!(stored.data["spec"]["java"]["resources"]["requests"], json!({"cpu": "50m", "memory": "64Mi"}));
    let key = "instrumentation.opentelemetry.io/default-auto-instrumentation-java-image";
    assert_eq!(
        stored.metadata.annotations.as_ref().and_then(|a| a.get(key)).map(String::as_str),
        Some(image)
    );
    Ok(())
}

#[tokio::test]
async fn an_unquoted_boolean_becomes_its_string() -> Result<()> {
    let (client, namespace) = start("boolean").await?;
    let text = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: unquoted}
spec:
  python:
    env:
      - name: OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED
        value: false
";
    let stored = testkit::create_yaml(&client, text, &namespace).await?.remove(0);
    assert_eq!(stored.data["spec"]["python"]["env"][0]["value"], "false");
    // kubectl apply of the same text, too.
    testkit::shared()
        .await?
        .kubectl(&["apply", "-n", &namespace, "-f", "-"], &text.replace("unquoted", "applied"))?;
    Ok(())
}

#[tokio::test]
async fn a_bad_instrumentation_is_refused_with_the_message() -> Result<()> {
    let (client, namespace) = start("refused").await?;
    let message =
        refused(&client, &namespace, json!({"sampler": {"type": "traceidratio", "argument": "2"}})).await;
    assert!(message.contains("spec.sampler.argument should be in rage [0..1]: 2"), "{message}");
    let template = json!({"spec": {"accessModes": ["ReadWriteOnce"]}});
    let message = refused(
        &client,
        &namespace,
        json!({"java": {"volumeClaimTemplate": template, "volumeLimitSize": "1Gi"}}),
    )
    .await;
    assert!(message.contains("cannot both be defined"), "{message}");
    Ok(())
}

// Rows 119 and 120.
#[tokio::test]
async fn the_schema_refuses_bad_paths_and_propagators() -> Result<()> {
    let (client, namespace) = start("schema").await?;
    let message = refused(&client, &namespace, json!({"apacheHttpd": {"configPath": "/a;b"}})).await;
    assert!(message.contains("spec.apacheHttpd.configPath"), "{message}");
    let message = refused(&client, &namespace, json!({"propagators": ["foo"]})).await;
    assert!(message.contains("spec.propagators[0]") && message.contains("Unsupported value"), "{message}");
    Ok(())
}

#[tokio::test]
async fn an_instrumentation_can_always_be_deleted() -> Result<()> {
    let (client, namespace) = start("deleted").await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("opentelemetry.io", "v1alpha1", "Instrumentation"));
    let api = Api::<DynamicObject>::namespaced_with(client, &namespace, &resource);
    api.delete("main", &kube::api::DeleteParams::default()).await?;
    Ok(())
}
