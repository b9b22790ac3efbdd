//! Injected pod → the pod as its author wrote it.
//!
//! What injection adds has fixed names, but for environment variables: those are recognised by injecting the pod again
//! without any environment, and comparing. So the same Instrumentation must be known; of one that is not known, only what
//! every Instrumentation gives is recognised, and the rest is kept and listed.
//!
//! What cannot be told from the user's own stays: a variable of the user's is never removed because of its name alone.

use std::collections::{BTreeMap, BTreeSet};

use api::{Instrumentation, Settings, annotation, language::PerLanguage};
use serde_json::{Map, Value};

use crate::{
    already,
    facts::{Facts, Namespace},
    language::{AGENT_INIT_CONTAINERS, EXTENSION, GO_SIDECAR},
    plan::plan,
    pod::Pod,
    request::{Asked, LanguageRequest, Request},
    resource::RESOURCE_ATTRIBUTES,
    sidecar::strip,
    verdict::{Reason, Source},
    verdict_annotation, volume,
};

/// A pod without what injection added.
#[derive(Clone, Debug, PartialEq)]
pub struct Uninjected {
    /// The pod.
    pub pod: Value,
    /// What may be injection's and was kept, one sentence each.
    pub kept: Vec<String>,
}

/// Name of the container that injection clones from a web server.
const CLONE: &str = crate::language::AGENT_INIT_CONTAINERS[4];
/// Volumes of agents that are not named like their init container.
const OTHER_VOLUMES: [&str; 4] =
    ["otel-apache-conf-dir", "otel-apache-agent", "otel-nginx-conf-dir", "otel-nginx-agent"];
/// Volume of the Go sidecar. The name is a common one, so its source must be right, too.
const GO_VOLUME: (&str, &str) = ("kernel-debug", "/sys/kernel/debug");
/// Volumes with certificates: beginning of the name, and where the source names its object.
const CERTIFICATES: [(&str, &str); 2] =
    [("otel-auto-secret-", "/secret/secretName"), ("otel-auto-configmap-", "/configMap/name")];
/// Variables that injection puts in front of all others.
const FIRST: [&str; 2] = [crate::sdk_environment::NODE_IP, crate::sdk_environment::POD_IP];

