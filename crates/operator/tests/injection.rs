//! From annotation to instrumented pod, through the real API server and the real ReplicaSet controller.

#[path = "injection/sidecar.rs"]
mod sidecar;
mod support;

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use support::{
    INSTRUMENTATION, ask, ca_bundle, create_pod, deployment, env, init_containers, pod, pods, review, verdict,
};
use testkit::Operator;

const JAVA: &str = "instrumentation.opentelemetry.io/inject-java";
const POD_PATH: &str = "/mutate-v1-pod";

/// A namespace of this test's own, with the operator of all tests running.
async fn start(prefix: &str) -> Result<(&'static Operator, kube::Client, String)> {
    let operator = Operator::shared().await?;
    let client = testkit::shared().await?.client().await?;
    let namespace = testkit::namespace(&client, prefix).await?;
    Ok((operator, client, namespace))
}

#[tokio::test]
async fn a_deployment_with_the_annotation_gets_instrumented_pods() -> Result<()> {
    let (_, client, namespace) = start("java").await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    testkit::create_yaml(&client, &deployment("shop", JAVA, "true", 1), &namespace).await?;
    let pods = pods(&client, &namespace, "shop", 1).await?;
    assert_eq!(init_containers(&pods[0]), ["opentelemetry-auto-instrumentation-java"]);
    assert_eq!(env(&pods[0], "OTEL_EXPORTER_OTLP_ENDPOINT"), Some("http://collector:4318"));
    // The name of the Deployment, two owners up: ReplicaSets are known from the watch.
    assert_eq!(env(&pods[0], "OTEL_SERVICE_NAME"), Some("shop"));
    assert!(verdict(&pods[0]).contains("Injected"), "{}", verdict(&pods[0]));
    Ok(())
}

#[tokio::test]
async fn without_an_instrumentation_the_pod_is_created_and_told_why() -> Result<()> {
    let (operator, client, namespace) = start("none").await?;
    let (pod, warnings) = create_pod(&client, &namespace, &pod("lonely", JAVA, "true")).await?;
    assert!(init_containers(&pod).is_empty());
    assert!(verdict(&pod).contains("NoInstrumentation"), "{}", verdict(&pod));
    let message = "no OpenTelemetry Instrumentation instances available";
    assert!(warnings.iter().any(|w| w.contains(message)), "{warnings:?}");
    assert!(
        warnings.iter().any(|w| w.contains(&format!("create an Instrumentation in namespace {namespace}"))),
        "{warnings:?}"
    );
    // One line in the log names the pod and the reason.
    let log = operator.log();
    let line = log.lines().find(|l| l.contains(&namespace) && l.contains("pod declined")).unwrap_or_default();
    let line: Value = serde_json::from_str(line)?;
    assert_eq!(line["logger"], "pod-webhook");
    assert_eq!((line["owner_kind"].as_str(), line["owner"].as_str()), (Some("Pod"), Some("lonely")));
    assert_eq!(line["reasons"], "java=NoInstrumentation");
    Ok(())
}

#[tokio::test]
async fn a_pod_that_asks_for_nothing_is_not_touched() -> Result<()> {
    let (_, client, namespace) = start("nothing").await?;
    let (pod, warnings) = create_pod(&client, &namespace, &pod("plain", "example.com/other", "x")).await?;
    assert_eq!(verdict(&pod), "");
    assert!(warnings.is_empty(), "{warnings:?}");
    Ok(())
}

#[tokio::test]
async fn bodies_that_are_no_review_are_refused_and_counted() -> Result<()> {
    let (operator, client, _) = start("garbage").await?;
    let ca = ca_bundle(&client).await?;
    let port = operator.webhook_port();
    for body in ["", "{", "[]", "null", r#"{"kind":"Pod"}"#, "\u{0}\u{1}"] {
        let (status, text) = ask(port, &ca, POD_PATH, &[], body.as_bytes()).await?;
        assert_eq!(status, 400, "{body:?}: {text}");
        assert!(text.contains("AdmissionReview"), "{text}");
    }
    let (status, _) =
        ask(port, &ca, POD_PATH, &[], &vec![b' '; 9 * 1024 * 1024]).await.unwrap_or((413, String::new()));
    assert_eq!(status, 413);
    assert_eq!(ask(port, &ca, "/elsewhere", &[], b"").await?.0, 404);
    let metrics = operator.metrics().await?;
    assert!(
        metrics.contains("opentelemetry_operator_pod_reviews_total{outcome=\"bad_request\"}"),
        "{metrics}"
    );
    assert!(
        metrics
            .contains("controller_runtime_webhook_requests_total{webhook=\"/mutate-v1-pod\",code=\"400\"}"),
        "{metrics}"
    );
    Ok(())
}

