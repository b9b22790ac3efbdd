//! What happens when things break: killed processes, paused API servers, missing definitions.

mod support;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, ObjectMeta},
};
use serde_json::{Value, json};
use support::{
    INSTRUMENTATION, ask, ca_bundle, create_pod, deployment, init_containers, pod, pods, review, verdict,
};
use testkit::{Component, ControlPlane, Operator, OperatorOptions};

const JAVA: &str = "instrumentation.opentelemetry.io/inject-java";

/// Freezes the API server, and waits until the last of its threads has noticed.
async fn freeze(cluster: &ControlPlane) {
    assert!(cluster.pause(Component::ApiServer));
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::test]
async fn killed_while_200_pods_are_made_nothing_is_lost_and_injection_resumes_with_the_same_authority()
-> Result<()> {
    let cluster = ControlPlane::start().await?;
    let operator = Operator::start(&cluster, OperatorOptions::default()).await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "kill").await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    let authority = ca_bundle(&client).await?;
    testkit::create_yaml(&client, &deployment("many", JAVA, "true", 200), &namespace).await?;
    pods(&client, &namespace, "many", 20).await?;
    operator.kill9();
    let made = pods(&client, &namespace, "many", 200).await?;
    let injected = made.iter().filter(|pod| !init_containers(pod).is_empty()).count();
    assert_eq!(made.len(), 200);
    assert!((20..200).contains(&injected), "{injected} of 200 were injected before the kill");
    operator.start_again().await?;
    assert_eq!(ca_bundle(&client).await?, authority);
    let (after, _) = create_pod(&client, &namespace, &pod("after", JAVA, "true")).await?;
    assert_eq!(init_containers(&after), ["opentelemetry-auto-instrumentation-java"]);
    // The certificate is a new one of the same CA: nobody has to learn anything.
    ask(operator.webhook_port(), &authority, "/probe", &[], b"").await?;
    assert_eq!(operator.log().lines().filter(|l| l.contains("made a CA")).count(), 1);
    Ok(())
}

/// What the API server grants a webhook. That there is a patch shows that the deadline of the process was kept.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_paused_api_server_costs_no_more_than_the_deadline() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let operator = Operator::start(&cluster, OperatorOptions::default()).await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "paused").await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    let ca = ca_bundle(&client).await?;
    let known = || pod("p", JAVA, "true");
    // An owner that nobody knows, and a certificate that must be looked up: both ask the API server.
    let mut unknown = known();
    unknown["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "gone", "uid": "u", "controller": true}]);
    let answer = async |object: &Value| -> Result<(Duration, Value)> {
        let began = Instant::now();
        let (status, text) =
            ask(operator.webhook_port(), &ca, "/mutate-v1-pod", &[], &review(&namespace, object)).await?;
        anyhow::ensure!(status == 200, "{text}");
        Ok((began.elapsed(), serde_json::from_str(&text)?))
    };
    // Wait until the Instrumentation has arrived in memory.
    testkit::wait_for("the Instrumentation", Duration::from_secs(10), async || {
        Ok(answer(&known()).await?.1["response"]["patch"].is_string().then_some(()))
    })
    .await?;
    freeze(&cluster).await;
    let warm = answer(&known()).await;
    let cold = answer(&unknown).await;
    let elsewhere =
        ask(operator.webhook_port(), &ca, "/mutate-v1-pod", &[], &review("not-known", &known())).await;
    assert!(cluster.resume(Component::ApiServer));
    let (took, warm) = warm?;
    assert!(warm["response"]["patch"].is_string(), "decided from memory: {warm}");
    assert!(took < PATIENCE, "{took:?}");
    let (took, cold) = cold?;
    assert!(cold["response"]["patch"].is_string(), "an unknown owner does not stop injection: {cold}");
    assert!(took < PATIENCE, "{took:?}");
    let elsewhere: Value = serde_json::from_str(&elsewhere?.1)?;
    assert_eq!(elsewhere["response"]["allowed"], true);
    assert_eq!(elsewhere["response"]["auditAnnotations"]["verdict"], "NamespaceNotFound", "{elsewhere}");
    Ok(())
}

#[tokio::test]
async fn past_the_deadline_the_pod_goes_through_untouched_counted_and_logged() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    // Shorter than one question to an API server that does not answer.
    let args = vec!["--webhook-deadline=50ms".to_owned()];
    let operator = Operator::start(&cluster, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    let client = cluster.client().await?;
    let ca = ca_bundle(&client).await?;
    freeze(&cluster).await;
    let answer = ask(
        operator.webhook_port(),
        &ca,
        "/mutate-v1-pod",
        &[],
        &review("unknown", &pod("late", JAVA, "true")),
    )
    .await;
    assert!(cluster.resume(Component::ApiServer));
    let answer: Value = serde_json::from_str(&answer?.1)?;
    let response = &answer["response"];
    assert_eq!((response["allowed"].as_bool(), response["patch"].is_null()), (Some(true), true), "{answer}");
    assert!(
        response["warnings"][0].as_str().unwrap_or_default().contains("no decision within 50 ms"),
        "{answer}"
    );
    let metrics = operator.metrics().await?;
    let line = "opentelemetry_operator_injection_verdicts_total{language=\"none\",verdict=\"declined\",reason=\"DeadlineExceeded\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(
        operator.log().lines().any(|l| l.contains("\"level\":\"ERROR\"")
            && l.contains("DeadlineExceeded")
            && l.contains("late"))
    );
    Ok(())
}

