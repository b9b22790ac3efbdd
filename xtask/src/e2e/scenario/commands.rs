//! What `otel-operator check` and `status` say about this cluster is true; and what `lint` says about configurations is
//! what the real Collector says.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use anyhow::{Context, ensure};
use collector::check::Severity;
use serde_json::Value;
use testkit::node::sandbox;

use super::{Application, sink};
use crate::e2e::world::World;

const NAMESPACE: &str = "commands";

/// Nothing is broken here, and the workload is counted as it is.
pub(super) async fn check_and_status(world: &World<'_>) -> anyhow::Result<()> {
    sink(world, NAMESPACE).await?;
    world.apply(
        NAMESPACE,
        &Application { name: "web", language: "nodejs", ..Application::default() }.yaml(),
    )?;
    world.rolled_out(NAMESPACE, "deployment/web").await?;

    let check = operator(world, &["check", "-n", NAMESPACE, "-o", "json"])?;
    let checks = check["checks"].as_array().context("check prints no checks")?;
    let broken: Vec<&Value> = checks.iter().filter(|check| check["result"] == "error").collect();
    ensure!(broken.is_empty(), "check finds what is not so: {}", serde_json::to_string_pretty(&broken)?);
    let made = checks.iter().filter(|check| check["result"] == "ok").count();
    let status = operator(world, &["status", "-n", NAMESPACE, "-o", "json"])?.to_string();
    ensure!(
        status.contains("web") && status.contains("Injected"),
        "status does not know the workload: {status}"
    );
    println!("check: {made} of {} checks found all well, none found a fault", checks.len());
    Ok(())
}

/// Configurations that use only components of the Collector built here: what lint passes validates, and what lint calls
/// an error the Collector refuses.
pub(super) async fn lint_and_validate(_: &World<'_>) -> anyhow::Result<()> {
    let program = collector_program()?;
    let file = sandbox::state().join("validate.yaml");
    let (mut good, mut warned, mut refused, mut only_lint, mut elsewhere) = (0, 0, 0, Vec::new(), 0);
    for (name, config) in configurations()? {
        fs::write(&file, serde_json::to_string(&config)?)?;
        let output =
            Command::new(&program).arg("validate").arg("--config").arg(&file).output().context("otelcol")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("unknown type") || said.contains("unable to read the file") {
            elsewhere += 1;
            continue;
        }
        let lint = collector::check::lint_text(
            &serde_json::to_string(&config)?,
            &collector::Settings::default().image,
        );
        let worst = lint.findings.iter().map(|finding| finding.code.severity()).max();
        match (worst, output.status.success()) {
            (Some(Severity::Error), false) => refused += 1,
            (Some(Severity::Error), true) => only_lint.push(name),
            // Warnings are about what was probably not meant, whatever this Collector makes of it.
            (Some(Severity::Warning), _) => warned += 1,
            (_, true) => good += 1,
            (_, false) => anyhow::bail!("lint passes {name}, and the Collector says: {said}"),
        }
    }
    println!(
        "lint and validate: {good} passed by both, {refused} refused by both, {warned} warned of, {elsewhere} with other components or files; {} only lint \
         refuses, because the Collector finds out when it starts: {}",
        only_lint.len(),
        only_lint.join(", ")
    );
    ensure!(good + refused >= 10, "too few configurations of the corpus fit this Collector");
    Ok(())
}

/// The configurations of lint's corpus, by file; those of custom resources without the resource.
fn configurations() -> anyhow::Result<Vec<(String, Value)>> {
    let corpus = crate::cargo::root().join("crates/collector/tests/lint");
    let mut files: BTreeSet<PathBuf> = BTreeSet::new();
    for folder in ["good", "bad"] {
        files.extend(fs::read_dir(corpus.join(folder))?.flatten().map(|entry| entry.path()));
    }
    let mut configurations = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        // Some are bad because they are no YAML: nothing to compare.
        let Ok(documents) = testkit::documents(&text) else { continue };
        for document in documents {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let config = match document["spec"].get("config") {
                Some(Value::String(text)) => testkit::documents(text).ok().and_then(|mut all| all.pop()),
                Some(config) => Some(config.clone()),
                None => document.get("service").is_some().then_some(document),
            };
            // What is no map at all the Collector cannot even be asked about.
            configurations.extend(config.filter(Value::is_object).map(|config| (name, config)));
        }
    }
    Ok(configurations)
}

/// The Collector's program, out of its image.
fn collector_program() -> anyhow::Result<PathBuf> {
    let recipe = crate::image::recipes().into_iter().find(|recipe| recipe.name == "collector");
    let archive = recipe.context("there is no image collector")?.archive()?;
    let program = sandbox::state().join("otelcol");
    for blob in tar::Archive::new(fs::File::open(&archive)?).entries()? {
        let blob = blob?;
        if !blob.path()?.starts_with("blobs") {
            continue;
        }
        // What is no archive ends at its first entry.
        let mut layer = tar::Archive::new(blob);
        for entry in layer.entries()?.map_while(Result::ok) {
            let mut entry = entry;
            if entry.path()?.as_os_str() == "otelcol" {
                entry.unpack(&program)?;
                return Ok(program);
            }
        }
    }
    anyhow::bail!("{} has no otelcol", archive.display())
}

/// `otel-operator` as a user runs it.
pub(super) fn operator(world: &World<'_>, arguments: &[&str]) -> anyhow::Result<Value> {
    let kubeconfig = world.node.control_plane().kubeconfig();
    let program = testkit::operator_binary()?;
    let output = Command::new(program).args(arguments).env("KUBECONFIG", kubeconfig).output()?;
    serde_json::from_slice(&output.stdout).with_context(|| {
        let [text, error] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        format!("otel-operator {}: {text}{error}", arguments.join(" "))
    })
}
