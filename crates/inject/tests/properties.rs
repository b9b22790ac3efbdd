//! Random pods and Instrumentations, realistic and nasty: the laws of `engine` hold for all of them.

#![expect(clippy::expect_used, reason = "a test may panic; so may its functions")]

mod engine;

use std::sync::Arc;

use api::{Language, Settings};
use engine::broken_laws;
use inject::{Candidates, Existence, Facts, Namespace, OwnerLookup, OwnerReference};
use proptest::{collection::vec, option, prelude::*, sample::select, test_runner::Config};
use serde_json::{Map, Value, json};

const INJECT: &str = "instrumentation.opentelemetry.io/";

/// Names that collide with each other and with ours, and a few that nobody expects.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => select(vec!["app", "web", "i1", "sidecar", "data", "conf", "c1", "c2"]).prop_map(str::to_owned),
        1 => select(vec![
            "opentelemetry-auto-instrumentation-java",
            "otc-container",
            "opentelemetry-auto-instrumentation",
            "otel-agent-source-container-clone",
            "otel-agent-attach-nginx",
            "kernel-debug",
            "otel-apache-conf-dir",
            "otel-auto-secret-certs",
            "",
            "ünï/~1",
        ])
        .prop_map(str::to_owned),
        1 => "[a-z]{1,70}",
    ]
}

fn variable_name() -> impl Strategy<Value = String> {
    prop_oneof![
        25 => select(vec![
            "JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "PYTHONPATH", "LD_LIBRARY_PATH", "DOTNET_STARTUP_HOOKS", "CORECLR_PROFILER",
            "OTEL_DOTNET_AUTO_HOME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_NODE_IP", "OTEL_POD_IP", "OTEL_TRACES_SAMPLER_ARG",
            "OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME", "OTEL_GO_AUTO_TARGET_EXE", "A", "B",
        ])
        .prop_map(str::to_owned),
        1 => ".{0,8}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(vec![
            "", "x", "$(A)", "$(B)$$(A)", "$(OTEL_SERVICE_NAME)", "k8s.pod.name=x,service.name=me", "a=b=c,,=,d", ",", "http://c:4317", "otlp",
            "service.version=", "$(", "true",
        ])
        .prop_map(str::to_owned),
        1 => ".{0,40}",
    ]
}

fn variable() -> impl Strategy<Value = Value> {
    (variable_name(), text(), 0..8u8).prop_map(|(name, text, form)| match form {
        0 => json!({ "name": name, "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } }),
        1 => json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } }),
        2 => json!({ "name": name }),
        3 => json!({ "name": name, "value": null, "valueFrom": null }),
        _ => json!({ "name": name, "value": text }),
    })
}

fn security_context() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!({}),
        json!({ "runAsNonRoot": true }),
        json!({ "runAsUser": 1000, "runAsNonRoot": true }),
        json!({ "privileged": true, "newKnob": [1, 2] }),
    ])
}

fn mount() -> impl Strategy<Value = Value> {
    let path = select(vec![
        "/data",
        "/etc/nginx",
        "/etc/nginx/conf.d",
        "/usr/local/apache2/conf/httpd.conf",
        "/otel-auto-instrumentation-nodejs",
        "/",
        "",
    ]);
    (name(), path).prop_map(|(name, path)| json!({ "name": name, "mountPath": path }))
}

/// An object of which every field may be absent, or null.
fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| {
            let value = prop_oneof![4 => value.prop_map(Some), 3 => Just(None), 1 => Just(Some(Value::Null))];
            value.prop_map(move |value| (name, value))
        })
        .collect();
    fields
        .prop_map(|fields| {
            fields.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect::<Map<_, _>>().into()
        })
        .boxed()
}

fn list(entries: impl Strategy<Value = Value> + 'static, most: usize) -> BoxedStrategy<Value> {
    vec(entries, 0..most).prop_map(Value::from).boxed()
}

fn with(object: Value, key: &str, value: Value) -> Value {
    let mut object = object;
    object[key] = value;
    object
}

fn container() -> impl Strategy<Value = Value> {
    let image = prop_oneof![
        select(vec!["app:1", "REG/x", "reg:5000/a/b@sha256:0f", ""]).prop_map(str::to_owned),
        ".{0,20}"
    ];
    let env_from = select(vec![
        json!({ "configMapRef": { "name": "settings" } }),
        json!({ "prefix": "OTEL_", "configMapRef": { "name": "settings" } }),
        json!({ "secretRef": { "name": "s" } }),
        json!({ "tomorrowRef": {} }),
    ]);
    let fields = object(vec![
        ("image", image.prop_map(Value::from).boxed()),
        ("env", list(variable(), 8)),
        ("envFrom", list(env_from, 3)),
        ("volumeMounts", list(mount(), 4)),
        ("securityContext", security_context().boxed()),
        ("livenessProbe", Just(json!({ "exec": { "command": ["x"] } })).boxed()),
    ]);
    (name(), fields).prop_map(|(name, fields)| with(fields, "name", name.into()))
}

