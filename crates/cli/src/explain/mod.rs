//! `otel-operator explain`: what the operator decides about workloads, why, and what is wrong.
//!
//! * [`wish`]: what a verdict answers.
//! * [`target`]: what `deploy/NAME` names.
//! * [`mistake`]: what no verdict tells of.
//! * [`change`]: what would change, in few words.
//! * [`report`]: all of it as data; [`table`]: for people.

mod change;
pub(crate) mod mistake;
pub(crate) mod report;
mod table;
mod target;
mod wish;

use std::{io::Write as _, process::ExitCode, rc::Rc};

use anyhow::anyhow;
use api::Instrumentation;
use clap::{Arg, ArgMatches, Command, builder::PossibleValuesParser};
use inject::{About, Reason, Verdict, explanation::Aftermath, startup, verdict_annotation};
use serde_json::{Value, json};

use crate::{
    arguments::{self, Given},
    cluster,
    colour::Colour,
    exit::{Exit, Failure, OrExit, finish},
    object::Object,
    session::{Decided, Session},
    sidecar,
    source::{Problem, place},
    workload::{self, Workload},
    yaml,
};
use report::{Finding, Pods, Report, Row, WorkloadReport};

/// The arguments of `explain`.
pub(crate) fn command() -> Command {
    arguments::command("explain", "Explain what injection does with workloads, and why")
        .long_about(
            "Explain what injection does with workloads, and why: for each container and language the verdict, the \
             Instrumentation and the annotation that chose it, what would change, and what to do.\n\n\
             Workloads come from files (-f), or from a cluster (deploy/NAME, pod/NAME). In a cluster the settings of the \
             running operator are used. Exit code 0 means that everything that is asked for is injected, 1 that there is \
             something to mend.",
        )
        .arg(
            Arg::new("object")
                .value_name("KIND/NAME")
                .num_args(0..)
                .help("Objects of the cluster: deploy/web, pod/web-0, sts/db, ds/agent, job/x, cj/x, rs/x"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_parser(PossibleValuesParser::new(["table", "json", "yaml"]))
                .default_value("table")
                .help("Format"),
        )
}

/// Prints the report.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(finish(run(matches)))
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let given = Given::read(matches).or_exit(Exit::Usage)?;
    let names: Vec<String> = matches.get_many::<String>("object").into_iter().flatten().cloned().collect();
    let targets = target::parse(&names).or_exit(Exit::Usage)?;
    if targets.is_empty() && given.common.filename.is_empty() {
        return Err(Failure(
            Exit::Usage,
            anyhow!("nothing to explain: name an object (deploy/NAME) or give -f FILE"),
        ));
    }
    let asked = !targets.is_empty() || given.asks_cluster();
    let cluster = asked.then(|| given.connect()).transpose().or_exit(Exit::Cluster)?;
    let mut session = Session::new(&given, cluster)?;
    let mut report = Report { settings: session.settings.clone(), ..Report::default() };

    let files = Rc::clone(&session.files);
    for file in files.iter() {
        for document in &file.documents {
            for (object, namespace, workload) in session.workloads(file, document) {
                let mut of_workload = explain(&session, &object, &namespace, &workload)?;
                of_workload.file = Some(place(file, document));
                report.workloads.push(of_workload);
            }
        }
    }
    for target in targets {
        let Some(cluster) = &session.world.cluster else { continue };
        let namespace = given.common.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
        let Some(value) = target.get(cluster, &namespace).or_exit(Exit::Cluster)? else {
            session.problem(Problem(format!("{} {namespace}/{} does not exist", target.kind, target.name)));
            continue;
        };
        let object = Object {
            pointer: String::new(),
            api_version: target.api_version,
            kind: target.kind,
            name: target.name,
            namespace: Some(&namespace),
            value: &value,
        };
        match workload::read(&object) {
            Some(Ok(workload)) => {
                report.workloads.push(explain_live(&session, &object, &namespace, &workload)?)
            }
            Some(Err(error)) => {
                session.problem(Problem(format!("{} {namespace}/{}: {error}", object.kind, object.name)))
            }
            None => {}
        }
    }
    let unquoted = std::mem::take(&mut session.world.unquoted);
    report.findings = unquoted.iter().map(|text| unquoted_value(text)).collect();
    let text = match matches.get_one::<String>("output").map(String::as_str) {
        Some("json") => serde_json::to_string_pretty(&report).or_exit(Exit::Input)? + "\n",
        Some("yaml") => {
            let value = serde_json::to_value(&report).or_exit(Exit::Input)?;
            yaml::block(&value, 0, yaml::Style { indented_lists: false }) + "\n"
        }
        _ => table::render(&report, Colour::of_stdout()),
    };
    std::io::stdout().lock().write_all(text.as_bytes()).or_exit(Exit::Input)?;
    Ok(session.close(if report.has_findings() { Exit::Found } else { Exit::Ok }))
}

