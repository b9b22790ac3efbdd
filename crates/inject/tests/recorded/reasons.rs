//! Why ours differs: one rule for each listed difference. A rule may change the recorded pod (or ours) only as far as the
//! difference that it is named after allows; what is left must be equal.

use api::{Language, Settings, instrumentation::Agent};
use inject::{Facts, Reason, Verdict};
use serde_json::{Value, json};

use crate::{
    api_server, engine,
    parts::{
        container, containers, env, pairs, put_back, remove, remove_unmounted, value, value_mut, volumes,
    },
    record::Record,
};

/// One record on the table.
pub(crate) struct Comparison<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) settings: &'a Settings,
    pub(crate) verdicts: &'a [Verdict],
    /// The pod as the webhook got it.
    pub(crate) received: &'a Value,
    /// The pod as it would be stored without injection.
    pub(crate) untouched: &'a Value,
    pub(crate) ours: Value,
    pub(crate) theirs: Value,
}

/// A rule.
pub(crate) type Rule = fn(&mut Comparison<'_>);

/// Every rule, in the order in which they are applied.
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("W20", one_language_failed),
    ("W28", list_of_another_language),
    ("W26", injected_before),
    ("W12", go_declined_or_found),
    ("W1", nothing_left_behind),
    ("W7", said_twice),
    ("W8", keys_of_the_user),
    ("W9", broken_lists),
    ("W10", given_service_attributes),
    ("W11", attributes_of_the_application),
    ("W14", volume_names),
    ("W15", what_agents_inherit),
    ("W24", owners_by_group),
    ("W32", path_of_the_common_env),
    ("W42", volumes_of_web_servers),
    ("W44", pull_policy_of_extensions),
    ("otlp-protocol-by-port", protocol_by_port),
];

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const PREFIX: &str = api::annotation::PREFIX;

impl Comparison<'_> {
    fn annotation(&self, key: &str) -> &str {
        self.received["metadata"]["annotations"][key].as_str().unwrap_or_default()
    }

    /// What ours would be if the pod declined what some annotations ask for.
    fn with_annotations(&self, keys: &[&str], text: &str) -> Value {
        let mut pod = self.received.clone();
        for key in keys {
            pod["metadata"]["annotations"][*key] = json!(text);
        }
        let outcome = engine::run(&pod, self.facts, self.settings).expect("the pod is readable");
        let mut ours = outcome.without_verdict(&pod);
        ours["metadata"] = self.received["metadata"].clone();
        api_server::admit(&mut ours);
        api_server::comparable(&mut ours);
        ours
    }

    /// The Instrumentations that were chosen, with their languages.
    fn chosen(&self) -> Vec<(Language, std::sync::Arc<api::Instrumentation>)> {
        let mut chosen = Vec::new();
        for verdict in self.verdicts {
            let (Some(language), Some(source)) = (verdict.language, &verdict.instrumentation) else {
                continue;
            };
            let found = self
                .facts
                .instrumentations
                .objects
                .iter()
                .find(|i| i.metadata.name == source.name && i.metadata.namespace == source.namespace);
            if let Some(found) = found {
                chosen.push((language, found.clone()));
            }
        }
        chosen
    }

    fn injected(&self, language: Language) -> bool {
        self.verdicts.iter().any(|v| v.language == Some(language) && v.reason == Reason::Injected)
    }
}

/// The reference injects nothing when the Instrumentation of one language is missing; ours injects the others, and those
/// as if the first had not been asked for.
fn one_language_failed(c: &mut Comparison<'_>) {
    let failed: Vec<&str> = c
        .verdicts
        .iter()
        .filter(|v| v.container.is_none() && v.reason.is_request_error())
        .filter_map(|v| Some(v.language?.info().inject))
        .collect();
    if !failed.is_empty() && c.theirs == *c.untouched {
        c.theirs = c.with_annotations(&failed, "false");
    }
}

