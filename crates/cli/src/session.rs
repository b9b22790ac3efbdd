//! What `inject`, `uninject` and `diff` have in common: read everything, then go through the documents.

use std::rc::Rc;

use clap::ArgMatches;
use inject::{Decision, Facts, Pod, Request, plan};
use serde_json::Value;

use crate::{
    arguments::Given,
    exit::{Exit, Failure, OrExit},
    object::{Object, objects},
    source::{self, Document, File, Problem},
    workload::{self, Workload},
    world::World,
    yaml,
};

/// Files and what is known.
pub(crate) struct Session {
    /// What `-f` named.
    pub files: Rc<Vec<File>>,
    /// What decisions depend on.
    pub world: World,
    /// Where the settings come from.
    pub settings: String,
    problems: Vec<Problem>,
}

/// A decision, and what it was made of.
#[derive(Debug)]
pub(crate) struct Decided {
    /// What the pod asks for.
    pub request: Request,
    /// What was known.
    pub facts: Facts,
    /// What to do.
    pub decision: Decision,
}

impl Session {
    /// Reads arguments, files and, if asked for, the cluster's settings.
    pub(crate) fn open(matches: &ArgMatches) -> Result<Session, Failure> {
        let given = Given::read(matches).or_exit(Exit::Usage)?;
        if given.common.filename.is_empty() {
            let error = anyhow::anyhow!("no input: give -f FILE, -f DIR, or -f - for standard input");
            return Err(Failure(Exit::Usage, error));
        }
        let cluster = given.asks_cluster().then(|| given.connect()).transpose().or_exit(Exit::Cluster)?;
        Session::new(&given, cluster)
    }

    /// As [`Session::open`], with a cluster or none.
    pub(crate) fn new(given: &Given, cluster: Option<crate::cluster::Cluster>) -> Result<Session, Failure> {
        let (settings, origin) = given.settings(cluster.as_ref()).or_exit(Exit::Cluster)?;
        let (files, mut problems) = source::read(&given.common.filename);
        let (mut world, more) = World::read(
            &files,
            given.common.namespace.clone(),
            settings,
            given.process.collector.clone(),
            cluster,
        );
        problems.extend(more);
        // What is without effect for this command may have one for the process; what is misspelt has none for anybody.
        let about_the_file = given.process.warnings.iter().filter(|w| w.starts_with("configuration file"));
        world.warnings.extend(about_the_file.cloned());
        Ok(Session { files: Rc::new(files), world, settings: origin, problems })
    }

    /// Notes something that cannot be understood; the rest goes on.
    pub(crate) fn problem(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Says what went wrong, and gives the exit code.
    pub(crate) fn close(self, done: Exit) -> Exit {
        for warning in self.world.unquoted.iter().chain(&self.world.warnings) {
            eprintln!("warning: {warning}");
        }
        for problem in &self.problems {
            eprintln!("error: {}", problem.0);
        }
        if self.problems.is_empty() { done } else { Exit::Input }
    }

    /// The workloads of a document, each with its namespace. What cannot be understood is noted.
    pub(crate) fn workloads<'a>(
        &mut self,
        file: &File,
        document: &'a Document,
    ) -> Vec<(Object<'a>, String, Workload)> {
        // A document that has no objects was noted when the world was read.
        let found = objects(file, document).unwrap_or_default();
        let mut workloads = Vec::new();
        for object in found {
            let namespace = self.world.namespace_of(file, &object);
            match workload::read(&object) {
                None => {}
                Some(Ok(workload)) => workloads.push((object, namespace, workload)),
                Some(Err(error)) => {
                    let text = format!("{} {namespace}/{}: {error}", object.kind, object.name);
                    self.problem(Problem::of(file, document, text));
                }
            }
        }
        workloads
    }

    /// What the webhook would decide; none when the pod asks for nothing.
    pub(crate) fn decide(&self, workload: &Workload, namespace: &str) -> Result<Option<Decided>, Failure> {
        let raw = serde_json::value::to_raw_value(&workload.pod).or_exit(Exit::Input)?;
        let pod = Pod::parse(&raw).or_exit(Exit::Input)?;
        let namespace = self.world.namespace(namespace).or_exit(Exit::Cluster)?;
        let Some(request) = Request::read(&pod.metadata, &namespace) else { return Ok(None) };
        let facts = self.world.facts(&pod, &request, &workload.owners).or_exit(Exit::Cluster)?;
        let decision = plan(&pod, &request, &facts, &self.world.settings);
        Ok(Some(Decided { request, facts, decision }))
    }

    /// The text of a document in which `change` has given some workloads another pod template.
    pub(crate) fn rewrite(
        &mut self,
        file: &File,
        document: &Document,
        mut change: impl FnMut(&Session, &Object<'_>, &str, &Workload) -> Result<Option<Value>, Failure>,
    ) -> Result<String, Failure> {
        let Ok(old) = &document.value else { return Ok(document.text.clone()) };
        let mut new = old.clone();
        for (object, namespace, workload) in self.workloads(file, document) {
            let Some(template) = change(self, &object, &namespace, &workload)? else { continue };
            if let Some(place) = new.pointer_mut(&format!("{}{}", object.pointer, workload.template)) {
                *place = template;
            }
        }
        Ok(yaml::rewrite(&document.text, old, &new))
    }
}

/// A workload's pod template with a decision's patch.
pub(crate) fn patched(
    object: &Object<'_>,
    workload: &Workload,
    decision: &Decision,
) -> Result<Value, Failure> {
    let mut template = object.value.pointer(workload.template).cloned().unwrap_or_default();
    // The pod has metadata from its controller, even if the template has none.
    if let (false, Some(map)) =
        (workload.template.is_empty() || decision.patch.is_empty(), template.as_object_mut())
    {
        let metadata = map.entry("metadata").or_insert(Value::Null);
        if metadata.is_null() {
            *metadata = Value::Object(serde_json::Map::new());
        }
    }
    json_patch::patch(&mut template, &decision.patch).or_exit(Exit::Input)?;
    Ok(template)
}