/// An unquoted boolean or number in an Instrumentation.
fn unquoted_value(text: &str) -> Finding {
    let (problem, rest) = text.split_once("; it was stored as ").unwrap_or((text, ""));
    let value = rest.split(';').next().unwrap_or_default();
    Finding::new(
        format!(
            "{problem}: the operator's webhook mends it, but a server-side apply is refused before it gets there"
        ),
        format!("write it in quotes{}{value}", if value.is_empty() { "" } else { ": value: " }),
    )
}

/// A workload of a file, or the part that a workload of a cluster has in common with it.
fn explain(
    session: &Session,
    object: &Object<'_>,
    namespace: &str,
    workload: &Workload,
) -> Result<WorkloadReport, Failure> {
    let mut report = WorkloadReport {
        kind: object.kind.to_owned(),
        namespace: namespace.to_owned(),
        name: object.name.to_owned(),
        findings: mistake::of_annotations(object, workload),
        ..WorkloadReport::default()
    };
    let annotation =
        workload.pod.pointer("/metadata/annotations").and_then(|a| a.get(api::annotation::VERDICT));
    let annotation = annotation.and_then(Value::as_str);
    report.verdict_annotation = annotation.map(str::to_owned);
    let Some(decided) = session.decide(workload, namespace)? else { return Ok(report) };
    let decision = &decided.decision;
    report.rows = decision.verdicts.iter().map(|v| Row::of(v, &decided.request)).collect();
    if !decision.patch.is_empty() {
        add_changes(&mut report, workload, &decided)?;
    }
    let tells =
        |a: &&str| verdict_annotation::has_injected(a) || verdict_annotation::injected_sidecar(a).is_some();
    if let Some(annotation) = annotation.filter(tells)
        && decision.verdicts.iter().all(|v| v.reason == Reason::AlreadyInjected)
    {
        rows_of_annotation(&mut report, annotation);
    }
    for verdict in &decision.verdicts {
        let elsewhere = match verdict.about {
            About::Sidecar => session.world.sidecars.all(session.world.cluster.as_ref()),
            About::Pod | About::Language(_) => session.world.all_instrumentations(),
        };
        let finding = mistake::of_value(&decided.request, verdict)
            .or_else(|| mistake::of_namespace(&decided.request, verdict, &elsewhere));
        report.findings.extend(finding);
    }
    report.findings.dedup();
    Ok(report)
}

/// Says what would change, and looks at where telemetry would go.
fn add_changes(report: &mut WorkloadReport, workload: &Workload, decided: &Decided) -> Result<(), Failure> {
    let mut after = workload.pod.clone();
    json_patch::patch(&mut after, &decided.decision.patch).or_exit(Exit::Input)?;
    let changes = change::between(&workload.pod, &after);
    for row in report.rows.iter_mut().filter(|row| row.is_injected()) {
        row.changes = changes.containers.get(&row.container).cloned().unwrap_or_default();
    }
    report.pod_changes = changes.pod;
    Ok(())
}

