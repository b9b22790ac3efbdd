//! Roles, scope, metrics, logs and traces of the real process.

#[path = "process/proxy.rs"]
mod proxy;
mod support;
#[path = "process/tls_profile.rs"]
mod tls_profile;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use operator::{manifest, service_monitor, telemetry::wire};
use prost::Message;
use serde_json::{Value, json};
use support::{INSTRUMENTATION, ask, ca_bundle, create_pod, init_containers, pod, review};
use testkit::{ControlPlane, Operator, OperatorOptions};
use tokio::{net::TcpListener, sync::mpsc};

const JAVA: &str = "instrumentation.opentelemetry.io/inject-java";
const PATIENCE: Duration = Duration::from_secs(60);

fn collector(name: &str, receivers: &Value) -> String {
    let names: Vec<_> = receivers.as_object().into_iter().flat_map(|r| r.keys()).collect();
    json!({
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": name},
        "spec": {"config": {
            "receivers": receivers,
            "exporters": {"debug": {}},
            "service": {"pipelines": {"traces": {"receivers": names, "exporters": ["debug"]}}},
        }},
    })
    .to_string()
}

fn otlp() -> Value {
    json!({"otlp": {"protocols": {"grpc": {}}}})
}

async fn deployed(client: &Client, namespace: &str, collector: &str) -> Result<Deployment> {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    testkit::wait_for("the collector's Deployment", PATIENCE, async || {
        api.get_opt(&format!("{collector}-collector")).await.map_err(Into::into)
    })
    .await
}

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

#[tokio::test]
async fn t13_a_webhook_server_injects_and_the_operator_without_webhooks_reconciles() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "roles").await?;
    let webhooks = OperatorOptions {
        role: Some("webhook-server"),
        // Said for the operator's sake in a shared environment, and of no account here.
        env: vec![
            ("ENABLE_WEBHOOKS".to_owned(), "false".to_owned()),
            ("ENABLE_LEADER_ELECTION".to_owned(), "true".to_owned()),
        ],
        ..OperatorOptions::default()
    };
    let webhooks = Operator::start(&cluster, webhooks).await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    testkit::wait_for("the webhook to know the Instrumentation", PATIENCE, async || {
        let (made, _) = create_pod(&client, &namespace, &pod("p", JAVA, "true")).await?;
        Api::<k8s_openapi::api::core::v1::Pod>::namespaced(client.clone(), &namespace)
            .delete("p", &DeleteParams::default().grace_period(0))
            .await?;
        Ok((!init_containers(&made).is_empty()).then_some(()))
    })
    .await?;
    testkit::create_yaml(&client, &collector("one", &otlp()), &namespace).await?;
    let (status, checks) = webhooks.probe("/readyz?verbose=1").await?;
    assert_eq!(status, 200);
    assert!(checks.contains("[+]webhook ok") && checks.contains("[+]readyz ok"), "{checks}");
    assert!(
        !webhooks.log().contains("this process leads") && !webhooks.log().contains("waiting for the Lease")
    );
    let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
    assert!(deployments.get_opt("one-collector").await?.is_none(), "a webhook server reconciles nothing");

    let options = OperatorOptions {
        args: strings(&["--enable-webhooks=false"]),
        no_install: true,
        ..OperatorOptions::default()
    };
    let operator = Operator::start(&cluster, options).await?;
    deployed(&client, &namespace, "one").await?;
    let (status, checks) = operator.probe("/readyz?verbose=1").await?;
    assert_eq!(status, 200);
    assert!(checks.contains("[+]readyz ok") && !checks.contains("webhook"), "{checks}");
    Ok(())
}

