//! What injection adds can be taken out again: `uninject(inject(x)) = x`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, sync::Arc};

use api::{Instrumentation, Settings, annotation};
use inject::{Candidates, Facts, Namespace, Pod, Request, Uninjected, plan, uninject};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json, value::RawValue};

const LANGUAGES: [&str; 5] = ["java", "nodejs", "python", "dotnet", "sdk"];

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn namespace() -> Namespace {
    Namespace { name: "shop".to_owned(), ..Namespace::default() }
}

fn facts(instrumentations: &[Instrumentation]) -> Facts {
    let objects = instrumentations.iter().cloned().map(Arc::new).collect();
    Facts {
        namespace: Arc::new(namespace()),
        instrumentations: Candidates { objects, unreadable: Vec::new() },
        ..Facts::default()
    }
}

fn instrumentation(spec: Value) -> Instrumentation {
    serde_json::from_value(
        json!({"metadata": {"name": "demo", "namespace": "shop", "generation": 1}, "spec": spec}),
    )
    .unwrap()
}

/// The pod after injection, and whether anything was injected.
fn injected(pod: &Value, facts: &Facts) -> (Value, bool) {
    let text = raw(pod);
    let read = Pod::parse(&text).unwrap();
    let Some(request) = Request::read(&read.metadata, &facts.namespace) else { return (pod.clone(), false) };
    let decision = plan(&read, &request, facts, &Settings::default());
    let mut after = pod.clone();
    json_patch::patch(&mut after, &decision.patch).unwrap();
    (after, decision.injected())
}

fn uninjected(pod: &Value, facts: &Facts) -> Option<Uninjected> {
    let facts = |_: &Pod<'_>, _: &Request| Ok::<_, serde_json::Error>(facts.clone());
    uninject(pod, &namespace(), &Settings::default(), facts).unwrap()
}

/// What the API does not tell apart: empty lists and absent ones, and where the user's attributes stood, which go last.
fn comparable(mut pod: Value) -> Value {
    for list in ["containers", "initContainers"] {
        let containers = pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for env in containers.into_iter().flatten().filter_map(|c| c.get_mut("env")?.as_array_mut()) {
            env.sort_by_key(|entry| entry["name"] == "OTEL_RESOURCE_ATTRIBUTES");
        }
    }
    pod
}

fn agent_spec() -> Value {
    json!({
        "exporter": {"endpoint": "http://collector:4318"},
        "java": {"image": "java:1"}, "nodejs": {"image": "nodejs:1"}, "python": {"image": "python:1"}, "dotnet": {"image": "dotnet:1"},
        "go": {"image": "go:1"}, "apacheHttpd": {"image": "apache:1"}, "nginx": {"image": "nginx:1"},
    })
}

fn pod_of(language: &str, container: Value) -> Value {
    let key = format!("instrumentation.opentelemetry.io/inject-{language}");
    json!({"metadata": {"annotations": {key: "true"}}, "spec": {"containers": [container]}})
}

#[test]
fn every_language_goes_without_a_trace() {
    for language in LANGUAGES {
        let pod = pod_of(language, json!({"name": "app", "image": "app:1"}));
        let facts = facts(&[instrumentation(agent_spec())]);
        let (after, yes) = injected(&pod, &facts);
        assert!(yes, "{language}");
        assert_eq!(uninjected(&after, &facts), Some(Uninjected { pod, kept: Vec::new() }), "{language}");
    }
}

#[test]
fn values_of_the_users_are_cut_back_to_what_they_were() {
    for (language, name, value) in [
        ("java", "JAVA_TOOL_OPTIONS", "-Xmx1g"),
        ("nodejs", "NODE_OPTIONS", "--inspect"),
        ("python", "PYTHONPATH", "/app:/lib"),
        ("dotnet", "DOTNET_STARTUP_HOOKS", "/hook.dll"),
        ("dotnet", "DOTNET_SHARED_STORE", "/store"),
        ("sdk", "OTEL_RESOURCE_ATTRIBUTES", "team=shop,k8s.pod.name=mine"),
    ] {
        let env = json!([{"name": "A", "value": "1"}, {"name": name, "value": value}]);
        let pod = pod_of(language, json!({"name": "app", "image": "app:1", "env": env}));
        let facts = facts(&[instrumentation(agent_spec())]);
        let (after, _) = injected(&pod, &facts);
        assert_ne!(after, pod);
        assert_eq!(uninjected(&after, &facts).unwrap().pod, pod, "{language}");
    }
}

