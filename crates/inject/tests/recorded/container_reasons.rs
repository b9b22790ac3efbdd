//! Rules about the containers and volumes that injection adds.

use api::{Language, instrumentation::Agent};
use inject::Reason;
use serde_json::{Value, json};

use crate::{
    api_server,
    parts::{container, containers, env, volumes},
    reasons::Comparison,
};

/// Names of certificate volumes whose object has a long name.
pub(crate) fn volume_names(c: &mut Comparison<'_>) {
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
pub(crate) fn what_agents_inherit(c: &mut Comparison<'_>) {
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
        matches!(v.language(), Some(Language::ApacheHttpd | Language::Nginx)) && v.reason == Reason::Injected
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

/// The volumes of web servers are as the Instrumentation says.
pub(crate) fn volumes_of_web_servers(c: &mut Comparison<'_>) {
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
pub(crate) fn pull_policy_of_extensions(c: &mut Comparison<'_>) {
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
