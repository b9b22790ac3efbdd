//! `diff --upgrade`: what the operator of this release would change, at its start, in what an older one left.

use std::collections::BTreeSet;

use api::{
    Settings,
    collector::{self as collectors, conversion},
    instrumentation,
};
use clap::ArgMatches;
use semver::Version;
use serde::Serialize;
use serde_json::{Value, json};

use super::{unified::unified, wants_json};
use crate::{
    arguments::Given,
    cluster::{Cluster, segment},
    colour::Colour,
    exit::{Exit, Failure, OrExit},
    manifests::print,
    object::objects,
    source::{self, Problem},
    yaml,
};

/// The version that collectors have after the upgrade.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What would become of one object.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    kind: String,
    namespace: String,
    name: String,
    /// The file; absent for an object of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The version that it has now.
    #[serde(skip_serializing_if = "String::is_empty")]
    from: String,
    /// JSON patch of the stored object.
    patch: Value,
    /// What the operator will say about it.
    notes: Vec<String>,
    /// Why nothing can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What decides about the upgrade.
struct Upgrader {
    target: Version,
    settings: Settings,
    from_version: Option<String>,
}

impl Upgrader {
    /// The object after the upgrade and what is to be said; none for other kinds.
    fn upgrade(&self, object: &Value, namespace: &str) -> Option<(Value, Change)> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let version = text("/apiVersion");
        let mut change = Change {
            kind: text("/kind").to_owned(),
            namespace: namespace.to_owned(),
            name: text("/metadata/name").to_owned(),
            ..Change::default()
        };
        let of_collector = [collectors::API_VERSION, collectors::OLD_API_VERSION].contains(&version);
        if change.kind == collectors::KIND && of_collector {
            return Some((self.collector(object, &mut change), change));
        }
        if change.kind == instrumentation::KIND && version == instrumentation::API_VERSION {
            return Some((self.instrumentation(object, &mut change), change));
        }
        None
    }

    /// A collector, in the version in which it came.
    fn collector(&self, object: &Value, change: &mut Change) -> Value {
        let mut stored = conversion::to_v1beta1(object);
        let known = stored.pointer("/status/version").and_then(Value::as_str).unwrap_or_default().to_owned();
        change.from = if known.is_empty() { self.from_version.clone().unwrap_or_default() } else { known };
        if change.from.is_empty() {
            change.notes.push(
                "it has no status.version, so no operator has made it yet and it is not upgraded; for a file, say --from-version"
                    .to_owned(),
            );
            return object.clone();
        }
        let had_status = stored.get("status").cloned();
        stored["status"]["version"] = change.from.as_str().into();
        let upgrade = collector::upgrade::upgrade(&stored, &self.target);
        let note = |note: &collector::upgrade::Note| {
            format!("{}{}", if note.warning { "Warning: " } else { "" }, note.text)
        };
        change.notes.extend(upgrade.notes.iter().map(note));
        change.error = upgrade.error;
        change.patch = json!(upgrade.patch);
        if upgrade.patch.is_empty() {
            return object.clone();
        }
        if let Err(error) = json_patch::patch(&mut stored, &upgrade.patch) {
            change.error = Some(error.to_string());
            return object.clone();
        }
        if let Some(map) = stored.as_object_mut() {
            // The version is the operator's to write, not part of what the user sees as changed.
            match had_status {
                Some(status) => map.insert("status".to_owned(), status),
                None => map.remove("status"),
            };
        }
        let old = object["apiVersion"] == collectors::OLD_API_VERSION;
        if old { conversion::to_v1alpha1(&stored) } else { stored }
    }

    fn instrumentation(&self, object: &Value, change: &mut Change) -> Value {
        let upgrade = instrumentation::upgrade(object, &self.settings);
        change.notes.extend(upgrade.events.iter().map(|event| format!("{}: {}", event.kind, event.note)));
        change.patch = json!(upgrade.patch);
        let mut new = object.clone();
        if let Err(error) = json_patch::patch(&mut new, &upgrade.patch) {
            change.error = Some(error.to_string());
            return object.clone();
        }
        new
    }
}

/// Prints what would change.
pub(super) fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let given = Given::read(matches).or_exit(Exit::Usage)?;
    let ask = given.common.filename.is_empty() || given.asks_cluster();
    let cluster = ask.then(|| given.connect()).transpose().or_exit(Exit::Cluster)?;
    // The images are those of this release; which languages are switched on is the running operator's business.
    let (mut settings, _) = given.settings(None).or_exit(Exit::Usage)?;
    if let Some(cluster) = &cluster {
        settings.enabled = given.settings(Some(cluster)).or_exit(Exit::Cluster)?.0.enabled;
    }
    let from_version = matches.get_one::<String>("from-version").cloned();
    if let Some(version) = &from_version {
        Version::parse(version.trim_start_matches('v')).map_err(|error| {
            Failure(
                Exit::Usage,
                anyhow::anyhow!("--from-version={version}: no version ({error}); write it like 0.90.0"),
            )
        })?;
    }
    let target = Version::parse(VERSION).or_exit(Exit::Usage)?;
    let upgrader = Upgrader { target, settings, from_version };
    let mut report = Report {
        colour: Colour::of_stdout(),
        json: wants_json(matches),
        changes: Vec::new(),
        changed: false,
    };
    let (files, mut problems) = source::read(&given.common.filename);
    for file in &files {
        report.file(&upgrader, file, given.common.namespace.as_deref(), &mut problems)?;
    }
    if let Some(cluster) = cluster.filter(|_| files.is_empty() && problems.is_empty()) {
        for object in stored(&cluster, given.common.namespace.as_deref()).or_exit(Exit::Cluster)? {
            report.object(&upgrader, &object)?;
        }
    }
    report.close(&problems)
}

