//! The engine as the tests call it: a pod as JSON in, the pod that the API server would store out; and the laws that hold
//! for every pod whatever is asked for.
#![allow(dead_code, unreachable_pub, reason = "each test crate uses a part")]

use std::{collections::BTreeMap, fmt::Write as _};

use api::{Settings, annotation};
use inject::{Decision, Existence, Facts, OwnerLookup, Pod, Request, needs, plan};
use serde_json::{Value, json, value::RawValue};
use similar::{ChangeTag, TextDiff};

/// What the engine made of a pod.
pub struct Outcome {
    /// Whether anything was asked for.
    pub asked: bool,
    /// Verdicts and patch.
    pub decision: Decision,
    /// The pod after the patch, verdict annotation included.
    pub pod: Value,
}

impl Outcome {
    /// The pod after the patch, without the verdict annotation and what only that needed.
    pub fn without_verdict(&self, before: &Value) -> Value {
        let mut pod = self.pod.clone();
        let annotations = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        if let Some(annotations) = annotations
            && before
                .pointer(&format!("/metadata/annotations/{}", annotation::VERDICT.replace('/', "~1")))
                .is_none()
        {
            annotations.remove(annotation::VERDICT);
            if annotations.is_empty() && before.pointer("/metadata/annotations").is_none() {
                pod["metadata"].as_object_mut().expect("it holds annotations").remove("annotations");
                if before.get("metadata").is_none() {
                    pod.as_object_mut().expect("a pod is an object").remove("metadata");
                }
            }
        }
        pod
    }
}

/// Decides about a pod and applies the patch with the json-patch crate, as the API server does.
pub fn run(pod: &Value, facts: &Facts, settings: &Settings) -> Result<Outcome, String> {
    let raw: Box<RawValue> = serde_json::from_str(&pod.to_string()).map_err(|e| e.to_string())?;
    let typed = Pod::parse(&raw).map_err(|e| format!("the pod is unreadable: {e}"))?;
    let Some(request) = Request::read(&typed.metadata, &facts.namespace) else {
        return Ok(Outcome { asked: false, decision: Decision::default(), pod: pod.clone() });
    };
    let decision = plan(&typed, &request, &needed(facts, &typed, &request, settings), settings);
    let mut after = pod.clone();
    json_patch::patch(&mut after, &decision.patch)
        .map_err(|e| format!("the patch does not apply: {e}\n{}", pretty(&json!(decision.patch))))?;
    Ok(Outcome { asked: true, decision, pod: after })
}

/// Only the facts that the engine asked for: a decision that depends on another one would be wrong in the webhook.
fn needed(facts: &Facts, pod: &Pod<'_>, request: &Request, settings: &Settings) -> Facts {
    let needs = needs(pod, request, &facts.instrumentations, settings);
    let mut given = facts.clone();
    given
        .instrumentations
        .objects
        .retain(|i| needs.instrumentation_namespaces.contains(&i.metadata.namespace));
    given.owners = needs
        .owners
        .iter()
        .map(|key| (key.clone(), facts.owners.get(key).cloned().unwrap_or(OwnerLookup::Missing)))
        .collect();
    let existence = |kind: &str, known: &BTreeMap<String, Existence>, name: &String| {
        let missing = || Existence::Missing(format!("{kind} \"{name}\" not found"));
        (name.clone(), known.get(name).cloned().unwrap_or_else(missing))
    };
    given.collectors.retain(|c| needs.collector_namespace.as_ref() == Some(&c.namespace));
    given.secrets = needs.secrets.iter().map(|name| existence("secrets", &facts.secrets, name)).collect();
    given.config_maps =
        needs.config_maps.iter().map(|name| existence("configmaps", &facts.config_maps, name)).collect();
    given.env_from.retain(|name, _| needs.env_from.contains(name));
    given
}

