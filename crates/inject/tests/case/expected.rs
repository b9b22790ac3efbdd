//! The right side of a case: verdicts, and the pod that must come out.

use std::collections::BTreeMap;

use inject::{About, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Case, merge};

/// What must come out. What no section names must be as it was in the pod that came in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Expect {
    /// The verdicts, in order.
    #[serde(default)]
    pub(crate) verdicts: Vec<VerdictForm>,
    /// The text with which the request is answered with status 500; none when the request is fine.
    pub(crate) error: Option<String>,
    /// The whole verdict annotation.
    pub(crate) annotation: Option<String>,
    /// Part of the message with which the pod is refused as unreadable.
    pub(crate) unreadable: Option<String>,
    /// The pod asked for nothing: no patch at all.
    #[serde(default)]
    pub(crate) untouched: bool,
    /// Nothing but the verdict annotation.
    #[serde(default)]
    pub(crate) unchanged: bool,
    /// The case whose sections hold here too, unless this one has its own.
    pub(crate) like: Option<String>,
    /// Environment by container of the input.
    #[serde(default)]
    env: BTreeMap<String, Vec<Value>>,
    /// Mounts by container of the input.
    #[serde(default)]
    mounts: BTreeMap<String, Vec<Value>>,
    /// Regular containers: names of the input's, or whole new ones.
    containers: Option<Vec<Value>>,
    /// Init containers: names of the input's, or whole new ones.
    init_containers: Option<Vec<Value>>,
    /// Volumes: names of the input's, or whole new ones.
    volumes: Option<Vec<Value>>,
    /// Labels of the pod that are added.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Other fields of the spec.
    spec: Option<Value>,
}

/// `<language> <container> <reason>`, alone or with more to check.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum VerdictForm {
    Short(String),
    Long(LongVerdict),
}

/// A verdict with texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LongVerdict {
    verdict: String,
    /// Beginning of the message.
    message: Option<String>,
    /// Part of the fix.
    fix: Option<String>,
    /// Part of one of the notes.
    note: Option<String>,
    /// The Instrumentation, `namespace/name`.
    from: Option<String>,
}

impl VerdictForm {
    /// What is wrong with the verdict that came.
    pub(crate) fn check(&self, got: &Verdict) -> Option<String> {
        let short = shorten(got);
        let (expected, long) = match self {
            VerdictForm::Short(text) => (text, None),
            VerdictForm::Long(long) => (&long.verdict, Some(long)),
        };
        if *expected != short {
            return Some(format!("verdict: expected {expected:?}, got {short:?} ({})", got.text()));
        }
        let long = long?;
        let part = |name: &str, wanted: &Option<String>, found: &str, fits: bool| {
            let wanted = wanted.as_ref()?;
            (!fits).then(|| format!("{name} of {short}: expected {wanted:?}, got {found:?}"))
        };
        let starts = long.message.as_ref().is_none_or(|m| got.message.starts_with(m.as_str()));
        let source = got.source.as_ref().map(ToString::to_string).unwrap_or_default();
        part("message", &long.message, &got.message, starts)
            .or_else(|| {
                part(
                    "fix",
                    &long.fix,
                    &got.fix,
                    long.fix.as_ref().is_none_or(|f| got.fix.contains(f.as_str())),
                )
            })
            .or_else(|| {
                let noted =
                    long.note.as_ref().is_none_or(|n| got.notes.iter().any(|note| note.contains(n.as_str())));
                part("note", &long.note, &got.notes.join("; "), noted)
            })
            .or_else(|| part("source", &long.from, &source, long.from.as_ref().is_none_or(|f| *f == source)))
    }
}

/// `java app Injected`; `-` stands for what a verdict does not have.
pub(crate) fn shorten(verdict: &Verdict) -> String {
    let about = if verdict.about == About::Pod { "-" } else { verdict.about.id() };
    format!("{about} {} {}", verdict.container.as_deref().unwrap_or("-"), verdict.reason)
}

impl Expect {
    /// With the sections of the case it is like.
    fn resolved(&self, cases: &BTreeMap<String, Result<Case, String>>) -> Result<Expect, String> {
        let own = self.clone();
        let Some(name) = &self.like else { return Ok(own) };
        let Some(Ok(other)) = cases.get(name) else {
            return Err(format!("like: there is no readable case {name}"));
        };
        let mut all = other.expect.resolved(cases)?;
        all.env.extend(own.env);
        all.mounts.extend(own.mounts);
        all.containers = own.containers.or(all.containers);
        all.init_containers = own.init_containers.or(all.init_containers);
        all.volumes = own.volumes.or(all.volumes);
        all.spec = own.spec.or(all.spec);
        all.labels.extend(own.labels);
        Ok(all)
    }