/// What the pod itself tells, instead of "it was injected before".
fn rows_of_annotation(report: &mut WorkloadReport, annotation: &str) {
    let asked = std::mem::take(&mut report.rows);
    report.rows = Row::of_annotation(annotation);
    for row in &mut report.rows {
        let same = asked.iter().find(|a| a.language == row.language);
        row.asked_by = same.map(|a| a.asked_by.clone()).unwrap_or_default();
    }
}

/// A workload or pod of the cluster: also what is known of its running pods.
fn explain_live(
    session: &Session,
    object: &Object<'_>,
    namespace: &str,
    workload: &Workload,
) -> Result<WorkloadReport, Failure> {
    let mut report = explain(session, object, namespace, workload)?;
    let Some(decided) = session.decide(workload, namespace)? else { return Ok(report) };
    note_missing_services(session, &mut report, &decided, namespace)?;
    let injected = decided.decision.verdicts.iter().find(|v| v.reason == Reason::Injected);
    if object.kind == "Pod" {
        note_generation(session, &mut report)?;
        let stuck = startup::stuck(object.value);
        report.findings.extend(stuck.map(|stuck| mistake::of_start(&stuck, object.value, 0)));
        if let Some(verdict) = injected {
            for row in &mut report.rows {
                row.message = format!("if the pod were created now: {}", row.message);
            }
            let fix = "recreate the pod; kubectl rollout restart does it for all pods of a workload";
            let source = stored(session, verdict)?;
            let source = source.as_ref().map(|source| (wish::kind(verdict), source));
            report.findings.push(mistake::of_age(object.value, source, fix));
        }
        return Ok(report);
    }
    let pods = running_pods(session, object, namespace)?;
    let mut missed = Vec::new();
    for pod in &pods {
        let of_pod = Workload { template: "", pod: pod.clone(), owners: workload.owners.clone() };
        let instrumented = session
            .decide(&of_pod, namespace)?
            .is_some_and(|d| d.decision.verdicts.iter().any(|v| v.reason == Reason::AlreadyInjected));
        if !instrumented {
            missed.push(pod);
        }
    }
    let stuck: Vec<_> = pods.iter().filter_map(|pod| Some((pod, startup::stuck(pod)?))).collect();
    if let Some((pod, first)) = stuck.first() {
        report.findings.push(mistake::of_start(first, pod, stuck.len() - 1));
    }
    if !pods.is_empty() {
        report.pods = Some(Pods { total: pods.len(), instrumented: pods.len() - missed.len() });
    }
    if let (Some(pod), Some(verdict)) = (missed.first(), injected) {
        let kind = object.kind.to_lowercase();
        let fix = format!("kubectl rollout restart {kind}/{} -n {namespace}", object.name);
        let source = stored(session, verdict)?;
        let source = source.as_ref().map(|source| (wish::kind(verdict), source));
        report.findings.push(mistake::of_age(pod, source, &fix));
    }
    Ok(report)
}

/// The Instrumentation or collector behind a verdict, as it is stored in the cluster.
fn stored(session: &Session, verdict: &Verdict) -> Result<Option<Value>, Failure> {
    let Some(source) = &verdict.source else { return Ok(None) };
    let all = objects_in_cluster(session, &source.namespace, verdict.about == About::Sidecar)?;
    Ok(all.into_iter().find(|i| i.pointer("/metadata/name").and_then(Value::as_str) == Some(&source.name)))
}

/// The collectors or Instrumentations of a namespace, as they are stored.
fn objects_in_cluster(session: &Session, namespace: &str, collectors: bool) -> Result<Vec<Value>, Failure> {
    let world = &session.world;
    match collectors {
        true => sidecar::in_cluster(world.cluster.as_ref(), namespace),
        false => world.instrumentations_in_cluster(namespace),
    }
    .or_exit(Exit::Cluster)
}