#[tokio::test]
async fn t32_t51_only_the_namespaces_that_are_watched_are_reconciled_and_instrumented_and_collectors_get_the_proxy()
-> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let (a, b) = (testkit::namespace(&client, "a").await?, testkit::namespace(&client, "b").await?);
    let elsewhere = testkit::namespace(&client, "elsewhere").await?;
    // Blanks around names are nobody's namespace.
    let watched = format!("{a}, {b}");
    let env = [
        ("WATCH_NAMESPACE", watched.as_str()),
        ("HTTP_PROXY", "http://proxy.invalid:3128"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let operator = Operator::start(&cluster, OperatorOptions { env, ..OperatorOptions::default() }).await?;
    for namespace in [&elsewhere, &a, &b] {
        testkit::create_yaml(&client, INSTRUMENTATION, namespace).await?;
        testkit::create_yaml(&client, &collector("one", &otlp()), namespace).await?;
    }
    let made = serde_json::to_value(deployed(&client, &a, "one").await?)?;
    let env = made["spec"]["template"]["spec"]["containers"][0]["env"].as_array().context("no env")?;
    for (name, value) in [("HTTP_PROXY", "http://proxy.invalid:3128"), ("NO_PROXY", "127.0.0.1")] {
        for name in [name.to_owned(), name.to_lowercase()] {
            assert!(
                env.iter().any(|e| e["name"] == name.as_str() && e["value"] == value),
                "{name} in {env:?}"
            );
        }
    }
    deployed(&client, &b, "one").await?;
    let deployments = Api::<Deployment>::namespaced(client.clone(), &elsewhere);
    assert!(deployments.get_opt("one-collector").await?.is_none());
    testkit::wait_for("an injected pod", PATIENCE, async || {
        let ca = ca_bundle(&client).await?;
        let review = review(&b, &pod("p", JAVA, "true"));
        let (_, answer) = ask(operator.webhook_port(), &ca, "/mutate-v1-pod", &[], &review).await?;
        Ok(serde_json::from_str::<Value>(&answer)?["response"]["patch"].is_string().then_some(()))
    })
    .await?;
    let (made, warnings) = create_pod(&client, &elsewhere, &pod("p", JAVA, "true")).await?;
    assert!(init_containers(&made).is_empty(), "not watched, not instrumented: {warnings:?}");
    assert!(operator.log().lines().all(|line| !line.contains("panic")));
    Ok(())
}

/// Just enough of a definition of somebody else's.
fn definition(group: &str, kind: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

#[tokio::test]
async fn t18_t28_t29_monitors_are_made_once_their_definitions_appear_and_routes_alone_do_no_harm()
-> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "monitor").await?;
    let env = vec![("NAMESPACE".to_owned(), namespace.clone())];
    let args = strings(&["--create-sm-operator-metrics"]);
    let operator =
        Operator::start(&cluster, OperatorOptions { args, env, ..OperatorOptions::default() }).await?;
    // A Deployment as the chart names it, without the manifest's second label.
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "renamed", "labels": {"app.kubernetes.io/name": "opentelemetry-operator"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "manager", "image": "x"}]}}},
    });
    testkit::create_yaml(&client, &deployment.to_string(), &namespace).await?;
    let mut wants: Value = serde_json::from_str(&collector("one", &otlp()))?;
    wants["spec"]["observability"] = json!({"metrics": {"enableMetrics": true}});
    testkit::create_yaml(&client, &wants.to_string(), &namespace).await?;
    deployed(&client, &namespace, "one").await?;
    assert_eq!(operator.probe("/readyz").await?.0, 200, "without the definitions all is well");

    let monitoring = "monitoring.coreos.com";
    let definitions = [definition(monitoring, "ServiceMonitor"), definition(monitoring, "PodMonitor")];
    testkit::apply_yaml(&client, &manifest::yaml(&definitions)?, &namespace).await?;
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor"));
    let monitors: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let made = async |name: &str| {
        testkit::wait_for(name, PATIENCE, async || monitors.get_opt(name).await.map_err(Into::into)).await
    };
    let own = made(service_monitor::NAME).await?;
    assert_eq!(own.metadata.owner_references.context("no owner")?[0].name, "renamed");
    assert_eq!(own.data["spec"]["endpoints"][0]["scheme"], "http", "as --metrics-secure=false says");
    made("one-monitoring-collector").await?;

    // The reference then waits for the definitions of OLM, and ends.
    let routes = definition("route.openshift.io", "Route").to_string();
    testkit::apply_yaml(&client, &routes, &namespace).await?;
    testkit::wait_for("the operator to notice routes", PATIENCE, async || {
        Ok(operator.log().contains("\"routes\":true").then_some(()))
    })
    .await?;
    assert!(operator.is_running() && operator.probe("/readyz").await?.0 == 200);

    // What the settings say is brought about again at the next start.
    let spoiled = Patch::Merge(json!({"spec": {"endpoints": [{"path": "/wrong"}]}}));
    monitors.patch(service_monitor::NAME, &PatchParams::default(), &spoiled).await?;
    operator.restart().await?;
    testkit::wait_for("the monitor to be as it should", PATIENCE, async || {
        let monitor = monitors.get(service_monitor::NAME).await?;
        Ok((monitor.data["spec"]["endpoints"][0]["path"] == "/metrics").then_some(()))
    })
    .await
}