    fn says_nothing_of_the_pod(&self) -> bool {
        let lists = [&self.containers, &self.init_containers, &self.volumes];
        let maps = [&self.env, &self.mounts];
        self.like.is_none()
            && self.spec.is_none()
            && self.labels.is_empty()
            && maps.iter().all(|m| m.is_empty())
            && lists.iter().all(|l| l.is_none())
    }

    /// The pod that must come out.
    pub(crate) fn pod(
        &self,
        given: &Value,
        cases: &BTreeMap<String, Result<Case, String>>,
    ) -> Result<Value, String> {
        match (self.untouched || self.unchanged, self.says_nothing_of_the_pod()) {
            (true, true) => return Ok(given.clone()),
            (true, false) => return Err("untouched, unchanged and sections exclude each other".to_owned()),
            (false, true) => {
                return Err(
                    "expect says nothing about the pod: untouched, unchanged, like or sections".to_owned()
                );
            }
            (false, false) => {}
        }
        let sections = self.resolved(cases)?;
        let mut pod = given.clone();
        let spec = pod["spec"].as_object_mut().ok_or("the pod has no spec")?;
        for (what, by_container, write) in [
            ("env", &sections.env, variable as fn(&Value) -> Value),
            ("volumeMounts", &sections.mounts, mount as fn(&Value) -> Value),
        ] {
            for (name, list) in by_container {
                let container = find(spec, name)
                    .ok_or(format!("expect names container {name}, which the pod has not"))?;
                container[what] = list.iter().map(write).collect();
            }
        }
        for (field, list) in [
            ("containers", &sections.containers),
            ("initContainers", &sections.init_containers),
            ("volumes", &sections.volumes),
        ] {
            let Some(list) = list else { continue };
            let before = spec.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
            let after = list
                .iter()
                .map(|entry| match entry {
                    Value::String(name) => {
                        let found = before.iter().find(|b| b["name"] == *name);
                        found
                            .cloned()
                            .ok_or(format!("expect names {name}, which is not among the pod's {field}"))
                    }
                    whole => Ok(whole_container(whole)),
                })
                .collect::<Result<Vec<_>, _>>()?;
            spec.insert(field.to_owned(), after.into());
        }
        if !sections.labels.is_empty() {
            merge(&mut pod["metadata"], &json!({ "labels": sections.labels }));
        }
        if let Some(over) = &sections.spec {
            merge(&mut pod["spec"], over);
        }
        Ok(pod)
    }
}

fn find<'a>(spec: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    let lists = spec.iter_mut().filter(|(key, _)| matches!(key.as_str(), "containers" | "initContainers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().find(|c| c["name"] == name)
}

fn whole_container(value: &Value) -> Value {
    let mut value = value.clone();
    for (field, write) in
        [("env", variable as fn(&Value) -> Value), ("volumeMounts", mount as fn(&Value) -> Value)]
    {
        if let Some(list) = value.get_mut(field).and_then(Value::as_array_mut) {
            list.iter_mut().for_each(|entry| *entry = write(entry));
        }
    }
    value
}

/// Reads `NAME=value` and `NAME from field.path`; objects stay.
pub(crate) fn variable(short: &Value) -> Value {
    let Value::String(text) = short else { return short.clone() };
    match (text.split_once(" from "), text.split_once('=')) {
        (Some((name, path)), _) if !name.contains('=') => {
            json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } })
        }
        (_, Some((name, value))) => json!({ "name": name, "value": value }),
        _ => json!({ "name": text }),
    }
}

/// Reads `volume at /path` and `volume at /path read-only`; objects stay.
fn mount(short: &Value) -> Value {
    let Value::String(text) = short else { return short.clone() };
    let Some((name, path)) = text.split_once(" at ") else { return short.clone() };
    match path.strip_suffix(" read-only") {
        Some(path) => json!({ "name": name, "mountPath": path, "readOnly": true }),
        None => json!({ "name": name, "mountPath": path }),
    }
}

/// What the API server would not tell apart: an empty value and none; and the texts of the web servers' scripts, which
/// have tests of their own that run them.
pub(crate) fn comparable(mut pod: Value) -> Value {
    for list in ["containers", "initContainers"] {
        for container in
            pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut).into_iter().flatten()
        {
            for entry in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
                if entry["value"] == "" {
                    entry.as_object_mut().expect("it has a value").remove("value");
                }
            }
            let web_server = container["name"].as_str().is_some_and(|name| name.starts_with("otel-agent-"));
            if web_server && container["command"] == json!(["/bin/sh", "-c"]) {
                container["args"][0] = json!("<script>");
            }
        }
    }
    pod
}