/// The reference refuses a request for bad characters in a list that concerns nobody.
fn list_of_another_language(c: &mut Comparison<'_>) {
    let bad = |key: &str| {
        let value = c.annotation(key);
        let asked = Language::ALL
            .into_iter()
            .any(|l| l.info().container_names == key && c.verdicts.iter().any(|v| v.language == Some(l)));
        key.ends_with("-container-names")
            && !asked
            && value.contains(|ch: char| !ch.is_ascii_alphanumeric() && !"-,".contains(ch))
    };
    let keys: Vec<String> =
        Language::ALL.iter().map(|l| l.info().container_names.to_owned()).filter(|k| bad(k)).collect();
    if !keys.is_empty() && c.theirs == *c.untouched {
        c.theirs = c.with_annotations(&keys.iter().map(String::as_str).collect::<Vec<_>>(), "");
    }
}

/// The lone agent container of Nginx: injected before. A plain node name variable of the user's: not injected before, and then
/// the recording has nothing to compare with.
fn injected_before(c: &mut Comparison<'_>) {
    let mut received = c.received.clone();
    let plain = containers(&mut received).any(|c| value(c, "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME").is_some());
    if plain && c.theirs == *c.untouched {
        c.theirs = c.ours.clone();
    }
    let lone = container(&mut received, "otel-agent-attach-nginx").is_some();
    if lone && c.verdicts.iter().all(|v| v.reason == Reason::AlreadyInjected) {
        c.theirs = c.untouched.clone();
    }
}

/// Go: an empty executable is none, and the Namespace's counts.
fn go_declined_or_found(c: &mut Comparison<'_>) {
    let key = format!("{PREFIX}otel-go-auto-target-exe");
    let annotations = &c.received["metadata"]["annotations"];
    let (empty, absent) = (annotations.get(&key) == Some(&json!("")), annotations.get(&key).is_none());
    let on_namespace = c.facts.namespace.annotations.get(&key).is_some_and(|exe| !exe.is_empty());
    let missing = c.verdicts.iter().any(|v| v.reason == Reason::GoExecutableMissing);
    let without_go = |pod: &mut Value| {
        remove(pod, "containers", |name| name == "opentelemetry-auto-instrumentation");
        pod["spec"].as_object_mut().expect("a pod has a spec").remove("shareProcessNamespace");
        remove_unmounted(pod);
    };
    if empty && missing {
        without_go(&mut c.theirs);
    } else if absent && on_namespace && c.injected(Language::Go) {
        without_go(&mut c.ours);
    }
}

/// A container whose agent cannot be loaded is left alone, and an agent that nobody loads is not copied.
fn nothing_left_behind(c: &mut Comparison<'_>) {
    for language in [Language::Java, Language::NodeJs, Language::Python, Language::DotNet] {
        let of: Vec<&Verdict> = c.verdicts.iter().filter(|v| v.language == Some(language)).collect();
        let kept_out =
            |v: &&Verdict| matches!(v.reason, Reason::VariableFromSource | Reason::AgentAlreadyConfigured);
        if !of.iter().any(kept_out) {
            continue;
        }
        for name in of.iter().filter(|v| kept_out(v)).filter_map(|v| v.container.clone()) {
            let alone = !c
                .verdicts
                .iter()
                .any(|v| v.container.as_deref() == Some(&name) && v.reason == Reason::Injected);
            if alone {
                put_back(&mut c.theirs, c.untouched, &name);
            }
        }
        if !c.injected(language) {
            let agent = format!("opentelemetry-auto-instrumentation-{language}");
            remove(&mut c.theirs, "initContainers", |name| name == agent);
            remove_unmounted(&mut c.theirs);
        }
    }
}

/// Variables and attributes that the second language on a container says again.
fn said_twice(c: &mut Comparison<'_>) {
    for container in containers(&mut c.theirs) {
        let Some(env) = env(container) else { continue };
        let mut seen: Vec<Value> = Vec::new();
        env.retain(|entry| {
            let again = seen.contains(entry)
                && entry["name"].as_str().is_some_and(|n| n.starts_with("OTEL_RESOURCE_ATTRIBUTES_"));
            seen.push(entry.clone());
            !again
        });
        edit_attributes(container, |text| {
            let mut kept: Vec<&str> = Vec::new();
            for piece in text.split(',') {
                if !(kept.contains(&piece) && piece.starts_with("k8s.")) {
                    kept.push(piece);
                }
            }
            kept.join(",")
        });
    }
}