fn language() -> impl Strategy<Value = Language> {
    select(Language::ALL.to_vec())
}

fn asked() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => select(vec!["true", "inst", "ns/inst", "inst"]).prop_map(str::to_owned),
        3 => select(vec!["true", "inst", "ns/inst", "other/inst", "false", "missing", "a/b/c", "broken", "TRUE"]).prop_map(str::to_owned),
        1 => ".{0,10}",
    ]
}

fn containers_asked() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => vec(name(), 0..4).prop_map(|names| names.join(",")),
        1 => select(vec!["app,app", "app, web", ",,", "app"]).prop_map(str::to_owned),
    ]
}

fn annotations() -> impl Strategy<Value = Map<String, Value>> {
    let request = (language(), asked()).prop_map(|(l, value)| (l.info().inject.to_owned(), value));
    let containers =
        (language(), containers_asked()).prop_map(|(l, value)| (l.info().container_names.to_owned(), value));
    let common = containers_asked().prop_map(|value| (format!("{INJECT}container-names"), value));
    let extra = (
        select(vec![
            "otel-python-platform",
            "otel-dotnet-auto-runtime",
            "otel-go-auto-target-exe",
            "inject-ruby",
            "verdict",
        ]),
        select(vec!["", "musl", "linux-x64", "/app", "true", "java/app=Injected(ns/inst@1)", "x"]),
    )
        .prop_map(|(key, value)| (format!("{INJECT}{key}"), value.to_owned()));
    let attribute = (select(vec!["service.name", "service.namespace", "k8s.node.name", "team", ""]), text())
        .prop_map(|(key, value)| (format!("resource.opentelemetry.io/{key}"), value));
    let entry = prop_oneof![5 => request, 3 => containers, 1 => common, 2 => extra, 2 => attribute];
    vec(entry, 0..8).prop_map(|entries| entries.into_iter().map(|(k, v)| (k, Value::from(v))).collect())
}

fn owner() -> impl Strategy<Value = Value> {
    let kind = select(vec![
        ("apps/v1", "ReplicaSet"),
        ("batch/v1", "Job"),
        ("apps/v1", "DaemonSet"),
        ("example.com/v1", "ReplicaSet"),
        ("v1", "Node"),
    ]);
    (kind, name()).prop_map(
        |((version, kind), name)| json!({ "apiVersion": version, "kind": kind, "name": name, "uid": "u" }),
    )
}

fn pod() -> impl Strategy<Value = Value> {
    let metadata = object(vec![
        ("name", name().prop_map(Value::from).boxed()),
        ("generateName", Just(json!("web-5d8f-")).boxed()),
        ("labels", Just(json!({ "pod-template-hash": "5d8f", "app.kubernetes.io/name": "a,b=c" })).boxed()),
        ("ownerReferences", list(owner(), 3)),
    ]);
    let spec = object(vec![
        ("initContainers", list(container(), 4)),
        ("volumes", list(name().prop_map(|name| json!({ "name": name, "emptyDir": {} })), 4)),
        ("securityContext", security_context().boxed()),
        ("nodeName", Just(json!("n1")).boxed()),
        ("shareProcessNamespace", any::<bool>().prop_map(Value::from).boxed()),
        ("hostPID", any::<bool>().prop_map(Value::from).boxed()),
        ("resources", Just(json!({ "limits": { "memory": "64Mi" } })).boxed()),
        ("os", select(vec![json!({ "name": "linux" }), json!({ "name": "windows" })]).boxed()),
    ]);
    (metadata, annotations(), spec, list(container(), 4), any::<bool>()).prop_map(
        |(metadata, annotations, spec, containers, absent)| {
            let metadata = match absent && annotations.is_empty() {
                true => metadata,
                false => with(metadata, "annotations", annotations.into()),
            };
            json!({ "metadata": metadata, "spec": with(spec, "containers", containers) })
        },
    )
}