/// The objects of the cluster: all, or those of one namespace.
fn stored(cluster: &Cluster, namespace: Option<&str>) -> anyhow::Result<Vec<Value>> {
    let scope =
        namespace.map(segment).transpose()?.map(|name| format!("namespaces/{name}/")).unwrap_or_default();
    let mut all = Vec::new();
    for (api_version, kind, plural) in [
        (collectors::API_VERSION, collectors::KIND, collectors::PLURAL),
        (instrumentation::API_VERSION, instrumentation::KIND, instrumentation::PLURAL),
    ] {
        for mut object in cluster.list(&format!("/apis/{api_version}/{scope}{plural}"))? {
            object["apiVersion"] = api_version.into();
            object["kind"] = kind.into();
            all.push(object);
        }
    }
    Ok(all)
}

/// What is printed.
struct Report {
    colour: Colour,
    json: bool,
    changes: Vec<Change>,
    changed: bool,
}

impl Report {
    fn file(
        &mut self,
        upgrader: &Upgrader,
        file: &source::File,
        namespace: Option<&str>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Failure> {
        let mut first_line = 0;
        for document in &file.documents {
            let found = objects(file, document).unwrap_or_else(|problem| {
                problems.push(problem);
                Vec::new()
            });
            let mut titles = BTreeSet::new();
            let mut value = document.value.clone().unwrap_or_default();
            for object in found {
                let namespace = object.namespace.or(namespace).unwrap_or("default");
                let Some((new, mut change)) = upgrader.upgrade(object.value, namespace) else { continue };
                if new != *object.value {
                    titles.insert(title(&change));
                    if let Some(place) = value.pointer_mut(&object.pointer) {
                        *place = new;
                    }
                }
                change.file = Some(file.name.clone());
                self.changes.push(change);
            }
            if let (false, Ok(old)) = (titles.is_empty(), &document.value) {
                let new = yaml::rewrite(&document.text, old, &value);
                let titles: Vec<String> = titles.into_iter().collect();
                self.show(&file.name, &titles.join(", "), first_line, &document.text, &new)?;
            }
            first_line += document.text.lines().count();
        }
        Ok(())
    }

    fn object(&mut self, upgrader: &Upgrader, object: &Value) -> Result<(), Failure> {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
        let Some((new, change)) = upgrader.upgrade(object, namespace) else { return Ok(()) };
        if new != *object {
            let text = |object: &Value| serde_saphyr::to_string(&readable(object)).or_exit(Exit::Input);
            self.show("cluster", &title(&change), 0, &text(object)?, &text(&new)?)?;
        }
        self.changes.push(change);
        Ok(())
    }

    fn show(
        &mut self,
        file: &str,
        title: &str,
        first_line: usize,
        old: &str,
        new: &str,
    ) -> Result<(), Failure> {
        self.changed = true;
        if self.json {
            return Ok(());
        }
        let title = format!("{title} upgraded to {VERSION}");
        print(&unified(file, &title, first_line, old, new, self.colour)).or_exit(Exit::Input)?;
        Ok(())
    }

    /// Says what went wrong, and gives the exit code.
    fn close(self, problems: &[Problem]) -> Result<Exit, Failure> {
        if self.json {
            let report = json!({"version": VERSION, "objects": self.changes});
            print(&(serde_json::to_string_pretty(&report).or_exit(Exit::Input)? + "\n"))
                .or_exit(Exit::Input)?;
        }
        for change in &self.changes {
            let of = change.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
            for note in &change.notes {
                eprintln!("note: {of}{}: {note}", title(change));
            }
        }
        for problem in problems {
            eprintln!("error: {}", problem.0);
        }
        let failed = self.changes.iter().any(|change| change.error.is_some());
        Ok(match (problems.is_empty() && !failed, self.changed) {
            (false, _) => Exit::Input,
            (true, true) => Exit::Found,
            (true, false) => Exit::Ok,
        })
    }
}

fn title(change: &Change) -> String {
    format!("{} {}/{}", change.kind, change.namespace, change.name)
}

/// The object without what its author never wrote.
fn readable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"] {
            metadata.remove(key);
        }
    }
    object
}
