//! Random pods and Instrumentations: what people write, and what nobody expects them to.

use serde_json::{Map, Value, json};

use super::random::Random;

const LANGUAGES: [(&str, &str); 8] = [
    ("java", "java-container-names"),
    ("nodejs", "nodejs-container-names"),
    ("python", "python-container-names"),
    ("dotnet", "dotnet-container-names"),
    ("go", "go-container-names"),
    ("apache-httpd", "apache-httpd-container-names"),
    ("nginx", "inject-nginx-container-names"),
    ("sdk", "sdk-container-names"),
];

const PATHS: [&str; 10] = [
    "/data",
    "/etc/nginx",
    "/usr/local/apache2/conf",
    "/otel-auto-instrumentation-java",
    "/otel-auto-instrumentation-nodejs",
    "/otel-auto-instrumentation-python",
    "/otel-auto-instrumentation-secret-my.certs",
    "/opt/opentelemetry-webserver/agent",
    "/sys/kernel/debug",
    "/tmp/a b",
];

/// An entry of a list of environment variables; valid in a pod unless `odd`.
fn variable(random: &mut Random, name: &str, odd: bool) -> Value {
    let source = match random.below(if odd { 14 } else { 11 }) {
        0 => json!({ "configMapKeyRef": { "name": "c", "key": "k", "optional": true } }),
        1 => json!({ "secretKeyRef": { "name": "s", "key": "k.x" } }),
        2 => {
            json!({ "fieldRef": { "fieldPath": random.of(&["spec.nodeName", "status.hostIPs", "metadata.labels['app']", "metadata.annotations['a/b']"]) } })
        }
        3 => {
            json!({ "resourceFieldRef": { "resource": "limits.memory", "containerName": "elsewhere", "divisor": "1Mi" } })
        }
        11 => {
            let odd = ["nothing", "metadata.labels['a/b/c']", "metadata.annotations['-x']"];
            json!({ "fieldRef": { "fieldPath": random.of(&odd) } })
        }
        12 => random.of(&[
            json!({ "fieldRef": { "apiVersion": "v2", "fieldPath": "spec.nodeName" } }),
            json!({ "resourceFieldRef": { "resource": "limits.cpu", "divisor": "7" } }),
            json!({ "resourceFieldRef": { "resource": "limits.memory", "divisor": "1m" } }),
            json!({ "fileKeyRef": { "volumeName": "none", "path": "x", "key": "A" } }),
        ]),
        13 => {
            let key = random.of(&["..x", "a b", "..", ""]);
            json!({ "configMapKeyRef": { "name": random.of(&["c", "UPPER", ""]), "key": key } })
        }
        _ => {
            let texts = ["", "x", "$(A)", "$(B)$$(A)", "k8s.pod.name=x,a=b", "$(", "true", "-Dx=y", "ünï"];
            return json!({ "name": name, "value": random.of(&texts) });
        }
    };
    json!({ "name": name, "valueFrom": source })
}

fn variables(random: &mut Random, most: usize, odd: bool) -> Value {
    let names = [
        "JAVA_TOOL_OPTIONS",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "DOTNET_STARTUP_HOOKS",
        "CORECLR_PROFILER",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_SERVICE_NAME",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_NODE_IP",
        "OTEL_RESOURCE_ATTRIBUTES_POD_NAME",
        "OTEL_GO_AUTO_TARGET_EXE",
        "A",
        "B",
    ];
    let mut list: Vec<Value> =
        random.some(&names, most).into_iter().map(|name| variable(random, name, odd)).collect();
    if random.once_in(10) {
        list.extend(list.first().cloned());
    }
    if odd && random.once_in(10) {
        list.push(variable(random, random_name(list.len()), odd));
    }
    list.into()
}

/// Names of variables that are allowed, or not, by a hair.
fn random_name(i: usize) -> &'static str {
    ["with space", "A=B", "ünï", "1digit", "a.b-c"][i % 5]
}