#[test]
fn a_variable_in_front_of_the_users_is_the_users_even_with_our_value() {
    let env = json!([{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}, {"name": "A", "value": "1"}]);
    let pod = pod_of("java", json!({"name": "app", "image": "app:1", "env": env}));
    let facts = facts(&[instrumentation(agent_spec())]);
    let (after, _) = injected(&pod, &facts);
    assert_eq!(uninjected(&after, &facts).unwrap().pod, pod);
}

#[test]
fn without_the_instrumentation_what_it_may_have_set_is_kept_and_listed() {
    let pod = pod_of("java", json!({"name": "app", "image": "app:1"}));
    let mut spec = agent_spec();
    spec["env"] = json!([{"name": "OTEL_LOG_LEVEL", "value": "debug"}]);
    let (after, _) = injected(&pod, &facts(&[instrumentation(spec)]));
    let found = uninjected(&after, &facts(&[])).unwrap();
    let env: Vec<_> = found.pod["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["name"].clone())
        .collect();
    assert_eq!(env, ["OTEL_LOG_LEVEL", "OTEL_EXPORTER_OTLP_ENDPOINT"]);
    assert_eq!(found.kept.len(), 2);
    assert!(
        found.kept[0].contains("OTEL_LOG_LEVEL, because Instrumentation of namespace shop is not known"),
        "{:?}",
        found.kept
    );
    assert!(found.pod["spec"].get("initContainers").is_none() && found.pod["spec"].get("volumes").is_none());
}

#[test]
fn the_verdict_says_what_was_injected_when_the_annotation_is_gone() {
    let pod = pod_of("sdk", json!({"name": "app", "image": "app:1"}));
    let facts = facts(&[instrumentation(agent_spec())]);
    let (mut after, _) = injected(&pod, &facts);
    after["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove("instrumentation.opentelemetry.io/inject-sdk");
    let found = uninjected(&after, &facts).unwrap().pod;
    assert_eq!(found, json!({"spec": pod["spec"]}));
}

#[test]
fn a_declined_pod_only_loses_its_verdict_and_others_are_none_of_our_business() {
    let pod = pod_of("java", json!({"name": "app", "image": "app:1"}));
    let nothing = facts(&[]);
    let (after, yes) = injected(&pod, &nothing);
    assert!(!yes && after["metadata"]["annotations"].get(annotation::VERDICT).is_some());
    assert_eq!(uninjected(&after, &nothing), Some(Uninjected { pod: pod.clone(), kept: Vec::new() }));
    assert_eq!(uninjected(&pod, &nothing), None);
}

#[test]
fn a_web_server_gets_its_hidden_mounts_back() {
    let mounts = json!([{"name": "conf", "mountPath": "/usr/local/apache2/conf/extra"}, {"name": "www", "mountPath": "/www"}]);
    let mut pod =
        pod_of("apache-httpd", json!({"name": "web", "image": "httpd:2.4", "volumeMounts": mounts}));
    pod["spec"]["volumes"] =
        json!([{"name": "conf", "configMap": {"name": "conf"}}, {"name": "www", "emptyDir": {}}]);
    let facts = facts(&[instrumentation(agent_spec())]);
    let (after, yes) = injected(&pod, &facts);
    assert!(yes && after["spec"]["containers"][0]["volumeMounts"].as_array().unwrap().len() == 3);
    assert_eq!(uninjected(&after, &facts).unwrap().pod, pod);
}

/// Values that injection never writes: those of the user are then the user's beyond doubt.
fn own_value() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9/$(): ,._-]{0,12}".prop_map(|text| format!("own {text}"))
}