/// Keys that the reference appends although the user's list has them.
fn keys_of_the_user(c: &mut Comparison<'_>) {
    for container in containers(&mut c.theirs) {
        edit_attributes(container, |text| {
            let mut seen: Vec<&str> = Vec::new();
            let mut kept: Vec<&str> = Vec::new();
            for piece in text.split(',') {
                let key = piece.split('=').next().unwrap_or_default().trim();
                let ours = matches!(key, "k8s.pod.name" | "k8s.node.name" | "k8s.pod.uid");
                if !(ours && seen.contains(&key)) {
                    kept.push(piece);
                }
                seen.push(key);
            }
            kept.join(",")
        });
    }
}

/// Values of annotations that break the list, and a leading comma.
fn broken_lists(c: &mut Comparison<'_>) {
    let annotations = c.received["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    for container in containers(&mut c.theirs) {
        edit_attributes(container, |text| {
            let mut text = text.strip_prefix(',').unwrap_or(text).to_owned();
            for (key, value) in &annotations {
                let (Some(key), Some(value)) =
                    (key.strip_prefix(api::annotation::RESOURCE_PREFIX), value.as_str())
                else {
                    continue;
                };
                let encoded =
                    value.replace('%', "%25").replace(',', "%2C").replace('=', "%3D").replace(';', "%3B");
                text = text.replace(&format!("{key}={value}"), &format!("{key}={encoded}"));
            }
            text
        });
    }
}

fn edit_attributes(container: &mut Value, edit: impl Fn(&str) -> String) {
    if let Some(Value::String(text)) = value_mut(container, ATTRIBUTES) {
        *text = edit(text);
    }
}

/// Service attributes of the Instrumentation count, and a service name in the user's own list does.
fn given_service_attributes(c: &mut Comparison<'_>) {
    for (_, instrumentation) in c.chosen() {
        let given = instrumentation.spec.resource.resource_attributes.clone();
        let received = c.received.clone();
        for theirs in containers(&mut c.theirs) {
            let name = theirs["name"].as_str().unwrap_or_default().to_owned();
            let in_ours = container(&mut c.ours, &name).cloned().unwrap_or_default();
            for key in ["service.namespace", "service.version", "service.instance.id"] {
                let Some(given) = given.get(key) else { continue };
                // Only where ours says what the Instrumentation says.
                if in_ours["env"].as_array().is_some()
                    && value(&in_ours, ATTRIBUTES)
                        .is_some_and(|t| pairs(t).contains(&(key.to_owned(), given.clone())))
                {
                    edit_attributes(theirs, |text| {
                        let edit = |piece: &str| match piece.split_once('=') {
                            Some((k, _)) if k == key => format!("{key}={given}"),
                            _ => piece.to_owned(),
                        };
                        let mut pieces: Vec<String> = text.split(',').map(edit).collect();
                        let new = format!("{key}={given}");
                        if !pieces.contains(&new) {
                            pieces.push(new);
                        }
                        pieces.join(",")
                    });
                }
            }
            let service_name = given.get("service.name").map(String::as_str);
            name_of_the_service(theirs, &in_ours, service_name, &received);
            directives_of_the_service(theirs, &in_ours, service_name);
        }
    }
}