#[tokio::test]
async fn t16_t17_usage_metrics_follow_what_is_stored() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "usage").await?;
    let args = strings(&["--enable-cr-metrics", "--enable-leader-election"]);
    let env = vec![("NAMESPACE".to_owned(), namespace.clone())];
    let operator =
        Operator::start(&cluster, OperatorOptions { args, env, ..OperatorOptions::default() }).await?;
    let collectors: Api<DynamicObject> =
        operator::controller::collector::collectors(&client, Some(&namespace));
    let metric = |what: &str, of: &str| {
        format!(
            "opentelemetry_collector_{what}{{collector_name=\"one\",namespace=\"{namespace}\",type=\"{of}\"}} 1"
        )
    };
    let until = async |what: &str, present: bool| {
        testkit::wait_for(what, PATIENCE, async || {
            Ok((operator.metrics().await?.contains(what) == present).then_some(()))
        })
        .await
    };
    let receivers = json!({"otlp": {"protocols": {"grpc": {}}}, "otlp/2": {"protocols": {"grpc": {"endpoint": "0.0.0.0:5317"}}}});
    testkit::create_yaml(&client, &collector("one", &receivers), &namespace).await?;
    until(&metric("receivers", "otlp"), true).await?;
    until(&metric("info", "deployment"), true).await?;
    let dry: DynamicObject = serde_json::from_str(&collector("dry", &otlp()))?;
    let only_asked = kube::api::PostParams { dry_run: true, ..Default::default() };
    collectors.create(&only_asked, &dry).await?;
    let scraped = operator.metrics().await?;
    assert!(!scraped.contains("collector_name=\"dry\""), "a dry run counts for nothing");
    assert!(
        scraped.contains("leader_election_master_status{name=\"9f7554c3.opentelemetry.io\"} 1"),
        "{scraped}"
    );

    let other = json!({"spec": {"config": {"exporters": {"debug": null, "otlp": {"endpoint": "x:4317"}},
        "service": {"pipelines": {"traces": {"exporters": ["otlp"]}}}}}});
    collectors.patch("one", &PatchParams::default(), &Patch::Merge(other)).await?;
    until(&metric("exporters", "otlp"), true).await?;
    until(&metric("exporters", "debug"), false).await?;
    collectors.delete("one", &DeleteParams::default()).await?;
    until("collector_name=\"one\"", false).await
}

#[tokio::test]
async fn t20_t22_t50_ready_means_usable_and_without_the_process_only_collectors_wait_for_it() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "gone").await?;
    let operator = Operator::start(&cluster, OperatorOptions::default()).await?;
    // No second attempt.
    testkit::create_yaml(&client, &collector("one", &otlp()), &namespace).await?;
    testkit::create_yaml(&client, INSTRUMENTATION, &namespace).await?;
    deployed(&client, &namespace, "one").await?;
    let old = "apiVersion: opentelemetry.io/v1alpha1\nkind: OpenTelemetryCollector\nmetadata: {name: old}\nspec:\n  config: |\n    \
               receivers: {otlp: {protocols: {grpc: {}}}}\n    exporters: {debug: {}}\n    \
               service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n";
    testkit::create_yaml(&client, old, &namespace).await?;
    let both = operator::controller::collector::collectors(&client, Some(&namespace));
    let stored = both.get("old").await?;
    assert!(
        stored.data["spec"]["config"]["receivers"]["otlp"].is_object(),
        "stored as an object: {:?}",
        stored.data
    );
    operator.kill9();
    let (made, _) = create_pod(&client, &namespace, &pod("p", JAVA, "true")).await?;
    assert!(init_containers(&made).is_empty());
    let refused = testkit::create_yaml(&client, &collector("two", &otlp()), &namespace).await;
    assert!(format!("{:#}", refused.unwrap_err()).contains("webhook"), "says what is missing");
    let collectors: Api<DynamicObject> =
        operator::controller::collector::collectors(&client, Some(&namespace));
    collectors.delete("one", &DeleteParams::default()).await?;
    Ok(())
}

#[tokio::test]
async fn t42_the_upgrade_waits_for_webhooks_that_are_away() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "upgrade").await?;
    let [before, now] = ["registry.example/java:2.1.0", "registry.example/java:2.2.0"];
    testkit::apply_yaml(&client, &manifest::yaml(&manifest::crds())?, &namespace).await?;
    let old = json!({
        "apiVersion": "opentelemetry.io/v1alpha1",
        "kind": "Instrumentation",
        "metadata": {"name": "old", "annotations": {"instrumentation.opentelemetry.io/default-auto-instrumentation-java-image": before}},
        "spec": {"java": {"image": before}},
    });
    testkit::create_yaml(&client, &old.to_string(), &namespace).await?;
    let away = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "away"},
        "webhooks": [{
            "name": "away.example.com", "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
            "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{"apiGroups": ["opentelemetry.io"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["instrumentations"]}],
        }],
    });
    testkit::apply_yaml(&client, &away.to_string(), &namespace).await?;
    let args = vec![format!("--auto-instrumentation-java-image={now}")];
    let options = OperatorOptions { args, no_install: true, ..OperatorOptions::default() };
    let operator = Operator::start(&cluster, options).await?;
    testkit::wait_for("a failed upgrade", PATIENCE, async || {
        Ok(operator.log().contains("could not be upgraded, trying again").then_some(()))
    })
    .await?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
    ));
    Api::<DynamicObject>::all_with(client.clone(), &resource)
        .delete("away", &DeleteParams::default())
        .await?;
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("opentelemetry.io", "v1alpha1", "Instrumentation"));
    let instrumentations: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    testkit::wait_for("the upgrade", PATIENCE, async || {
        let object = instrumentations.get("old").await?;
        Ok((object.data["spec"]["java"]["image"] == now).then_some(()))
    })
    .await
}

