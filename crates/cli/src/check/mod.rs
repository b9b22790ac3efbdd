//! `otel-operator check`: is everything as it must be, and what is to be mended?
//!
//! * [`catalogue`] is the table of checks, [`sheet`] takes their results.
//! * One file for each subject: [`platform`], [`definitions`], [`webhooks`], [`certificates`], [`attempts`], [`process`],
//!   [`endpoints`], [`workloads`], [`collectors`].
//! * [`selector`], [`endpoint`]: what Kubernetes and SDKs do with texts.

mod attempts;
mod catalogue;
mod certificates;
mod collectors;
mod definitions;
mod endpoint;
mod endpoints;
mod platform;
mod process;
mod selector;
mod sheet;
mod webhooks;
mod workloads;

use std::{collections::BTreeMap, io::IsTerminal as _, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser};
use serde_json::Value;

use crate::{
    arguments::{self, Given},
    cluster::Cluster,
    colour::Colour,
    exit::{Exit, Failure, OrExit, finish},
    manifests::print,
    session::Session,
};
use sheet::{Level, Sheet};

/// The arguments of `check`.
pub(crate) fn command() -> Command {
    arguments::command("check", "Look for what is wrong with an installation, or would be in the way of one")
        .long_about(
            "Look for what is wrong with an installation, or would be in the way of one (--pre). Nothing is changed; to see \
             whether the API server reaches the operator, objects are sent that it does not store (dry run).\n\n\
             Every check has an id that docs/check.md explains. Exit code 0 means that all is good, 1 that something should be \
             looked at, 2 that something is broken.",
        )
        .mut_arg("filename", |arg| arg.hide(true))
        .mut_arg("cluster", |arg| arg.hide(true))
        .mut_arg("namespace", |arg| arg.help("Look at the workloads of this namespace only [default: all]"))
        .arg(
            Arg::new("pre")
                .long("pre")
                .action(ArgAction::SetTrue)
                .help("Before an installation: is the cluster fit for it, and may you install?"),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .help("Print what is checked, as Markdown, instead of checking"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_parser(PossibleValuesParser::new(["text", "json"]))
                .default_value("text")
                .help("Format"),
        )
}

/// Prints the results.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    Ok(match run(matches) {
        Ok(Level::Error) => ExitCode::from(2),
        Ok(Level::Warning) => ExitCode::from(1),
        Ok(Level::Ok | Level::Skipped) => ExitCode::SUCCESS,
        Err(failure) => finish(Err(failure)),
    })
}

fn run(matches: &ArgMatches) -> Result<Level, Failure> {
    if matches.get_flag("list") {
        print(&catalogue::markdown()).or_exit(Exit::Input)?;
        return Ok(Level::Ok);
    }
    let given = Given::read(matches).or_exit(Exit::Usage)?;
    if !given.common.filename.is_empty() {
        let error = anyhow::anyhow!("check looks at clusters; for files use lint, explain or diff");
        return Err(Failure(Exit::Usage, error));
    }
    let sheet = examine(&given, matches.get_flag("pre"))?;
    let json = matches.get_one::<String>("output").is_some_and(|format| format == "json");
    let text = if json {
        serde_json::to_string_pretty(&sheet.json()).or_exit(Exit::Input)? + "\n"
    } else {
        sheet.text(Colour::of_stdout())
    };
    print(&text).or_exit(Exit::Input)?;
    Ok(sheet.worst())
}

/// All results, for people and for programs.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(crate) fn report(given: &Given) -> anyhow::Result<(String, Value)> {
    let sheet = examine(given, false).map_err(|Failure(_, error)| error)?;
    Ok((sheet.text(Colour::NEVER), sheet.json()))
}

/// Makes the checks.
fn examine(given: &Given, before: bool) -> Result<Sheet, Failure> {
    let cluster = given.connect().or_exit(Exit::Cluster)?;
    let version = cluster.get("/version").or_exit(Exit::Cluster)?;
    let mut sheet = Sheet::default();
    platform::version(version.as_deref(), &mut sheet);
    let own = given.common.operator_namespace.as_str();
    if before {
        platform::apis(&cluster, &mut sheet);
        platform::permissions(&cluster, own, &mut sheet).or_exit(Exit::Cluster)?;
        let seen = Seen::read(&cluster, own, None).or_exit(Exit::Cluster)?;
        webhooks::others(&cluster, &seen, &mut sheet).or_exit(Exit::Cluster)?;
    } else {
        let seen = Seen::read(&cluster, own, given.common.namespace.as_deref()).or_exit(Exit::Cluster)?;
        let session = Session::new(given, Some(cluster))?;
        installed(&session, &seen, own, &mut sheet)?;
    }
    Ok(sheet)
}

/// The checks of an installation.
fn installed(session: &Session, seen: &Seen, own: &str, sheet: &mut Sheet) -> Result<(), Failure> {
    let Some(cluster) = &session.world.cluster else { return Ok(()) };
    platform::apis(cluster, sheet);
    webhooks::others(cluster, seen, sheet).or_exit(Exit::Cluster)?;
    definitions::check(cluster, seen, sheet);
    webhooks::check(cluster, seen, sheet).or_exit(Exit::Cluster)?;
    certificates::check(cluster, seen, own, sheet).or_exit(Exit::Cluster)?;
    progress("asking the webhooks");
    attempts::check(cluster, seen, &session.world.settings, sheet).or_exit(Exit::Cluster)?;
    process::check(cluster, seen, own, session, sheet).or_exit(Exit::Cluster)?;
    progress("looking at workloads");
    let workloads = workloads::check(session, seen, sheet)?;
    endpoints::check(cluster, seen, &session.world.settings, &workloads, sheet).or_exit(Exit::Cluster)?;
    collectors::check(cluster, seen, sheet).or_exit(Exit::Cluster)?;
    Ok(())
}