fn name_of_the_service(theirs: &mut Value, ours: &Value, given: Option<&str>, received: &Value) {
    let Some(old) = value(theirs, SERVICE_NAME).map(str::to_owned) else { return };
    match value(ours, SERVICE_NAME) {
        Some(new) if Some(new) == given => {
            *value_mut(theirs, SERVICE_NAME).expect("it is there") = json!(new)
        }
        None => {
            let own = value(theirs, ATTRIBUTES)
                .is_some_and(|text| pairs(text).iter().any(|(key, _)| key == "service.name"));
            let mut received = received.clone();
            let mine = container(&mut received, theirs["name"].as_str().unwrap_or_default())
                .is_some_and(|c| value(c, SERVICE_NAME) == Some(&old));
            if own && !mine {
                env(theirs).expect("it has a variable").retain(|entry| entry["name"] != SERVICE_NAME);
            }
        }
        Some(_) => {}
    }
}

/// The same name in the configuration of a web server's agent.
fn directives_of_the_service(theirs: &mut Value, ours: &Value, given: Option<&str>) {
    let Some(given) = given else { return };
    for variable in ["OTEL_APACHE_AGENT_CONF", "OTEL_NGINX_AGENT_CONF"] {
        let (Some(Value::String(text)), Some(new)) = (value_mut(theirs, variable), value(ours, variable))
        else {
            continue;
        };
        let line = |text: &str| {
            text.lines().find(|line| line.contains("ModuleServiceName ")).unwrap_or_default().to_owned()
        };
        if line(new).trim_end_matches(';').ends_with(&format!(" {given}")) {
            *text = text.replace(&line(text), &line(new));
        }
    }
}

/// Go: the application's attributes are the agent's too.
fn attributes_of_the_application(c: &mut Comparison<'_>) {
    let mut received = c.received.clone();
    for verdict in c.verdicts.iter().filter(|v| v.language == Some(Language::Go)) {
        let target = verdict.container.clone().unwrap_or_default();
        let Some(text) =
            container(&mut received, &target).and_then(|t| value(t, ATTRIBUTES).map(str::to_owned))
        else {
            continue;
        };
        let Some(sidecar) = container(&mut c.theirs, "opentelemetry-auto-instrumentation") else { continue };
        edit_attributes(sidecar, |theirs| {
            let mut all = pairs(theirs);
            for (key, value) in pairs(&text) {
                if !all.iter().any(|(k, _)| *k == key) {
                    all.push((key, value));
                }
            }
            all.sort();
            all.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
        });
    }
}

/// Names of certificate volumes whose object has a long name.
fn volume_names(c: &mut Comparison<'_>) {
    let new: Vec<Value> = volumes(&mut c.ours).map(|v| v.clone()).collect();
    let mut renamed = Vec::new();
    for volume in volumes(&mut c.theirs) {
        let source = |v: &Value| (v["secret"]["secretName"].clone(), v["configMap"]["name"].clone());
        let (secret, config_map) = source(volume);
        let object = secret.as_str().or(config_map.as_str()).unwrap_or_default();
        let ours = volume["name"].as_str().is_some_and(|name| name.starts_with("otel-auto-"));
        let counterpart = new.iter().find(|v| {
            source(v) == source(volume) && v["name"].as_str().is_some_and(|n| n.starts_with("otel-auto-"))
        });
        if let Some(counterpart) = counterpart.filter(|_| ours && (object.len() > 43 || object.contains('.')))
        {
            renamed.push((volume["name"].clone(), counterpart["name"].clone()));
            volume["name"] = counterpart["name"].clone();
        }
    }
    for container in containers(&mut c.theirs) {
        for mount in container.get_mut("volumeMounts").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some((_, new)) = renamed.iter().find(|(old, _)| *old == mount["name"]) {
                mount["name"] = new.clone();
            }
        }
    }
}

/// Agents' containers inherit what the pod had when it came.
fn what_agents_inherit(c: &mut Comparison<'_>) {
    environment_of_the_clone(c);
    security_context_of_agents(c);
}