/// A receiver of traces.
async fn receiver() -> Result<(u16, mpsc::UnboundedReceiver<wire::Request>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (send, received) = mpsc::unbounded_channel();
    let send = Arc::new(send);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let send = send.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let send = send.clone();
                async move {
                    let right = request.uri().path() == "/v1/traces"
                        && request
                            .headers()
                            .get("content-type")
                            .is_some_and(|t| t == "application/x-protobuf");
                    let body =
                        request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    if let (true, Ok(message)) = (right, wire::Request::decode(body)) {
                        let _ = send.send(message);
                    }
                    Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Ok((port, received))
}

// The receiver works while this waits for the process to end.
#[tokio::test(flavor = "multi_thread")]
async fn reviews_and_passes_are_traced_and_reviews_continue_the_trace_of_the_api_server() -> Result<()> {
    let (port, mut received) = receiver().await?;
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "traces").await?;
    let env = vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), format!("http://127.0.0.1:{port}"))];
    let operator = Operator::start(&cluster, OperatorOptions { env, ..OperatorOptions::default() }).await?;
    testkit::create_yaml(&client, &collector("one", &otlp()), &namespace).await?;
    deployed(&client, &namespace, "one").await?;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let ca = ca_bundle(&client).await?;
    let body = review(&namespace, &pod("p", JAVA, "true"));
    ask(operator.webhook_port(), &ca, "/mutate-v1-pod", &[("traceparent", traceparent)], &body).await?;
    // What has been collected is sent before the process ends.
    assert!(operator.terminate());

    let mut spans = Vec::new();
    let mut services = Vec::new();
    while let Ok(message) = received.try_recv() {
        for resource in message.resource_spans {
            services.extend(
                resource.resource.into_iter().flat_map(|r| r.attributes).filter(|a| a.key == "service.name"),
            );
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let text = |value: &wire::KeyValue| value.value.as_ref().and_then(|v| v.text.clone()).unwrap_or_default();
    assert!(services.iter().all(|s| text(s) == "opentelemetry-operator") && !services.is_empty());
    let admission =
        spans.iter().find(|s| s.parent_span_id == [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    let admission = admission.with_context(|| format!("no span of the review in {spans:?}"))?;
    assert_eq!((admission.name.as_str(), admission.trace_id[0]), ("POST /mutate-v1-pod", 0x0a));
    assert!(admission.end_time_unix_nano >= admission.start_time_unix_nano);
    let pass = spans.iter().find(|s| s.name == "reconcile opentelemetrycollector").context("no pass")?;
    assert!(
        pass.attributes.iter().any(|a| a.key == "k8s.namespace.name" && text(a) == namespace),
        "{pass:?}"
    );
    Ok(())
}

/// One request to the administrator's port.
async fn admin(port: u16, method: &str, body: &str) -> Result<(u16, String)> {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri("/log-level").header("host", "localhost");
    let response =
        sender.send_request(request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
}

#[tokio::test]
async fn the_log_level_is_changed_while_the_process_runs() -> Result<()> {
    let port = testkit::free_port()?;
    let args = vec![format!("--admin-addr=127.0.0.1:{port}"), "--zap-log-level=error".to_owned()];
    let cluster = testkit::shared().await?;
    let options = OperatorOptions { args, no_install: true, ..OperatorOptions::default() };
    let operator = Operator::start(cluster, options).await?;
    assert!(!operator.log().contains("\"level\":\"INFO\""), "{}", operator.log());
    assert_eq!(admin(port, "GET", "").await?, (200, "error".to_owned()));
    assert_eq!(admin(port, "PUT", "info").await?, (200, "info".to_owned()));
    assert!(operator.log().contains("the log level is changed"), "{}", operator.log());
    assert_eq!(admin(port, "PUT", "loud").await?.0, 400);
    assert_eq!(admin(port, "GET", "").await?, (200, "info".to_owned()));
    Ok(())
}