/// Says on a terminal what takes long.
fn progress(what: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{what} …");
    }
}

/// What most checks look at.
#[derive(Debug, Default)]
struct Seen {
    /// The operator's namespace.
    own: String,
    /// Every Namespace by its name.
    namespaces: BTreeMap<String, Value>,
    /// MutatingWebhookConfigurations.
    mutating: Vec<Value>,
    /// ValidatingWebhookConfigurations.
    validating: Vec<Value>,
    /// Our custom resource definitions.
    definitions: Vec<Value>,
    /// Instrumentations.
    instrumentations: Vec<Value>,
    /// OpenTelemetryCollectors.
    collectors: Vec<Value>,
    /// Deployments, StatefulSets, DaemonSets and CronJobs, with their kind.
    workloads: Vec<Value>,
    /// Pods.
    pods: Vec<Value>,
}

/// What makes pods, with the paths of their lists.
const WORKLOADS: [(&str, &str, &str); 4] = [
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("batch/v1", "CronJob", "cronjobs"),
];

impl Seen {
    /// Asks the cluster; workloads of one namespace, or of all.
    fn read(cluster: &Cluster, own: &str, namespace: Option<&str>) -> anyhow::Result<Seen> {
        let scope = match namespace {
            Some(name) => format!("namespaces/{}/", crate::cluster::segment(name)?),
            None => String::new(),
        };
        let mut seen = Seen { own: own.to_owned(), ..Seen::default() };
        for object in cluster.pages("/api/v1/namespaces")? {
            seen.namespaces.insert(text(&object, "/metadata/name").to_owned(), object);
        }
        let admission = "/apis/admissionregistration.k8s.io/v1";
        seen.mutating = cluster.list(&format!("{admission}/mutatingwebhookconfigurations"))?;
        seen.validating = cluster.list(&format!("{admission}/validatingwebhookconfigurations"))?;
        for crd in operator::manifest::crds() {
            let name = text(&crd, "/metadata/name");
            let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
            seen.definitions.extend(cluster.get(&path)?.as_deref().cloned());
        }
        seen.instrumentations = cluster.pages("/apis/opentelemetry.io/v1alpha1/instrumentations")?;
        // When conversion is broken the list is refused; the definition's own checks say so.
        let collectors = format!("/apis/opentelemetry.io/v1beta1/{scope}opentelemetrycollectors");
        seen.collectors = cluster.pages(&collectors).unwrap_or_default();
        progress("listing workloads and pods");
        for (api_version, kind, resource) in WORKLOADS {
            for mut object in cluster.pages(&format!("/apis/{api_version}/{scope}{resource}"))? {
                object["apiVersion"] = api_version.into();
                object["kind"] = kind.into();
                seen.workloads.push(object);
            }
        }
        seen.pods = cluster.pages(&format!("/api/v1/{scope}pods"))?;
        Ok(seen)
    }

    /// Our MutatingWebhookConfiguration and our ValidatingWebhookConfiguration.
    fn own_configurations(&self) -> [Option<&Value>; 2] {
        use operator::manifest::webhook::{MUTATING, VALIDATING};
        [own(&self.mutating, MUTATING, &self.own), own(&self.validating, VALIDATING, &self.own)]
    }

    /// Our own webhooks, each with the name of its configuration.
    fn own_webhooks(&self) -> impl Iterator<Item = (&str, &Value)> {
        let ours = self.own_configurations().into_iter().flatten();
        ours.flat_map(|object| items(object, "/webhooks").iter().map(|w| (text(object, "/metadata/name"), w)))
    }
}

/// The configuration of the operator in a namespace: the one of the usual name, or else, as Helm names it after the release,
/// the one whose webhooks are served from there.
fn own<'a>(configurations: &'a [Value], usual: &str, namespace: &str) -> Option<&'a Value> {
    let is_served_from_there = |object: &&Value| {
        webhooks::is_of_opentelemetry(object)
            && items(object, "/webhooks")
                .iter()
                .all(|w| text(w, "/clientConfig/service/namespace") == namespace)
    };
    let named = configurations.iter().find(|object| text(object, "/metadata/name") == usual);
    named.or_else(|| configurations.iter().find(is_served_from_there))
}

/// A text in an object; empty when there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A list in an object.
fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// `Kind namespace/name`.
fn title(kind: &str, object: &Value) -> String {
    let namespace = text(object, "/metadata/namespace");
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!("{kind} {namespace}{slash}{}", text(object, "/metadata/name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ours_is_the_configuration_of_the_usual_name_or_the_one_served_from_the_operators_namespace() {
        let configuration = |name: &str, namespace: &str| {
            let path = "/mutate-opentelemetry-io-v1alpha1-instrumentation";
            json!({"metadata": {"name": name}, "webhooks": [{"clientConfig": {"service": {"namespace": namespace, "path": path}}}]})
        };
        let (usual, release, other) = (
            configuration("usual", "otel"),
            configuration("release-mutation", "otel"),
            configuration("other", "elsewhere"),
        );
        let found = |all: &[&Value]| {
            let all: Vec<Value> = all.iter().map(|object| (*object).clone()).collect();
            own(&all, "usual", "otel").map(|object| text(object, "/metadata/name").to_owned())
        };
        assert_eq!(found(&[&other, &release, &usual]).as_deref(), Some("usual"));
        assert_eq!(found(&[&other, &release]).as_deref(), Some("release-mutation"));
        assert_eq!(found(&[&other]), None);
    }
}