/// Agents before a targeted init container have that one's security context.
fn security_context_of_agents(c: &mut Comparison<'_>) {
    let targets: Vec<String> = c
        .verdicts
        .iter()
        .filter(|v| v.reason == Reason::Injected)
        .filter_map(|v| v.container.clone())
        .collect();
    let Some(list) = c.theirs.pointer_mut("/spec/initContainers").and_then(Value::as_array_mut) else {
        return;
    };
    let name = |c: &Value| c["name"].as_str().unwrap_or_default().to_owned();
    for i in (1..list.len()).rev() {
        let before_target = targets.contains(&name(&list[i]))
            || name(&list[i]).starts_with("opentelemetry-auto-instrumentation-");
        let agent = name(&list[i - 1]).starts_with("opentelemetry-auto-instrumentation-");
        if before_target
            && agent
            && let Some(context) = list[i].get("securityContext").cloned()
        {
            list[i - 1]["securityContext"] = context;
        }
    }
}

/// The clone of a web server has the environment that its container has without the server's agent.
fn environment_of_the_clone(c: &mut Comparison<'_>) {
    let without =
        c.with_annotations(&[Language::Nginx.info().inject, Language::ApacheHttpd.info().inject], "false");
    let server = c.verdicts.iter().find(|v| {
        matches!(v.language, Some(Language::ApacheHttpd | Language::Nginx)) && v.reason == Reason::Injected
    });
    let Some(target) = server.and_then(|v| v.container.clone()) else { return };
    let mut without = without;
    let mut entries = container(&mut without, &target).and_then(|t| env(t).cloned()).unwrap_or_default();
    for (language, instrumentation) in c.chosen() {
        let own: &dyn Agent = match language {
            Language::ApacheHttpd => &instrumentation.spec.apache_httpd,
            Language::Nginx => &instrumentation.spec.nginx,
            _ => continue,
        };
        for variable in own.env() {
            if !entries.iter().any(|entry| entry["name"] == variable.name) {
                entries.push(serde_json::to_value(variable).expect("a variable is JSON"));
            }
        }
    }
    if let Some(clone) = container(&mut c.theirs, "otel-agent-source-container-clone") {
        clone["env"] = json!(entries);
    }
    api_server::comparable(&mut c.theirs);
}

/// An owner of another group gives no attributes, a custom controller names the service.
fn owners_by_group(c: &mut Comparison<'_>) {
    let owners = c.received["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    let looked_up = c.facts.owners.values().filter_map(|lookup| match lookup {
        inject::OwnerLookup::Found(owners) => Some(owners.clone()),
        inject::OwnerLookup::Missing => None,
    });
    let foreign = |group: &str| !matches!(group, "apps" | "batch");
    for owner in owners {
        let (version, name) =
            (owner["apiVersion"].as_str().unwrap_or_default(), owner["name"].as_str().unwrap_or_default());
        if foreign(version.split('/').next().unwrap_or_default()) {
            let key =
                format!("k8s.{}.name={name}", owner["kind"].as_str().unwrap_or_default().to_lowercase());
            for container in containers(&mut c.theirs) {
                edit_attributes(container, |text| {
                    text.split(',').filter(|p| *p != key).collect::<Vec<_>>().join(",")
                });
            }
        }
    }
    for owner in looked_up.flatten().filter(|owner| foreign(owner.group())) {
        for theirs in containers(&mut c.theirs) {
            if let Some(Value::String(service)) = value_mut(theirs, SERVICE_NAME)
                && service.starts_with(&format!("{}-", owner.name))
            {
                service.clone_from(&owner.name);
            }
        }
    }
}

/// A `PYTHONPATH` of `spec.env` is put between the agent's.
fn path_of_the_common_env(c: &mut Comparison<'_>) {
    for (_, instrumentation) in c.chosen() {
        let Some(path) =
            instrumentation.spec.env.iter().find(|v| v.name == "PYTHONPATH").and_then(|v| v.value.clone())
        else {
            continue;
        };
        for theirs in containers(&mut c.theirs) {
            let end = ":/otel-auto-instrumentation-python";
            let Some(Value::String(text)) = value_mut(theirs, "PYTHONPATH") else { continue };
            if text.matches(':').count() == 1 && text.ends_with(end) {
                *text = format!("{}:{path}{end}", text.trim_end_matches(end));
                let name = theirs["name"].as_str().unwrap_or_default().to_owned();
                let position =
                    |c: &Value| c["env"].as_array()?.iter().position(|e| e["name"] == "PYTHONPATH");
                let at = container(&mut c.ours, &name).and_then(|c| position(c));
                if let (Some(from), Some(to), Some(env)) = (position(theirs), at, env(theirs)) {
                    let entry = env.remove(from);
                    env.insert(to.min(env.len()), entry);
                }
            }
        }
    }
}