/// The same pod as somebody would write it: names that are names, lists that name containers, values that name Instrumentations.
/// `choice` decides which.
fn sensible(mut pod: Value, choice: u64) -> Value {
    let mut names = Vec::new();
    for (list, prefix) in [("containers", "app"), ("initContainers", "init"), ("volumes", "volume")] {
        let entries = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for (i, entry) in entries.into_iter().flatten().enumerate() {
            entry["name"] = json!(format!("{prefix}{i}"));
            names.extend((prefix != "volume").then(|| format!("{prefix}{i}")));
        }
    }
    if pod["spec"]["containers"] == json!([]) {
        pod["spec"]["containers"] = json!([{ "name": "app0", "image": "app:1" }]);
        names.push("app0".to_owned());
    }
    pod["spec"].as_object_mut().expect("the spec is an object").remove("os");
    let Some(annotations) = pod["metadata"].get_mut("annotations").and_then(Value::as_object_mut) else {
        return pod;
    };
    annotations.retain(|key, _| !key.ends_with("container-names"));
    for (i, language) in Language::ALL.into_iter().enumerate() {
        if let Some(value) = annotations.get_mut(language.info().inject) {
            *value = json!(if choice >> i & 1 == 0 { "inst" } else { "ns/inst" });
        }
        let bits = (choice >> (8 + 2 * i)) as usize;
        let mut listed = vec![names[bits % names.len()].clone()];
        listed.extend((bits & 2 == 2).then(|| names[(bits + 1) % names.len()].clone()));
        listed.dedup();
        annotations.insert(language.info().container_names.to_owned(), json!(listed.join(",")));
    }
    pod
}

fn any_pod() -> impl Strategy<Value = Value> {
    prop_oneof![1 => pod(), 3 => (pod(), any::<u64>()).prop_map(|(pod, choice)| sensible(pod, choice))]
}

/// Something good as a rule, something odd now and then.
fn mostly(good: Vec<Value>, odd: Vec<Value>) -> BoxedStrategy<Value> {
    prop_oneof![15 => select(good), 1 => select(odd)].boxed()
}

fn agent(resources: &'static str) -> BoxedStrategy<Value> {
    let quantities = mostly(
        vec![
            json!({ "limits": { "memory": "32Mi", "cpu": 0.5 }, "requests": { "memory": "64Mi", "cpu": "1" } }),
            json!({}),
        ],
        vec![json!({ "limits": { "memory": "nonsense" }, "requests": { "memory": 12 } })],
    );
    let template = json!({ "spec": { "accessModes": ["ReadWriteOnce"] } });
    let fields = object(vec![
        ("env", list(variable(), 4)),
        (resources, quantities),
        ("volumeLimitSize", mostly(vec![json!("50Mi"), json!(7)], vec![json!("-1"), json!("x")])),
        ("volumeClaimTemplate", mostly(vec![json!({ "metadata": {} })], vec![template])),
        (
            "configPath",
            mostly(vec![json!(""), json!("/opt/conf/")], vec![json!("/"), json!("relative"), json!("/a;b")]),
        ),
        ("configFile", mostly(vec![json!(""), json!("/opt/x.conf")], vec![json!("/"), json!("nginx.conf")])),
        ("attrs", list(variable(), 3)),
        ("extensions", list(Just(json!({ "image": "e:1", "dir": "/e" })), 3)),
        ("securityContext", security_context().boxed()),
    ]);
    let image = mostly(vec![json!("agent:1")], vec![json!(""), json!("a b"), Value::Null]);
    (fields, image).prop_map(|(fields, image)| with(fields, "image", image)).boxed()
}