fn security_context(random: &mut Random, odd: bool) -> Value {
    let good = [
        json!({}),
        json!({ "runAsNonRoot": true }),
        json!({ "runAsUser": 1000, "runAsGroup": 1000, "readOnlyRootFilesystem": true }),
        json!({ "privileged": true }),
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] }, "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } }),
        json!({ "seccompProfile": { "type": "Localhost", "localhostProfile": "a/b.json" } }),
        json!({ "appArmorProfile": { "type": "Unconfined" }, "seLinuxOptions": { "level": "s0" } }),
    ];
    let bad = [
        json!({ "privileged": true, "allowPrivilegeEscalation": false }),
        json!({ "runAsUser": -1 }),
        json!({ "procMount": "Unmasked" }),
        json!({ "procMount": "Strange" }),
        json!({ "seccompProfile": { "type": "Localhost" } }),
        json!({ "seccompProfile": { "type": "Localhost", "localhostProfile": "" } }),
        json!({ "seccompProfile": { "type": "Localhost", "localhostProfile": "/abs" } }),
        json!({ "seccompProfile": { "type": "Localhost", "localhostProfile": "../up" } }),
        json!({ "seccompProfile": {} }),
        json!({ "appArmorProfile": { "type": "Localhost", "localhostProfile": " x " } }),
        json!({ "appArmorProfile": { "type": "Localhost", "localhostProfile": "" } }),
        json!({ "windowsOptions": { "hostProcess": true } }),
        json!({ "windowsOptions": { "runAsUserName": "a\\b\\c" } }),
        json!({ "windowsOptions": { "gmsaCredentialSpecName": "Not A Name" } }),
        json!({ "capabilities": { "add": ["CAP_SYS_ADMIN"] }, "allowPrivilegeEscalation": false }),
    ];
    if odd && random.once_in(5) { random.of(&bad) } else { random.of(&good) }
}

fn resources(random: &mut Random, odd: bool) -> Value {
    let good = [
        json!({}),
        json!({ "limits": { "memory": "64Mi", "cpu": "200m" } }),
        json!({ "limits": { "memory": "64Mi", "cpu": "200m" }, "requests": { "memory": "32Mi", "cpu": "100m" } }),
        json!({ "limits": { "memory": "1Gi", "cpu": 2 }, "requests": { "cpu": "1" } }),
        json!({ "requests": { "memory": "16Mi", "ephemeral-storage": "10Mi" } }),
    ];
    let bad = [
        json!({ "limits": { "memory": "32Mi" }, "requests": { "memory": "64Mi" } }),
        json!({ "limits": { "cpu": "-1" } }),
        json!({ "requests": { "cpu": "1" }, "limits": { "cpu": 0 } }),
        json!({ "limits": { "hugepages-2Mi": "4Mi" } }),
        json!({ "limits": { "hugepages-2Mi": "3Mi", "memory": "64Mi" } }),
        json!({ "requests": { "hugepages-2Mi": "4Mi", "cpu": "1m" } }),
        json!({ "limits": { "example.com/gpu": "1500m" } }),
        json!({ "limits": { "example.com/gpu": 1 } }),
        json!({ "requests": { "example.com/gpu": 1 } }),
        json!({ "limits": { "bad name/x": 1 } }),
        json!({ "limits": { "a/b/c": 1 } }),
        json!({ "limits": { "kubernetes.io/batch": 1 } }),
        json!({ "limits": { "requests.example.com/x": 1 } }),
        json!({ "limits": { "storage": "1Gi" } }),
        json!({ "limits": { "ephemeral-storage": "1Gi", "memory": "0.1" } }),
        json!({ "claims": [{ "name": "nothing" }] }),
        json!({ "limits": { "attachable-volumes-x": 1 } }),
    ];
    if odd && random.once_in(5) { random.of(&bad) } else { random.of(&good) }
}

fn claim_template(random: &mut Random) -> Value {
    let good = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let mut template = json!({ "spec": good });
    random.field(&mut template, 3, "metadata", |r| {
        r.of(&[
            json!({ "labels": { "a": "b" } }),
            json!({ "labels": { "a b": "c" } }),
            json!({ "labels": { "a": "not valid!" } }),
            json!({ "annotations": { "a/b/c": "x" } }),
            json!({ "name": "named", "finalizers": ["x/y"] }),
        ])
    });
    let spec = &mut template["spec"];
    random.field(spec, 6, "accessModes", |r| {
        r.of(&[
            json!([]),
            json!(["ReadWriteOncePod"]),
            json!(["ReadWriteOncePod", "ReadOnlyMany"]),
            json!(["Some"]),
        ])
    });
    random.field(spec, 6, "resources", |r| {
        r.of(&[
            json!({}),
            json!({ "requests": { "storage": "0" } }),
            json!({ "requests": { "storage": "-1" } }),
            json!({ "requests": { "storage": "2Gi" }, "limits": { "storage": "1Gi" } }),
            json!({ "requests": { "storage": "1Gi", "cpu": "1" } }),
        ])
    });
    random
        .field(spec, 4, "storageClassName", |r| r.of(&[json!(""), json!("fast.disk"), json!("Not A Name")]));
    random.field(spec, 6, "volumeMode", |r| r.of(&[json!("Filesystem"), json!("Block"), json!("Odd")]));
    random.field(spec, 6, "selector", |r| {
        r.of(&[
            json!({ "matchLabels": { "a": "b" } }),
            json!({ "matchExpressions": [{ "key": "a", "operator": "Odd" }] }),
        ])
    });
    random.field(spec, 8, "dataSource", |r| {
        r.of(&[
            json!({ "kind": "PersistentVolumeClaim", "name": "c" }),
            json!({ "kind": "Odd", "name": "c" }),
            json!({ "kind": "PersistentVolumeClaim", "name": "" }),
        ])
    });
    random.field(spec, 8, "volumeAttributesClassName", |r| r.of(&[json!("gold"), json!("Not A Name")]));
    random.field(spec, 8, "volumeName", |_| json!("v"));
    template
}