/// The volumes of web servers are as the Instrumentation says.
fn volumes_of_web_servers(c: &mut Comparison<'_>) {
    for (language, instrumentation) in c.chosen() {
        let (prefix, agent): (_, &dyn Agent) = match language {
            Language::ApacheHttpd => ("otel-apache-", &instrumentation.spec.apache_httpd),
            Language::Nginx => ("otel-nginx-", &instrumentation.spec.nginx),
            _ => continue,
        };
        for volume in
            volumes(&mut c.theirs).filter(|v| v["name"].as_str().is_some_and(|n| n.starts_with(prefix)))
        {
            let name = volume["name"].clone();
            if let Some(template) = agent.volume_claim_template() {
                *volume = json!({ "name": name, "ephemeral": { "volumeClaimTemplate": template } });
            } else if let Some(limit) = agent.volume_limit_size() {
                *volume = json!({ "name": name, "emptyDir": { "sizeLimit": limit } });
            }
        }
    }
    api_server::comparable(&mut c.theirs);
}

/// The pull policy holds for Java's extensions.
fn pull_policy_of_extensions(c: &mut Comparison<'_>) {
    for (_, instrumentation) in c.chosen().into_iter().filter(|(language, _)| *language == Language::Java) {
        for container in containers(&mut c.theirs) {
            let extension = container["name"]
                .as_str()
                .is_some_and(|n| n.starts_with("opentelemetry-auto-instrumentation-extension-"));
            if extension && !instrumentation.spec.image_pull_policy.is_empty() {
                container["imagePullPolicy"] = json!(instrumentation.spec.image_pull_policy);
            }
        }
    }
}

/// `OTEL_EXPORTER_OTLP_PROTOCOL=grpc` directly behind an endpoint at port 4317.
fn protocol_by_port(c: &mut Comparison<'_>) {
    let ours = c.ours.clone();
    for theirs in containers(&mut c.theirs) {
        let mut ours = ours.clone();
        let name = theirs["name"].as_str().unwrap_or_default().to_owned();
        let added = json!({ "name": "OTEL_EXPORTER_OTLP_PROTOCOL", "value": "grpc" });
        let has = container(&mut ours, &name).and_then(|c| env(c)).is_some_and(|env| env.contains(&added));
        let Some(env) = env(theirs).filter(|_| has) else { continue };
        let said = env.iter().any(|e| {
            e["name"]
                .as_str()
                .is_some_and(|n| n.starts_with("OTEL_EXPORTER_OTLP_") && n.ends_with("PROTOCOL"))
        });
        let endpoint = env.iter().position(|e| {
            e["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT"
                && e["value"].as_str().is_some_and(|v| v.contains(":4317"))
        });
        if let Some(at) = endpoint.filter(|_| !said) {
            env.insert(at + 1, added);
        }
    }
}

/// The weakness behind a refusal of the API server.
pub(crate) fn of_refusal(record: &Record) -> Vec<&'static str> {
    let message = record.reference.pod["status"]["message"].as_str().unwrap_or_default();
    let mut keys: Vec<&str> = [
        ("may not be specified when `value` is not empty", "W4"),
        ("Not found: \"otel-nginx-conf-dir\"", "W5"),
        ("must be less than or equal to memory limit", "W13"),
        ("must not contain dots", "W14"),
        ("must be unique", "W17"),
        ("Duplicate value", "W17"),
    ]
    .into_iter()
    .filter(|(text, _)| message.contains(text))
    .map(|(_, key)| key)
    .collect();
    keys.dedup();
    keys
}