#[tokio::test]
async fn a_pod_that_cannot_be_understood_is_allowed_with_a_warning() -> Result<()> {
    let (operator, client, namespace) = start("odd").await?;
    let ca = ca_bundle(&client).await?;
    let strange = [
        json!({"metadata": {"annotations": "none"}}),
        json!({"metadata": {"annotations": {JAVA: "true"}}, "spec": {"containers": 7}}),
        json!(7),
    ];
    for object in strange {
        let (status, text) =
            ask(operator.webhook_port(), &ca, POD_PATH, &[], &review(&namespace, &object)).await?;
        let answer: Value = serde_json::from_str(&text)?;
        let response = &answer["response"];
        assert_eq!(
            (status, response["allowed"].as_bool(), response["uid"].as_str()),
            (200, Some(true), Some("of-the-test"))
        );
        assert!(response["patch"].is_null());
        assert!(
            response["warnings"][0].as_str().unwrap_or_default().contains("the pod cannot be read"),
            "{text}"
        );
        assert_eq!(response["auditAnnotations"]["verdict"], "PodUnreadable");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_cannot_be_fulfilled_keeps_the_code_of_the_reference() -> Result<()> {
    let (operator, client, namespace) = start("code").await?;
    let ca = ca_bundle(&client).await?;
    let body = review(&namespace, &pod("p", JAVA, "elsewhere"));
    let (_, text) = ask(operator.webhook_port(), &ca, POD_PATH, &[], &body).await?;
    let answer: Value = serde_json::from_str(&text)?;
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["status"]["code"], 500);
    let message = answer["response"]["status"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("instrumentations.opentelemetry.io \"elsewhere\" not found"), "{message}");
    Ok(())
}

#[tokio::test]
async fn nothing_is_recorded_about_dry_runs() -> Result<()> {
    let (operator, client, namespace) = start("dry").await?;
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
    let body = serde_json::to_vec(&pod("dry", JAVA, "true"))?;
    let request = hyper::Request::post(path).header("content-type", "application/json").body(body)?;
    let created: k8s_openapi::api::core::v1::Pod = client.request(request).await?;
    assert!(verdict(&created).contains("NoInstrumentation"), "the answer is the same: {}", verdict(&created));
    assert!(!operator.log().contains(&namespace));
    Ok(())
}

#[tokio::test]
async fn kube_system_is_left_alone_unless_it_opts_in() -> Result<()> {
    let (_, client, _) = start("excluded").await?;
    let accounts =
        kube::Api::<k8s_openapi::api::core::v1::ServiceAccount>::namespaced(client.clone(), "kube-system");
    testkit::wait_for("the service account of kube-system", Duration::from_secs(60), async || {
        Ok(accounts.get_opt("default").await?)
    })
    .await?;
    let mut wish = pod("unseen", JAVA, "true");
    wish["metadata"]["generateName"] = "unseen-".into();
    wish["metadata"]["name"] = Value::Null;
    let (created, _) = create_pod(&client, "kube-system", &wish).await?;
    assert_eq!(verdict(&created), "");
    let label = |value: &str| format!("{}={value}", operator::manifest::webhook::OPT_IN_LABEL);
    let cluster = testkit::shared().await?;
    cluster.kubectl(&["label", "namespace", "kube-system", &label("enabled"), "--overwrite"], "")?;
    // The API server notices the label a moment later.
    let seen = testkit::wait_for("kube-system to be instrumented", Duration::from_secs(20), async || {
        let (created, _) = create_pod(&client, "kube-system", &wish).await?;
        Ok((!verdict(&created).is_empty()).then_some(created))
    })
    .await;
    cluster.kubectl(
        &["label", "namespace", "kube-system", &format!("{}-", operator::manifest::webhook::OPT_IN_LABEL)],
        "",
    )?;
    assert!(verdict(&seen?).contains("NoInstrumentation"));
    Ok(())
}

#[tokio::test]
async fn an_instrumentation_and_a_pod_applied_in_one_go_find_each_other() -> Result<()> {
    let (_, client, namespace) = start("fresh").await?;
    for i in 0..20 {
        let instrumentation = INSTRUMENTATION.replace("name: main", &format!("name: main-{i}"));
        testkit::create_yaml(&client, &instrumentation, &namespace).await?;
        // At once: the watch may not have told of it yet.
        let (made, _) =
            create_pod(&client, &namespace, &pod(&format!("p-{i}"), JAVA, &format!("main-{i}"))).await?;
        assert!(verdict(&made).contains("=Injected"), "{i}: {}", verdict(&made));
    }
    Ok(())
}

#[tokio::test]
async fn an_injected_pod_that_is_reviewed_again_stays_as_it_is() -> Result<()> {
    let (operator, client, namespace) = start("again").await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    let (created, _) = create_pod(&client, &namespace, &pod("p", JAVA, "true")).await?;
    assert!(verdict(&created).contains("Injected"));
    let ca = ca_bundle(&client).await?;
    let body = review(&namespace, &serde_json::to_value(&created)?);
    let (_, text) = ask(operator.webhook_port(), &ca, POD_PATH, &[], &body).await?;
    let answer: Value = serde_json::from_str(&text)?;
    assert!(answer["response"]["patch"].is_null(), "{text}");
    assert_eq!(answer["response"]["auditAnnotations"]["verdict"], "java=AlreadyInjected");
    Ok(())
}

#[tokio::test]
async fn an_agent_fits_into_the_limits_of_the_namespace() -> Result<()> {
    let (_, client, namespace) = start("limits").await?;
    let range = "
apiVersion: v1
kind: LimitRange
metadata: {name: small}
spec:
  limits:
    - {type: Container, max: {memory: 100Mi}, default: {memory: 64Mi}, defaultRequest: {memory: 64Mi}}
";
    testkit::create_yaml(&client, range, &namespace).await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    // The agent's own 256Mi would be refused; nothing that injection adds may be.
    let created = testkit::wait_for("a pod", Duration::from_secs(10), async || {
        Ok(Some(create_pod(&client, &namespace, &pod("p", JAVA, "true")).await?.0))
    })
    .await?;
    let agent = created.spec.as_ref().and_then(|s| s.init_containers.as_ref()).map(|c| &c[0]);
    let limits = agent.and_then(|a| a.resources.as_ref()).and_then(|r| r.limits.as_ref());
    assert_eq!(limits.and_then(|l| l.get("memory")).map(|q| q.0.as_str()), Some("100Mi"));
    Ok(())
}