/// An Instrumentation that the API server may accept.
pub(crate) fn instrumentation(random: &mut Random, name: &str) -> Value {
    let mut spec = json!({});
    random.field(&mut spec, 2, "exporter", |r| {
        let endpoints = ["http://c:4317", "http://c:4318", "https://[::1]:4317/x", "$(A)", ":"];
        let mut exporter = json!({ "endpoint": r.of(&endpoints) });
        r.field(&mut exporter, 2, "tls", exporter_tls);
        if exporter.get("tls").is_some() {
            exporter["endpoint"] = "https://c:4317".into();
        }
        exporter
    });
    random.field(&mut spec, 2, "resource", |r| {
        let attributes = r.map(&[("service.name", "n"), ("a=b", ","), ("k8s.pod.name", "x"), ("", "")], 3);
        json!({ "resourceAttributes": attributes, "addK8sUIDAttributes": r.once_in(2) })
    });
    random.field(&mut spec, 3, "propagators", |r| json!(r.some(&["b3", "tracecontext", "none"], 3)));
    random.field(&mut spec, 3, "sampler", |_| json!({ "type": "traceidratio", "argument": "0.5" }));
    random.field(&mut spec, 3, "defaults", |_| json!({ "useLabelsForResourceAttributes": true }));
    random.field(&mut spec, 2, "env", |r| {
        let odd = r.once_in(4);
        variables(r, 3, odd)
    });
    random.field(&mut spec, 3, "imagePullPolicy", |r| json!(r.of(&["Always", "Never", "IfNotPresent", ""])));
    random.field(&mut spec, 3, "initContainerSecurityContext", |r| security_context(r, true));
    for language in ["java", "nodejs", "python", "dotnet", "go", "apacheHttpd", "nginx"] {
        let mut agent = json!({});
        random.field(&mut agent, 2, "image", |r| {
            // Mostly such as can be pulled: an Instrumentation with another one instruments nothing.
            json!(r.of(&[
                "agent:1",
                "agent:2",
                "agent:v3",
                "agent",
                "reg:5000/a/b:1",
                "reg:5000/agent",
                "registry.example/agent:1",
                "registry.example/a/b/agent:1",
                "registry.example/agent_of-us:1.2.3",
                " agent",
                "REG/agent",
                "a b",
                "a@sha256:0f"
            ]))
        });
        random.field(&mut agent, 3, "env", |r| {
            let odd = r.once_in(4);
            variables(r, 2, odd)
        });
        let field = if language == "java" { "resources" } else { "resourceRequirements" };
        random.field(&mut agent, 2, field, |r| resources(r, true));
        random.field(&mut agent, 4, "volumeLimitSize", |r| {
            r.of(&[json!("50Mi"), json!(7), json!("-1"), json!("0"), json!("0.5")])
        });
        if agent.get("volumeLimitSize").is_none() {
            random.field(&mut agent, 3, "volumeClaimTemplate", claim_template);
        }
        if language == "java" {
            random.field(&mut agent, 3, "extensions", |r| {
                let extension = |r: &mut Random| {
                    json!({ "image": r.of(&["e:1", "e:2", " e", ""]), "dir": r.of(&["/e", "", "a b"]) })
                };
                (0..r.below(4)).map(|_| extension(r)).collect()
            });
        }
        if matches!(language, "apacheHttpd" | "nginx") {
            random.field(&mut agent, 4, "configPath", |r| {
                json!(r.of(&["/opt/conf/", "/opt/conf", "/", "relative", "/a:b", "/a;b", "/data"]))
            });
            random.field(&mut agent, 4, "configFile", |r| {
                json!(r.of(&["/opt/x/nginx.conf", "/nginx.conf", "nginx.conf", "/a:b/x.conf"]))
            });
            random.field(&mut agent, 3, "attrs", |r| {
                let odd = r.once_in(4);
                variables(r, 2, odd)
            });
        }
        if agent != json!({}) {
            spec[language] = agent;
        }
    }
    json!({
        "apiVersion": "opentelemetry.io/v1alpha1", "kind": "Instrumentation",
        "metadata": { "name": name }, "spec": spec,
    })
}