/// The laws: what holds for every pod. Answers the broken ones.
pub fn broken_laws(pod: &Value, facts: &Facts, settings: &Settings) -> Vec<String> {
    let once = match run(pod, facts, settings) {
        Ok(once) => once,
        Err(error) => return vec![error],
    };
    let mut broken = Vec::new();
    broken.extend(touches_only_its_own(&once));
    broken.extend(speaks(pod, facts, &once, settings));
    match run(&once.pod, facts, settings) {
        Err(error) => broken.push(format!("injecting twice: {error}")),
        Ok(twice) if twice.pod != once.pod => {
            broken.push(format!("injecting twice is not injecting once:\n{}", diff(&once.pod, &twice.pod)));
        }
        Ok(_) => {}
    }
    broken.extend(keeps_unknown_fields(pod, &once, facts, settings));
    broken
}

/// The patch names only what injection is about, and never a field that it has not changed.
fn touches_only_its_own(outcome: &Outcome) -> Option<String> {
    let allowed = |path: &str| {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match parts.as_slice() {
            ["metadata"] => true,
            ["metadata", "annotations" | "labels"] => true,
            ["metadata", "labels", key] => *key == annotation::SIDECAR_INJECTED.replace('/', "~1"),
            ["metadata", "annotations", key] => *key == annotation::VERDICT.replace('/', "~1"),
            ["spec", "containers" | "initContainers", _, "env" | "volumeMounts", ..] => true,
            ["spec", "containers", _] => true,
            ["spec", "initContainers" | "volumes"] | ["spec", "initContainers" | "volumes", _] => true,
            ["spec", "shareProcessNamespace"] => true,
            _ => false,
        }
    };
    let names_others = |operation: &&json_patch::PatchOperation| !allowed(operation.path().as_str());
    let operation = outcome.decision.patch.iter().find(names_others)?;
    Some(format!("the patch touches {}", operation.path()))
}

/// Every requested language gets an answer, and the pod carries it in at most 1 KiB.
fn speaks(pod: &Value, facts: &Facts, outcome: &Outcome, settings: &Settings) -> Vec<String> {
    let mut broken = Vec::new();
    if !outcome.asked {
        if !outcome.decision.patch.is_empty() {
            broken.push("a pod that asked for nothing is patched".to_owned());
        }
        return broken;
    }
    let raw: Box<RawValue> = serde_json::from_str(&pod.to_string()).expect("it was JSON a moment ago");
    let typed = Pod::parse(&raw).expect("it was readable a moment ago");
    let request = Request::read(&typed.metadata, &facts.namespace).expect("it asked a moment ago");
    let about_sidecar = |v: &inject::Verdict| matches!(v.about, inject::About::Sidecar | inject::About::Pod);
    if request.collector_namespace().is_some() && !outcome.decision.verdicts.iter().any(about_sidecar) {
        broken.push("no verdict for the sidecar".to_owned());
    }
    for wanted in &request.languages {
        if !outcome
            .decision
            .verdicts
            .iter()
            .any(|v| v.language() == Some(wanted.language) || v.about == inject::About::Pod)
        {
            broken.push(format!("no verdict for {}", wanted.language));
        }
    }
    // A pod that was injected before may ask for an unknown language on top: nothing is done, and nothing needs to be said.
    if outcome.decision.verdicts.is_empty() && !outcome.decision.patch.is_empty() {
        broken.push("a patch without a verdict".to_owned());
    }
    for verdict in &outcome.decision.verdicts {
        if verdict.reason != inject::Reason::Injected && verdict.message.is_empty() {
            broken.push(format!("{verdict:?} says nothing"));
        }
    }
    let carried = outcome.pod["metadata"]["annotations"][annotation::VERDICT].as_str();
    match carried {
        Some(text) if text.len() > 1024 => {
            broken.push(format!("the verdict annotation has {} bytes", text.len()))
        }
        None if settings.verdict_annotation && !all_injected_before(outcome) => {
            broken.push("the pod carries no verdict".to_owned())
        }
        Some(_)
            if !settings.verdict_annotation
                && carried != pod["metadata"]["annotations"][annotation::VERDICT].as_str() =>
        {
            broken.push("the pod carries a verdict, which the settings forbid".to_owned());
        }
        Some(_) | None => {}
    }
    broken
}