/// Takes out of a pod what injection added; none when nothing of ours is in it.
///
/// `facts` is asked for what [`plan`] needs to inject the bare pod again, with `settings` that have every language on.
///
/// # Errors
///
/// When the pod cannot be understood, or `facts` fails; the latter's error is passed on.
pub fn uninject<E: From<serde_json::Error>>(
    pod: &Value,
    namespace: &Namespace,
    settings: &Settings,
    facts: impl FnOnce(&Pod<'_>, &Request) -> Result<Facts, E>,
) -> Result<Option<Uninjected>, E> {
    let raw = serde_json::value::to_raw_value(pod)?;
    let read = Pod::parse(&raw)?;
    let verdict = read.metadata.annotations.get(annotation::VERDICT);
    let told = verdict.map(String::as_str).unwrap_or_default();
    let sidecar = strip::is_injected(&read, told);
    if verdict.is_none() && already::evidence(&read).is_none() && !sidecar {
        return Ok(None);
    }
    let mut requested = requested(&read, namespace, told);
    if sidecar {
        strip::requested(&mut requested, &read, told);
    }
    let mut stripped = pod.clone();
    let mut kept = Vec::new();
    let clone = strip(&mut stripped);
    if let Some(clone) = clone {
        restore_mounts(&mut stripped, pod, &clone, &mut kept);
    }
    let settings = Settings { enabled: PerLanguage::from_fn(|_| true), ..settings.clone() };
    let mut bare = stripped.clone();
    for container in containers(&mut bare) {
        container.remove("env");
    }
    let raw = serde_json::value::to_raw_value(&bare)?;
    let read = Pod::parse(&raw)?;
    let mut facts = facts(&read, &requested)?;
    if sidecar {
        strip::strip(&mut stripped, &requested, &facts, &mut kept);
    }
    let unknown = add_unknown(&mut facts, &requested);
    let decision = plan(&read, &requested, &facts, &settings);
    let mut injected = bare.clone();
    // A patch of the plan applies to its own pod.
    let _ = json_patch::patch(&mut injected, &decision.patch);
    let expected = environments(&mut injected);
    for container in containers(&mut stripped) {
        let name = text(container, "name").to_owned();
        if let Some(expected) = expected.get(&name).filter(|e| !e.is_empty()) {
            clean_environment(container, expected, &name, &unknown, &mut kept);
        }
    }
    Ok(Some(Uninjected { pod: stripped, kept }))
}

/// What was asked for when the pod was injected: the annotations still say it, or else our own.
fn requested(pod: &Pod<'_>, namespace: &Namespace, verdict: &str) -> Request {
    let mut request = Request::read(&pod.metadata, namespace)
        .unwrap_or_else(|| Request { namespace: namespace.name.clone(), ..Request::default() });
    for entry in verdict_annotation::parse(verdict).filter(|entry| entry.reason == Reason::Injected) {
        if let (Some(language), Some(Source { namespace, name, .. })) = (entry.about.language(), entry.source)
            && !namespace.is_empty()
            && !request.languages.iter().any(|l| l.language == language)
        {
            let value = format!("{namespace}/{name}");
            let asked = Asked::Named { namespace, name };
            request.languages.push(LanguageRequest { language, asked, from_namespace: false, value });
        }
    }
    request
}

/// Adds an Instrumentation without settings for each one that is asked for and not known, so that what every
/// Instrumentation gives is recognised. Says which ones.
fn add_unknown(facts: &mut Facts, request: &Request) -> Vec<String> {
    let mut unknown = Vec::new();
    for language in &request.languages {
        let candidates = &mut facts.instrumentations;
        let (namespace, name) = match &language.asked {
            Asked::Named { namespace, name } => (namespace.clone(), name.clone()),
            Asked::TheOnlyOne | Asked::Nothing => (request.namespace.clone(), String::new()),
        };
        candidates.unreadable.retain(|(ns, n, _)| *ns != namespace || !(name.is_empty() || *n == name));
        let known = candidates
            .objects
            .iter()
            .any(|o| o.metadata.namespace == namespace && (name.is_empty() || o.metadata.name == name));
        if !known {
            let mut bare = Instrumentation::default();
            bare.metadata.namespace.clone_from(&namespace);
            bare.metadata.name.clone_from(&name);
            for image in [&mut bare.spec.java.image, &mut bare.spec.nodejs.image, &mut bare.spec.python.image]
            {
                "unknown".clone_into(image);
            }
            for image in [
                &mut bare.spec.dotnet.image,
                &mut bare.spec.go.image,
                &mut bare.spec.apache_httpd.image,
                &mut bare.spec.nginx.image,
            ] {
                "unknown".clone_into(image);
            }
            candidates.objects.push(bare.into());
            unknown.push(if name.is_empty() {
                format!("of namespace {namespace}")
            } else {
                format!("{namespace}/{name}")
            });
        }
    }
    unknown
}

/// Removes containers, volumes, mounts and annotation of ours. Gives back the clone of a web server's container.
fn strip(pod: &mut Value) -> Option<Value> {
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(annotation::VERDICT);
        }
        drop_empty(metadata, "annotations");
    }
    if let Some(pod) = pod.as_object_mut() {
        drop_empty(pod, "metadata");
    }
    let spec = pod.get_mut("spec").and_then(Value::as_object_mut)?;
    let mut clone = None;
    let mut ours: BTreeSet<String> = BTreeSet::new();
    if let Some(init) = spec.get_mut("initContainers").and_then(Value::as_array_mut) {
        let java = init.iter().any(|c| c["name"] == AGENT_INIT_CONTAINERS[0]);
        init.retain(|container| {
            let name = container["name"].as_str().unwrap_or_default();
            let extension =
                name.strip_prefix(EXTENSION).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
            let ours = AGENT_INIT_CONTAINERS.contains(&name) || (java && extension);
            if name == CLONE {
                clone = Some(container.clone());
            }
            !ours
        });
    }
    drop_empty(spec, "initContainers");
    let mut go = false;
    if let Some(list) = spec.get_mut("containers").and_then(Value::as_array_mut) {
        let before = list.len();
        list.retain(|container| container["name"] != GO_SIDECAR);
        go = list.len() < before;
    }
    if go {
        spec.remove("shareProcessNamespace");
    }
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| {
            let ours_now = is_our_volume(volume, go);
            if let (true, Some(name)) = (ours_now, volume["name"].as_str()) {
                ours.insert(name.to_owned());
            }
            !ours_now
        });
    }
    drop_empty(spec, "volumes");
    for container in containers(pod) {
        if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
            mounts.retain(|mount| !mount["name"].as_str().is_some_and(|name| ours.contains(name)));
        }
        drop_empty(container, "volumeMounts");
    }
    clone
}