fn variable() -> impl Strategy<Value = Value> {
    let names = select(vec![
        "JAVA_TOOL_OPTIONS",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "DOTNET_STARTUP_HOOKS",
        "DOTNET_ADDITIONAL_DEPS",
        "DOTNET_SHARED_STORE",
        "OTEL_SERVICE_NAME",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_TRACES_SAMPLER",
        "OTEL_METRICS_EXPORTER",
        "OTEL_NODE_IP",
        "OTEL_POD_IP",
        "OTEL_PROPAGATORS",
        "A",
        "B",
        "C",
    ]);
    let plain = (names, own_value()).prop_map(|(name, value)| json!({"name": name, "value": value}));
    let attributes = vec(("[a-z]{1,6}", "own[a-z]{0,4}"), 1..4).prop_map(|pairs| {
        let list: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        json!({"name": "OTEL_RESOURCE_ATTRIBUTES", "value": list.join(",")})
    });
    let sourced = select(vec!["A", "B", "D"])
        .prop_map(|name| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}));
    prop_oneof![6 => plain, 1 => attributes, 1 => sourced]
}

/// An environment whose names are unique, as the API server demands of what is applied.
fn environment() -> impl Strategy<Value = Vec<Value>> {
    vec(variable(), 0..7).prop_map(|list| {
        let mut seen = BTreeSet::new();
        list.into_iter().filter(|e| seen.insert(e["name"].as_str().unwrap().to_owned())).collect()
    })
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let mounts = option::of(Just(json!([{"name": "data", "mountPath": "/data"}])));
    (environment(), mounts, any::<bool>()).prop_map(move |(env, mounts, restricted)| {
        let mut container =
            json!({"name": name, "image": "registry.example/app:1.2", "unknownField": {"kept": true}});
        if !env.is_empty() {
            container["env"] = env.into();
        }
        if let Some(mounts) = mounts {
            container["volumeMounts"] = mounts;
        }
        if restricted {
            container["securityContext"] = json!({"runAsNonRoot": true});
        }
        container
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let languages = proptest::sample::subsequence(LANGUAGES.to_vec(), 1..=3);
    let parts = (container("app"), option::of(container("worker")), option::of(container("setup")));
    let owner = option::of(Just(
        json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": true}]),
    ));
    let targets = select(vec!["app", "app,worker", "worker,app", "setup", "app,setup"]);
    (languages, parts, owner, targets, any::<bool>()).prop_map(|(languages, (app, worker, setup), owner, targets, labels)| {
        let mut pod = json!({"metadata": {"annotations": {"note": "mine"}}, "spec": {"containers": [app], "volumes": [{"name": "data", "emptyDir": {}}]}});
        pod["spec"]["containers"].as_array_mut().unwrap().extend(worker);
        if let Some(setup) = setup {
            pod["spec"]["initContainers"] = json!([setup]);
        }
        for language in languages {
            let prefix = annotation::PREFIX;
            pod["metadata"]["annotations"][format!("{prefix}inject-{language}")] = json!("demo");
            pod["metadata"]["annotations"][format!("{prefix}{language}-container-names")] = json!(targets);
        }
        if let Some(owner) = owner {
            pod["metadata"]["ownerReferences"] = owner;
        }
        if labels {
            pod["metadata"]["labels"] = json!({"app.kubernetes.io/name": "labelled", "app.kubernetes.io/version": "7"});
        }
        pod
    })
}

/// Instrumentations whose own variables may meet the user's.
fn spec() -> impl Strategy<Value = Value> {
    let variables = || {
        let names =
            select(vec!["JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "PYTHONPATH", "OTEL_LOG_LEVEL", "A", "E"]);
        vec(
            (names, "[a-z]{1,4}")
                .prop_map(|(name, value)| json!({"name": name, "value": format!("given {value}")})),
            0..3,
        )
    };
    let tls = option::of(Just(
        json!({"secretName": "certs", "configMapName": "ca", "ca_file": "ca.crt", "cert_file": "c", "key_file": "k"}),
    ));
    let endpoint = select(vec!["", "http://collector:4317", "https://collector:4318"]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (variables(), variables(), tls, endpoint, flags).prop_map(
        |(common, java, tls, endpoint, (uids, sampler, labels))| {
            let mut spec = agent_spec();
            spec["env"] = common.into();
            spec["java"]["env"] = java.into();
            spec["java"]["extensions"] = json!([{"image": "ext:1", "dir": "/ext"}]);
            spec["exporter"] = json!({"endpoint": endpoint, "tls": tls});
            spec["resource"] = json!({"addK8sUIDAttributes": uids, "resourceAttributes": {"team": "given"}});
            spec["defaults"] = json!({"useLabelsForResourceAttributes": labels});
            spec["propagators"] = json!(["b3"]);
            if sampler {
                spec["sampler"] = json!({"type": "always_on"});
            }
            spec
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn injection_can_be_taken_out_again(pod in pod(), spec in spec()) {
        let facts = facts(&[instrumentation(spec)]);
        let (after, _) = injected(&pod, &facts);
        let found = uninjected(&after, &facts).expect("every request leaves its verdict");
        prop_assert_eq!(comparable(found.pod), comparable(pod));
    }

    #[test]
    fn any_pod_is_survived(pod in pod(), spec in spec()) {
        let (after, _) = injected(&pod, &facts(&[instrumentation(spec)]));
        let found = uninjected(&after, &facts(&[])).expect("every request leaves its verdict");
        // Taking out twice takes out nothing more.
        prop_assert_eq!(uninjected(&found.pod, &facts(&[])).map(|u| u.pod).unwrap_or(found.pod.clone()), found.pod);
    }
}

/// A collector with an init container and a volume of its own, as the engine for collectors offers it.
fn collector() -> Arc<api::collector::sidecar::Collector> {
    let object = json!({
        "metadata": {"namespace": "obs", "name": "agent", "generation": 2},
        "spec": {
            "mode": "sidecar",
            "initContainers": [{"name": "fetch", "image": "fetch:1"}],
            "volumes": [{"name": "queue", "emptyDir": {}}],
            "volumeMounts": [{"name": "queue", "mountPath": "/queue"}],
            "config": {"receivers": {"otlp": {}}, "exporters": {"debug": {}}, "service": {"pipelines": {}}},
        },
    });
    Arc::new(collector::sidecar::offered(&object, &collector::Settings::default()))
}

fn with_sidecar() -> (Value, Value, Facts) {
    let pod = json!({
        "metadata": {"labels": {"app": "shop"}, "annotations": {
            "sidecar.opentelemetry.io/inject": "obs/agent",
            "instrumentation.opentelemetry.io/inject-java": "true",
        }},
        "spec": {
            "containers": [{"name": "app", "image": "app:1"}],
            "initContainers": [{"name": "setup", "image": "setup:1"}],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    });
    let mut facts = facts(&[instrumentation(json!({"java": {"image": "java:1"}}))]);
    facts.collectors = vec![collector()];
    facts.native_sidecars = true;
    let (after, _) = injected(&pod, &facts);
    let names: Vec<_> = after["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["setup", "fetch", "otc-container", "opentelemetry-auto-instrumentation-java"]);
    (pod, after, facts)
}

#[test]
fn a_sidecar_goes_with_all_that_its_collector_added() {
    let (pod, after, facts) = with_sidecar();
    let found = uninjected(&after, &facts).unwrap();
    assert_eq!(comparable(found.pod), comparable(pod));
    assert_eq!(found.kept, Vec::<String>::new());
}

#[test]
fn of_an_unknown_collector_only_the_container_goes_and_the_rest_is_told() {
    let (_, after, mut facts) = with_sidecar();
    facts.collectors.clear();
    let found = uninjected(&after, &facts).unwrap();
    let names: Vec<_> =
        found.pod["spec"]["initContainers"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["setup", "fetch"]);
    assert_eq!(
        found.kept,
        ["init containers and volumes of OpenTelemetryCollector obs/agent, if it has any: it is not known"]
    );
}

#[test]
fn a_container_that_only_is_called_so_stays() {
    let pod = json!({
        "metadata": {"annotations": {"sidecar.opentelemetry.io/inject": "true"}},
        "spec": {"containers": [{"name": "app", "image": "app:1"}, {"name": "otc-container", "image": "mine:1"}]},
    });
    assert!(uninjected(&pod, &facts(&[])).is_none());
}