fn instrumentation() -> impl Strategy<Value = Value> {
    let attributes = select(vec![
        json!({ "service.name": "n", "k8s.pod.name": "x" }),
        json!({ "": "", "a=b": ",", "service.version": "" }),
        json!({}),
    ]);
    let tls =
        json!({ "secretName": "certs", "configMapName": "my.ca", "ca_file": "ca.crt", "key_file": "/k" });
    let endpoint = select(vec!["http://c:4317", "http://c:4318", "https://[::1]:4317/x", "$(A)", ":", ""]);
    let fields = object(vec![
        (
            "exporter",
            (endpoint, option::of(Just(tls)))
                .prop_map(|(endpoint, tls)| json!({ "endpoint": endpoint, "tls": tls }))
                .boxed(),
        ),
        (
            "resource",
            (attributes, any::<bool>())
                .prop_map(|(a, uids)| json!({ "resourceAttributes": a, "addK8sUIDAttributes": uids }))
                .boxed(),
        ),
        ("propagators", Just(json!(["b3", "none"])).boxed()),
        ("sampler", Just(json!({ "type": "traceidratio", "argument": "NaN" })).boxed()),
        ("defaults", Just(json!({ "useLabelsForResourceAttributes": true })).boxed()),
        ("env", list(variable(), 5)),
        ("imagePullPolicy", mostly(vec![json!("Always")], vec![json!("Sometimes")])),
        ("initContainerSecurityContext", security_context().boxed()),
    ]);
    let agents = ["java", "nodejs", "python", "dotnet", "go", "apacheHttpd", "nginx"].map(|language| {
        agent(if language == "java" { "resources" } else { "resourceRequirements" })
            .prop_map(move |a| (language, a))
    });
    (fields, agents.to_vec()).prop_map(|(fields, agents)| {
        agents.into_iter().fold(fields, |fields, (language, agent)| with(fields, language, agent))
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let existence = || {
        select(vec![
            Existence::Exists,
            Existence::Exists,
            Existence::Missing("gone".to_owned()),
            Existence::Unknown,
        ])
    };
    let level = select(vec!["privileged", "baseline", "restricted", "privileged"]);
    let owners = option::of((select(vec!["Deployment", "Rollout", "CronJob"]), name()));
    (prop_oneof![1 => Just(Vec::new()), 8 => vec(instrumentation(), 1..3)], annotations(), level, existence(), existence(), owners, 0..8u8).prop_map(
        |(specs, annotations, level, secret, config_map, owner, broken)| {
            let places = [("ns", "inst"), ("other", "inst"), ("ns", "second")];
            let objects = specs.into_iter().zip(places).map(|(spec, (namespace, name))| {
                let object = json!({ "metadata": { "namespace": namespace, "name": name, "generation": 3 }, "spec": spec });
                Arc::new(serde_json::from_value(object).expect("an Instrumentation can be read"))
            });
            let broken = (broken == 0).then(|| ("ns".to_owned(), "broken".to_owned(), "why".to_owned()));
            let unreadable = broken.into_iter().collect();
            let mut facts = Facts {
                namespace: Arc::new(Namespace {
                    name: "ns".to_owned(),
                    annotations: annotations.into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_owned()))).collect(),
                    labels: [("pod-security.kubernetes.io/enforce".to_owned(), level.to_owned())].into(),
                }),
                instrumentations: Candidates { objects: objects.collect(), unreadable },
                ..Facts::default()
            };
            facts.secrets.insert("certs".to_owned(), secret);
            facts.config_maps.insert("my.ca".to_owned(), config_map);
            let keys = ["JAVA_TOOL_OPTIONS", "SERVICE_NAME", "OTEL_PROPAGATORS"].map(str::to_owned);
            facts.env_from.insert("settings".to_owned(), keys.into());
            if let Some((kind, name)) = owner {
                let reference = OwnerReference { api_version: "apps/v1".to_owned(), kind: kind.to_owned(), name, ..OwnerReference::default() };
                for owned in ["app", "web"] {
                    facts.owners.insert(("ReplicaSet".to_owned(), owned.to_owned()), OwnerLookup::Found(vec![reference.clone()]));
                }
            }
            facts
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    (any::<bool>(), any::<bool>(), any::<bool>(), language(), any::<bool>()).prop_map(
        |(multi, port, verdict, off, every)| {
            let mut settings = Settings::with_every_language();
            settings.multi_instrumentation = multi;
            settings.otlp_protocol_by_port = port;
            settings.verdict_annotation = verdict;
            settings.enabled[off] = every;
            settings
        },
    )
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    /// Never a panic; twice is once; unknown fields survive; nothing else is touched; every requested language is answered.
    #[test]
    fn the_laws_hold_for_every_pod(pod in any_pod(), facts in facts(), settings in settings()) {
        let broken = broken_laws(&pod, &facts, &settings);
        prop_assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}

proptest! {
    #![proptest_config(Config { cases: 16, failure_persistence: None, ..Config::default() })]

    /// A pod with long lists is decided as well, and its verdict still fits.
    #[test]
    fn long_lists_are_only_long(containers in 1..60usize, variables in 0..60usize, language in language()) {
        let env: Vec<Value> = (0..variables).map(|i| json!({ "name": format!("V{i}"), "value": format!("$(V{})", i + 1) })).collect();
        let list: Vec<Value> = (0..containers).map(|i| json!({ "name": format!("c{i}"), "image": "a:1", "env": env })).collect();
        let names: Vec<String> = (0..containers).map(|i| format!("c{i}")).collect();
        let annotations = json!({ language.info().inject: "true", format!("{INJECT}container-names"): names.join(",") });
        let pod = json!({ "metadata": { "annotations": annotations }, "spec": { "containers": list } });
        let spec = json!({ "spec": { "env": env }, "metadata": { "namespace": "ns", "name": "inst" } });
        let facts = Facts {
            namespace: Arc::new(Namespace { name: "ns".to_owned(), ..Namespace::default() }),
            instrumentations: Candidates {
                objects: vec![Arc::new(serde_json::from_value(spec).expect("an Instrumentation can be read"))],
                unreadable: Vec::new(),
            },
            ..Facts::default()
        };
        let broken = broken_laws(&pod, &facts, &Settings::with_every_language());
        prop_assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}