fn exporter_tls(random: &mut Random) -> Value {
    let mut tls = json!({});
    let names = ["certs", "my.certs", "certs", "my.certs", "certs", "my.certs", "gone", "a:b", "Bad Name"];
    random.field(&mut tls, 2, "secretName", |r| json!(r.of(&names)));
    random.field(&mut tls, 2, "configMapName", |r| json!(r.of(&names)));
    random.field(&mut tls, 2, "ca_file", |r| json!(r.of(&["ca.crt", "/ca.crt", "../x"])));
    if tls.get("secretName").is_some() {
        tls["cert_file"] = "tls.crt".into();
        tls["key_file"] = "/key".into();
    }
    tls
}

fn container(random: &mut Random, name: &str, volumes: &[Value]) -> Value {
    let mut container =
        json!({ "name": name, "image": random.of(&["app:1", "REG/x", "reg:5000/a/b@sha256:0f"]) });
    let c = &mut container;
    random.field(c, 2, "env", |r| variables(r, 4, false));
    random.field(c, 6, "envFrom", |r| {
        let source = json!({ "name": "settings", "optional": true });
        json!([r.of(&[json!({ "configMapRef": source }), json!({ "prefix": "OTEL_", "secretRef": source })])])
    });
    let mut paths = random.some(&PATHS, 3);
    let mut mounts = Vec::new();
    let mut devices = Vec::new();
    for volume in volumes {
        let Some(path) = paths.pop() else { break };
        match volume.get("persistentVolumeClaim") {
            Some(_) => devices.push(json!({ "name": volume["name"], "devicePath": path })),
            None => {
                let mut mount = json!({ "name": volume["name"], "mountPath": path });
                random.field(&mut mount, 3, "readOnly", |_| true.into());
                random.field(&mut mount, 6, "subPath", |_| "sub".into());
                mounts.push(mount);
            }
        }
    }
    c["volumeMounts"] = mounts.into();
    c["volumeDevices"] = devices.into();
    random.field(c, 4, "resources", |r| resources(r, false));
    random.field(c, 3, "securityContext", |r| security_context(r, false));
    random.field(c, 4, "command", |_| json!(["/app", "$(A)"]));
    random.field(c, 8, "imagePullPolicy", |_| "Never".into());
    random.field(c, 8, "terminationMessagePolicy", |_| "FallbackToLogsOnError".into());
    container
}

/// What only a regular container, or one that stays, may have.
fn lasting(random: &mut Random, container: &mut Value) {
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        random.field(container, 6, probe, |_| json!({ "exec": { "command": ["x"] } }));
    }
    random.field(container, 6, "lifecycle", |_| json!({ "preStop": { "exec": { "command": ["x"] } } }));
    random.field(container, 5, "ports", |r| {
        let mut port = json!({ "name": "web", "containerPort": 8080 });
        r.field(&mut port, 4, "hostPort", |_| 8080.into());
        json!([port])
    });
    random.field(
        container,
        5,
        "resizePolicy",
        |_| json!([{ "resourceName": "cpu", "restartPolicy": "NotRequired" }]),
    );
}

fn volume(random: &mut Random, name: &str) -> Value {
    let mut volume = random.of(&[
        json!({ "emptyDir": {} }),
        json!({ "emptyDir": { "medium": "Memory", "sizeLimit": "1Mi" } }),
        json!({ "configMap": { "name": "c" } }),
        json!({ "secret": { "secretName": "s", "optional": true } }),
        json!({ "persistentVolumeClaim": { "claimName": "block" } }),
        json!({ "projected": { "sources": [{ "downwardAPI": { "items": [{ "path": "p", "fieldRef": { "fieldPath": "metadata.name" } }] } }] } }),
    ]);
    volume["name"] = name.into();
    volume
}

