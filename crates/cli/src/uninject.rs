//! `otel-operator uninject`: files without what injection added.

use std::{process::ExitCode, rc::Rc};

use clap::{ArgMatches, Command};

use crate::{
    arguments,
    exit::{Exit, Failure, OrExit, finish},
    inject::Output,
    session::Session,
    source::place,
};

/// The arguments of `uninject`.
pub(crate) fn command() -> Command {
    arguments::command("uninject", "Print files with what injection added taken out of their workloads").long_about(
        "Print files with what injection added taken out of their workloads.\n\n\
         What is removed is what injection would add now: give the Instrumentation with -f, or a cluster that has it. What \
         may be injection's and was kept is listed on standard error.",
    )
}

/// Prints the files, uninjected.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(finish(run(matches)))
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let mut session = Session::open(matches)?;
    let files = Rc::clone(&session.files);
    let mut output = Output::new(files.len());
    for file in files.iter() {
        let mut texts = String::new();
        for document in &file.documents {
            let text = session.rewrite(file, document, |session, object, namespace, workload| {
                let of_pod = session.world.namespace(namespace).or_exit(Exit::Cluster)?;
                let facts = |pod: &inject::Pod<'_>, request: &inject::Request| {
                    session.world.facts(pod, request, &workload.owners)
                };
                let settings = &session.world.settings;
                let found =
                    inject::uninject(&workload.pod, &of_pod, settings, facts).or_exit(Exit::Cluster)?;
                let Some(mut found) = found else { return Ok(None) };
                for kept in &found.kept {
                    eprintln!(
                        "kept: {}: {} {namespace}/{}: {kept}",
                        place(file, document),
                        object.kind,
                        object.name
                    );
                }
                if !workload.template.is_empty() {
                    undress(&mut found.pod, object.value.pointer(workload.template));
                }
                Ok(Some(found.pod))
            })?;
            texts.push_str(&text);
        }
        output.print(&file.name, &texts).or_exit(Exit::Input)?;
    }
    Ok(session.close(Exit::Ok))
}

/// Takes the owner off again, that the pod of a template was given.
fn undress(pod: &mut serde_json::Value, template: Option<&serde_json::Value>) {
    let of_template = template.and_then(|t| t.pointer("/metadata/ownerReferences")).cloned();
    let Some(map) = pod.as_object_mut() else { return };
    if let Some(metadata) = map.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
        metadata.remove("ownerReferences");
        metadata.extend(of_template.map(|o| ("ownerReferences".to_owned(), o)));
        if metadata.is_empty() {
            map.remove("metadata");
        }
    }
}