/// Notes where an Instrumentation or collector has changed since the pod was made of it.
fn note_generation(session: &Session, report: &mut WorkloadReport) -> Result<(), Failure> {
    let annotation = report.verdict_annotation.clone().unwrap_or_default();
    let entries: Vec<_> = verdict_annotation::parse(&annotation).collect();
    for row in report.rows.iter_mut().filter(|row| !row.instrumentation.is_empty()) {
        let Some((namespace, name)) = row.instrumentation.split_once('/') else { continue };
        let of_row = entries.iter().filter(|entry| (entry.about == About::Sidecar) == row.is_sidecar());
        let sources = of_row.filter_map(|entry| entry.source.as_ref());
        let then = sources.filter(|s| s.namespace == namespace && s.name == name).map(|s| s.generation).max();
        let all = objects_in_cluster(session, namespace, row.is_sidecar())?;
        let kind = if row.is_sidecar() { api::collector::KIND } else { api::instrumentation::KIND };
        let now = all.iter().find(|i| i.pointer("/metadata/name").and_then(Value::as_str) == Some(name));
        let now = now.map(|i| i.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default());
        match (then, now) {
            (Some(then), Some(now)) if then > 0 && now != then => row.notes.push(format!(
                "{}: {kind} {namespace}/{name} has changed since (generation {then} then, {now} now): recreate the pod to apply it",
                Aftermath::Outdated.code()
            )),
            (Some(_), None) => {
                row.notes.push(format!("{kind} {namespace}/{name} does not exist any more"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Notes where an endpoint names a Service that the pod's namespace does not have.
fn note_missing_services(
    session: &Session,
    report: &mut WorkloadReport,
    decided: &Decided,
    namespace: &str,
) -> Result<(), Failure> {
    let Some(cluster) = &session.world.cluster else { return Ok(()) };
    for row in report.rows.iter_mut().filter(|row| row.is_injected() && !row.is_sidecar()) {
        let chosen = |i: &&std::sync::Arc<Instrumentation>| {
            format!("{}/{}", i.metadata.namespace, i.metadata.name) == row.instrumentation
        };
        let Some(instrumentation) = decided.facts.instrumentations.objects.iter().find(chosen) else {
            continue;
        };
        let endpoint = &instrumentation.spec.exporter.endpoint;
        let Some(host) = mistake::short_host(endpoint) else { continue };
        let path = cluster::core(namespace, "services", host).or_exit(Exit::Cluster)?;
        if !cluster.exists(&path).or_exit(Exit::Cluster)? {
            row.notes.push(format!(
                "the endpoint {endpoint} names Service {host}, which namespace {namespace} does not have; a Service of another \
                 namespace is written {host}.<namespace>"
            ));
        }
    }
    Ok(())
}

/// Pods of a workload that have not ended.
fn running_pods(session: &Session, object: &Object<'_>, namespace: &str) -> Result<Vec<Value>, Failure> {
    let Some(cluster) = &session.world.cluster else { return Ok(Vec::new()) };
    let labels = object.value.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let Some(labels) = labels.filter(|l| !l.is_empty()) else { return Ok(Vec::new()) };
    // Keys and values of labels need no more encoding than this.
    let pairs: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{}%3D{}", key.replace('/', "%2F"), value.as_str().unwrap_or_default()))
        .collect();
    let namespace = cluster::segment(namespace).or_exit(Exit::Usage)?;
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={}", pairs.join("%2C"));
    let pods = cluster.list(&path).or_exit(Exit::Cluster)?;
    let ended = |pod: &Value| {
        pod.pointer("/metadata/deletionTimestamp").is_some()
            || [json!("Succeeded"), json!("Failed")]
                .contains(pod.pointer("/status/phase").unwrap_or(&Value::Null))
    };
    Ok(pods.into_iter().filter(|pod| !ended(pod)).collect())
}