/// A pod; its annotations ask for languages from the Instrumentation `instrumentation`.
pub(crate) fn pod(random: &mut Random, instrumentation: &str, restricted: bool) -> Value {
    let volume_names = [
        "data",
        "conf",
        "opentelemetry-auto-instrumentation-java",
        "opentelemetry-auto-instrumentation-python",
        "otel-auto-secret-certs",
        "otel-apache-conf-dir",
        "kernel-debug",
    ];
    let volumes: Vec<Value> =
        random.some(&volume_names, 3).into_iter().map(|name| volume(random, name)).collect();
    let mut names =
        vec!["app", "web", "sidecar", "a-container-with-a-very-long-name-that-just-fits-into-a-label-x"];
    if random.once_in(12) {
        names.extend([
            "opentelemetry-auto-instrumentation-java",
            "opentelemetry-auto-instrumentation",
            "otel-agent-source-container-clone",
        ]);
    }
    let mut names = random.some(&names, 5);
    if names.is_empty() {
        names.push("app");
    }
    let regular = names.len().min(1 + random.below(3));
    let (mut containers, mut init_containers) = (Vec::new(), Vec::new());
    for (i, name) in names.iter().enumerate() {
        let mut container = container(random, name, &volumes);
        if i < regular {
            lasting(random, &mut container);
            containers.push(container);
        } else {
            if random.once_in(2) {
                container["restartPolicy"] = "Always".into();
                lasting(random, &mut container);
            }
            init_containers.push(container);
        }
    }
    let mut spec = json!({ "containers": containers, "initContainers": init_containers, "volumes": volumes });
    let s = &mut spec;
    if random.once_in(6) {
        s["resources"] = random.of(&[
            json!({ "limits": { "memory": "2Gi", "cpu": "4" } }),
            json!({ "limits": { "memory": "80Mi", "cpu": "300m" }, "requests": { "memory": "80Mi", "cpu": "300m" } }),
            json!({ "requests": { "memory": "64Mi", "cpu": "100m" } }),
            json!({ "limits": { "cpu": "200m" } }),
        ]);
    }
    random.field(s, 3, "securityContext", |r| {
        r.of(&[
            json!({ "runAsNonRoot": true, "fsGroup": 1 }),
            json!({ "runAsUser": 0 }),
            json!({ "supplementalGroups": [5], "seccompProfile": { "type": "RuntimeDefault" } }),
        ])
    });
    random.field(s, 6, "shareProcessNamespace", |r| r.once_in(2).into());
    random.field(s, 8, "hostPID", |_| true.into());
    random.field(s, 10, "hostNetwork", |_| true.into());
    random.field(s, 10, "hostUsers", |_| false.into());
    random.field(s, 10, "os", |r| json!({ "name": r.of(&["linux", "linux", "linux", "windows"]) }));
    random.field(s, 10, "nodeName", |_| "n1".into());
    random.field(s, 10, "restartPolicy", |r| r.of(&["Never", "OnFailure"]).into());
    random.field(s, 10, "automountServiceAccountToken", |_| false.into());
    if restricted {
        restrict(s);
    }
    let annotations = annotations(random, instrumentation, &names);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "p", "labels": { "app": "a", "app.kubernetes.io/name": "n" }, "annotations": annotations },
        "spec": spec,
    })
}

/// Makes a pod that the Pod Security level `restricted` lets pass.
fn restrict(spec: &mut Value) {
    for field in ["hostPID", "hostNetwork", "os"] {
        spec[field] = Value::Null;
    }
    spec["securityContext"] = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            container["securityContext"] =
                json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                port["hostPort"] = Value::Null;
            }
        }
    }
}

fn annotations(random: &mut Random, instrumentation: &str, names: &[&str]) -> Map<String, Value> {
    const PREFIX: &str = "instrumentation.opentelemetry.io/";
    let mut annotations = Map::new();
    let most = if random.once_in(3) { 3 } else { 1 };
    let mut languages = random.some(&LANGUAGES, most);
    if languages.is_empty() {
        languages.push(random.of(&LANGUAGES));
    }
    let several = languages.len() > 1;
    for (language, list) in languages {
        annotations.insert(format!("{PREFIX}inject-{language}"), instrumentation.into());
        if several || random.once_in(2) {
            let count = 1 + usize::from(random.once_in(3));
            let mut targets = random.some(names, count);
            if targets.is_empty() {
                targets.push(names[0]);
            }
            annotations.insert(format!("{PREFIX}{list}"), targets.join(",").into());
        }
        if language == "go" {
            annotations.insert(format!("{PREFIX}otel-go-auto-target-exe"), "/app".into());
        }
    }
    if random.once_in(6) {
        annotations.insert("resource.opentelemetry.io/service.name".to_owned(), "a,b=c".into());
    }
    // All annotations of an object have room in 256KiB, and the verdict is one of them.
    if random.once_in(40) {
        let used: usize = annotations.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
        let left = 256 * 1024 - used - "filler".len() - random.below(60);
        annotations.insert("filler".to_owned(), "x".repeat(left).into());
    }
    annotations
}