fn is_our_volume(volume: &Value, go: bool) -> bool {
    let name = volume["name"].as_str().unwrap_or_default();
    let certificates = CERTIFICATES.iter().any(|(prefix, source)| {
        volume
            .pointer(source)
            .and_then(Value::as_str)
            .is_some_and(|object| volume::name(prefix, object) == name)
    });
    let copied = AGENT_INIT_CONTAINERS[..4].contains(&name);
    let of_go = go && name == GO_VOLUME.0 && volume["hostPath"]["path"] == GO_VOLUME.1;
    certificates || copied || of_go || OTHER_VOLUMES.contains(&name)
}

/// Gives a web server its mounts back: injection takes out those in the configuration directory, and its clone has them.
fn restore_mounts(pod: &mut Value, injected: &Value, clone: &Value, kept: &mut Vec<String>) {
    let ours = |mount: &Value| mount["name"].as_str().is_some_and(|n| OTHER_VOLUMES.contains(&n));
    let mounts_of = |container: &Value| container["volumeMounts"].as_array().cloned().unwrap_or_default();
    let original: Vec<Value> = mounts_of(clone).into_iter().filter(|m| !ours(m)).collect();
    let targets: Vec<String> = injected["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|c| mounts_of(c).iter().any(ours))
        .map(|c| c["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    for container in containers(pod).filter(|c| targets.iter().any(|t| t == text(c, "name"))) {
        let now = container.get("volumeMounts").and_then(Value::as_array).cloned().unwrap_or_default();
        // The clone's mounts are those before injection; one that was added since stays.
        let mut mounts = original.clone();
        for mount in now.into_iter().filter(|m| !original.contains(m)) {
            kept.push(format!(
                "container {}: the mount at {}, which came after injection",
                text(container, "name"),
                mount["mountPath"]
            ));
            mounts.push(mount);
        }
        if !mounts.is_empty() {
            container.insert("volumeMounts".to_owned(), Value::Array(mounts));
        }
    }
}

/// Regular and init containers.
fn containers(pod: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let spec = pod.get_mut("spec").and_then(Value::as_object_mut);
    let lists = spec.into_iter().flat_map(|spec| {
        spec.iter_mut().filter(|(key, _)| matches!(key.as_str(), "containers" | "initContainers"))
    });
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().filter_map(Value::as_object_mut)
}

/// The environment of each container, by its name.
fn environments(pod: &mut Value) -> BTreeMap<String, Vec<Value>> {
    let of = |c: &mut Map<String, Value>| {
        let env = c.get("env").and_then(Value::as_array).cloned().unwrap_or_default();
        (text(c, "name").to_owned(), env)
    };
    containers(pod).map(of).collect()
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn drop_empty(map: &mut Map<String, Value>, key: &str) {
    let empty = match map.get(key) {
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        _ => false,
    };
    if empty {
        map.remove(key);
    }
}

/// Removes the variables that injection would add, and cuts its part off those that it extends.
fn clean_environment(
    container: &mut Map<String, Value>,
    expected: &[Value],
    name: &str,
    unknown: &[String],
    kept: &mut Vec<String>,
) {
    let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) else { return };
    let names: BTreeSet<&str> = expected.iter().filter_map(|e| e["name"].as_str()).collect();
    let mut left: Vec<Value> = Vec::new();
    // From the end: what injection appends stands behind everything of the user's, unless something refers to it.
    for entry in env.iter().rev() {
        let variable = entry["name"].as_str().unwrap_or_default();
        let ours = expected.iter().find(|e| e["name"] == variable);
        let own_before = left.iter().any(|e| is_own(e, unknown) && !refers(e, variable));
        match ours {
            // These stand in front; the user's own are behind them only.
            Some(ours) if ours == entry && (!own_before || FIRST.contains(&variable)) => {}
            Some(ours) if ours == entry => left.push(entry.clone()),
            Some(ours) => left.extend(cut(entry, ours)),
            None => left.push(entry.clone()),
        }
    }
    left.reverse();
    for entry in &left {
        let variable = entry["name"].as_str().unwrap_or_default();
        // Extended ones were cut; of the others only ours are called so.
        let suspicious = variable.starts_with("OTEL_") && variable != RESOURCE_ATTRIBUTES;
        if names.contains(variable) && !entry["value"].is_null() && suspicious {
            let value = entry["value"].as_str().unwrap_or_default();
            kept.push(format!(
                "container {name}: {variable}={value}, which is not what would be injected now"
            ));
        } else if !unknown.is_empty() && suspicious {
            kept.push(format!(
                "container {name}: {variable}, because Instrumentation {} is not known: it may have set it",
                unknown.join(", ")
            ));
        }
    }
    *env = left;
    drop_empty(container, "env");
}

/// Whether an entry that is kept shows that everything in front of it is the user's, too. The user's attributes were moved
/// to the end; and what an unknown Instrumentation may have set shows nothing.
fn is_own(entry: &Value, unknown: &[String]) -> bool {
    let name = entry["name"].as_str().unwrap_or_default();
    name != RESOURCE_ATTRIBUTES && (unknown.is_empty() || !name.starts_with("OTEL_"))
}

/// Whether the value of an entry refers to this variable.
fn refers(entry: &Value, variable: &str) -> bool {
    crate::env::references(entry["value"].as_str().unwrap_or_default()).any(|name| name == variable)
}

/// An entry of the user's without what injection added to its value; as it is when nothing was.
fn cut(entry: &Value, ours: &Value) -> Option<Value> {
    let mut entry = entry.clone();
    let (Some(value), Some(added)) = (entry["value"].as_str(), ours["value"].as_str()) else {
        return Some(entry);
    };
    let rest = match entry["name"].as_str().unwrap_or_default() {
        "PYTHONPATH" => {
            let (first, last) = (added.split(':').next(), added.rsplit(':').next());
            let between = first.zip(last).and_then(|(first, last)| {
                value.strip_prefix(first)?.strip_prefix(':')?.strip_suffix(last)?.strip_suffix(':')
            });
            between.unwrap_or(value).to_owned()
        }
        RESOURCE_ATTRIBUTES => {
            return cut_attributes(value, added).map(|value| {
                entry["value"] = Value::String(value);
                entry
            });
        }
        // What the Instrumentation's own variable says stands in front of the agent's part.
        "JAVA_TOOL_OPTIONS" => cut_argument(value, added, " -javaagent:"),
        "NODE_OPTIONS" => cut_argument(value, added, " --require "),
        "DOTNET_STARTUP_HOOKS" | "DOTNET_ADDITIONAL_DEPS" | "DOTNET_SHARED_STORE" | "LD_LIBRARY_PATH" => {
            let part = added.rsplit(':').next().unwrap_or(added);
            value.strip_suffix(part).and_then(|v| v.strip_suffix(':')).unwrap_or(value).to_owned()
        }
        _ => return Some(entry),
    };
    entry["value"] = Value::String(rest);
    Some(entry)
}

/// A value without the argument that begins so at the end of `added`.
fn cut_argument(value: &str, added: &str, argument: &str) -> String {
    let part = added.rfind(argument).map_or(added, |at| &added[at..]);
    value.strip_suffix(part).unwrap_or(value).to_owned()
}

/// The user's attributes: injection's stand behind them, sorted by key. None when there are only injection's.
fn cut_attributes(value: &str, added: &str) -> Option<String> {
    let ours: BTreeSet<&str> = added.split(',').collect();
    let pieces: Vec<&str> = value.split(',').collect();
    let key = |piece: &str| piece.split('=').next().unwrap_or_default().to_owned();
    let mut start = pieces.len();
    while start > 0 && (start == pieces.len() || key(pieces[start - 1]) < key(pieces[start])) {
        start -= 1;
    }
    let behind = pieces[start..].iter().filter(|piece| !ours.contains(**piece));
    let left: Vec<&str> = pieces[..start].iter().chain(behind).copied().collect();
    (!left.is_empty()).then(|| left.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sorted_attributes_at_the_end_are_ours() {
        let ours = "a=1,b=2,k8s.pod.name=$(P)";
        assert_eq!(cut_attributes("team=shop,a=1,b=2,k8s.pod.name=$(P)", ours).as_deref(), Some("team=shop"));
        assert_eq!(
            cut_attributes("b=2,team=shop,a=1,k8s.pod.name=$(P)", ours).as_deref(),
            Some("b=2,team=shop")
        );
        assert_eq!(cut_attributes("a=1,b=2,k8s.pod.name=$(P)", ours), None);
        assert_eq!(cut_attributes("a=9", ours).as_deref(), Some("a=9"));
    }
}