#[tokio::test]
async fn without_the_definition_the_process_is_ready_and_notices_when_it_appears() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let options = OperatorOptions { no_install: true, ..OperatorOptions::default() };
    // Ready is part of starting: the webhook answers, the caches are as full as they can be.
    let operator = Operator::start(&cluster, options).await?;
    assert!(
        operator.log().contains("instrumentations.opentelemetry.io is not installed"),
        "{}",
        operator.log()
    );
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "late").await?;
    // Nothing was installed, so nobody but this test asks the webhook.
    let crds = operator::manifest::yaml(&operator::manifest::crds())?;
    testkit::apply_yaml(&client, &crds, &namespace).await?;
    let object = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: late}
spec: {java: {image: registry.example/java:1}}
";
    testkit::wait_for("the definition to be served", Duration::from_secs(20), async || {
        testkit::create_yaml(&client, object, &namespace).await.map(|_| Some(()))
    })
    .await?;
    testkit::wait_for("the Instrumentation to be noticed", Duration::from_secs(40), async || {
        let metrics = operator.metrics().await?;
        Ok(metrics
            .contains("opentelemetry_operator_cache_objects{kind=\"instrumentations\"} 1")
            .then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_bad_instrumentation_does_not_hide_the_others() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let options = OperatorOptions { no_install: true, ..OperatorOptions::default() };
    let operator = Operator::start(&cluster, options).await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "bad").await?;
    // A definition without a schema lets anything in, as an older or foreign one would.
    let mut definition = operator::manifest::crds().remove(0);
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    testkit::apply_yaml(&client, &operator::manifest::yaml(&[definition])?, &namespace).await?;
    for (name, spec) in
        [("bad", json!({"propagators": 7})), ("good", json!({"java": {"image": "registry.example/java:1"}}))]
    {
        let object = json!({"apiVersion": "opentelemetry.io/v1alpha1", "kind": "Instrumentation", "metadata": {"name": name}, "spec": spec});
        testkit::wait_for("the definition to be served", Duration::from_secs(20), async || {
            testkit::create(&client, object.clone(), &namespace).await.map(Some)
        })
        .await?;
    }
    // Nothing is installed, so the webhook is asked directly, with the authority from the state folder's certificate.
    testkit::wait_for("both to arrive", Duration::from_secs(40), async || {
        let metrics = operator.metrics().await?;
        Ok(metrics
            .contains("opentelemetry_operator_cache_objects{kind=\"instrumentations\"} 2")
            .then_some(()))
    })
    .await?;
    let options = operator::manifest::Options {
        webhook_url: Some(format!("https://127.0.0.1:{}", operator.webhook_port())),
        ..operator::manifest::Options::default()
    };
    let configurations = operator::manifest::of_the_process(&options, false).split_off(1);
    testkit::apply_yaml(&client, &operator::manifest::yaml(&configurations)?, "default").await?;
    // The running process writes its caBundle into what somebody else applied.
    let ca = testkit::wait_for("the caBundle", Duration::from_secs(40), async || {
        ca_bundle(&client).await.map(Some)
    })
    .await?;
    let answer = async |value: &str| -> Result<Value> {
        let body = review(&namespace, &pod("p", JAVA, value));
        Ok(serde_json::from_str(&ask(operator.webhook_port(), &ca, "/mutate-v1-pod", &[], &body).await?.1)?)
    };
    assert!(answer("good").await?["response"]["patch"].is_string());
    let bad = answer("bad").await?;
    assert!(bad["response"]["warnings"][0].as_str().unwrap_or_default().contains("Instrumentation"), "{bad}");
    assert_eq!(bad["response"]["auditAnnotations"]["verdict"], "java=InstrumentationUnreadable", "{bad}");
    Ok(())
}

#[tokio::test]
async fn a_stopped_process_ends_with_0_and_finishes_what_it_began() -> Result<()> {
    let operator = Operator::start(
        testkit::shared().await?,
        OperatorOptions { no_install: true, ..OperatorOptions::default() },
    )
    .await?;
    let began = Instant::now();
    assert!(operator.terminate(), "it ended by itself");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(operator.log().contains("\"message\":\"stopped\""), "{}", operator.log());
    Ok(())
}

#[tokio::test]
async fn only_watched_namespaces_are_instrumented() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let (a, b) = (testkit::namespace(&client, "watched").await?, testkit::namespace(&client, "other").await?);
    let args = vec![format!("--watch-namespace={a}, elsewhere")];
    let _operator = Operator::start(&cluster, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    for namespace in [&a, &b] {
        testkit::create_yaml(&client, INSTRUMENTATION, namespace).await?;
    }
    let made = testkit::wait_for("an injected pod", Duration::from_secs(20), async || {
        let mut wish = pod("", JAVA, "true");
        wish["metadata"]["generateName"] = "p-".into();
        let (made, _) = create_pod(&client, &a, &wish).await?;
        Ok((!init_containers(&made).is_empty()).then_some(made))
    });
    assert!(verdict(&made.await?).contains("Injected"));
    let (other, warnings) = create_pod(&client, &b, &pod("p", JAVA, "true")).await?;
    assert!(init_containers(&other).is_empty());
    assert!(warnings.iter().any(|w| w.contains("--watch-namespace")), "{warnings:?}");
    let names: BTreeSet<_> = Api::<Pod>::namespaced(client, &b)
        .list(&ListParams::default())
        .await?
        .items
        .into_iter()
        .map(|p| p.metadata)
        .filter_map(|m: ObjectMeta| m.name)
        .collect();
    assert_eq!(names, BTreeSet::from(["p".to_owned()]));
    Ok(())
}
