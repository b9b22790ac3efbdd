//! Rules about variables and attributes.

use api::Language;
use serde_json::{Value, json};

use crate::{
    parts::{container, containers, env, pairs, value, value_mut},
    reasons::Comparison,
};

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// Variables and attributes that the second language on a container says again.
pub(crate) fn said_twice(c: &mut Comparison<'_>) {
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
pub(crate) fn keys_of_the_user(c: &mut Comparison<'_>) {
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
pub(crate) fn broken_lists(c: &mut Comparison<'_>) {
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
pub(crate) fn given_service_attributes(c: &mut Comparison<'_>) {
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
pub(crate) fn attributes_of_the_application(c: &mut Comparison<'_>) {
    let mut received = c.received.clone();
    for verdict in c.verdicts.iter().filter(|v| v.language() == Some(Language::Go)) {
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

/// An owner of another group gives no attributes, a custom controller names the service.
pub(crate) fn owners_by_group(c: &mut Comparison<'_>) {
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
pub(crate) fn path_of_the_common_env(c: &mut Comparison<'_>) {
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

/// `OTEL_EXPORTER_OTLP_PROTOCOL=grpc` directly behind an endpoint at port 4317.
pub(crate) fn protocol_by_port(c: &mut Comparison<'_>) {
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