fn all_injected_before(outcome: &Outcome) -> bool {
    outcome.decision.verdicts.iter().all(|v| v.reason == inject::Reason::AlreadyInjected)
}

/// Name of the field that no Kubernetes knows.
pub const UNKNOWN: &str = "fieldOfTomorrow";

/// Fields of a newer Kubernetes survive wherever the user put them, and change nothing about the decision.
fn keeps_unknown_fields(pod: &Value, plain: &Outcome, facts: &Facts, settings: &Settings) -> Vec<String> {
    let mut planted = pod.clone();
    let mut count = plant(&mut planted);
    if plain.decision.verdicts.iter().any(|v| v.reason == inject::Reason::SidecarRemoved) {
        count -= in_sidecar(&planted);
    }
    let mut outcome = match run(&planted, facts, settings) {
        Ok(outcome) => outcome,
        Err(error) => return vec![format!("with unknown fields: {error}")],
    };
    let mut broken = Vec::new();
    let kept = kept(&planted, &outcome.pod);
    if kept != count {
        broken.push(format!("{} of {count} unknown fields are lost", count - kept));
    }
    uproot(&mut outcome.pod);
    if outcome.pod != plain.pod {
        broken.push(format!("unknown fields change the result:\n{}", diff(&plain.pod, &outcome.pod)));
    }
    broken
}

/// The lists of a pod whose entries have names.
const LISTS: [&str; 4] = ["containers", "initContainers", "volumes", "ephemeralContainers"];

fn plant(pod: &mut Value) -> usize {
    let mut count = 0;
    let mut put = |object: Option<&mut Value>, text: String| {
        if let Some(Value::Object(object)) = object {
            object.insert(UNKNOWN.to_owned(), json!({ "at": text }));
            count += 1;
        }
    };
    put(pod.get_mut("spec"), "spec".to_owned());
    put(pod.get_mut("metadata"), "metadata".to_owned());
    for list in LISTS {
        let entries = pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for (i, entry) in entries.into_iter().flatten().enumerate() {
            let env = entry.get_mut("env").and_then(Value::as_array_mut);
            for (j, variable) in env.into_iter().flatten().enumerate() {
                put(Some(variable), format!("{list} {i} env {j}"));
            }
            put(Some(entry), format!("{list} {i}"));
        }
    }
    put(Some(pod), "pod".to_owned());
    count
}

/// How many of the planted fields are in the collector's container.
fn in_sidecar(pod: &Value) -> usize {
    let lists = LISTS.iter().filter_map(|list| pod["spec"][list].as_array()).flatten();
    let mut found = Vec::new();
    lists.filter(|c| c["name"] == inject::sidecar::CONTAINER).for_each(|c| collect(c, &mut found));
    found.len()
}

/// How many of the planted fields are still there, each counted once.
fn kept(before: &Value, after: &Value) -> usize {
    let text = after.to_string();
    let mut planted = Vec::new();
    collect(before, &mut planted);
    planted.into_iter().filter(|field| text.contains(&format!("\"{UNKNOWN}\":{field}"))).count()
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key == UNKNOWN {
                    found.push(value.to_string());
                } else {
                    collect(value, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn uproot(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove(UNKNOWN);
            map.values_mut().for_each(uproot);
        }
        Value::Array(list) => list.iter_mut().for_each(uproot),
        _ => {}
    }
}

/// Indented JSON.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value can be written")
}

/// What differs between two values, line by line with some context.
pub fn diff(expected: &Value, got: &Value) -> String {
    let (expected, got) = (pretty(expected), pretty(got));
    let diff = TextDiff::from_lines(&expected, &got);
    let mut text = String::new();
    for (i, group) in diff.grouped_ops(3).iter().enumerate() {
        if i > 0 {
            text.push_str("    ⋮\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => "expected",
                ChangeTag::Insert => "     got",
                ChangeTag::Equal => "        ",
            };
            let _ = write!(text, "    {sign} {change}");
        }
    }
    text
}
