//! Images of auto-instrumentation agents in the layout that the injection expects, under exactly the names and tags that
//! are the operator's defaults, so that the defaults themselves are tested.

use std::{fs, path::Path, process::Command};

use anyhow::Context;
use api::Language;
use serde_json::json;

use super::{
    Layer, Recipe, base,
    recipe::{download, run},
};

const JAVA_AGENT: &str = "https://repo1.maven.org/maven2/io/opentelemetry/javaagent/opentelemetry-javaagent";
/// Those that the test applications need, beside the distribution itself.
const PYTHON_INSTRUMENTATIONS: &[&str] = &["flask", "wsgi", "urllib", "logging"];
const NODEJS_SETUP: &str = "require('@opentelemetry/auto-instrumentations-node/register');\n";

pub(super) fn recipes() -> Vec<Recipe> {
    let agent = |name, language: Language, layers, sources: &[&str]| Recipe {
        name,
        image: language.info().default_image.to_owned(),
        // A numeric user other than root: a pod that demands that much can run it.
        config: json!({"User": base::NOBODY, "Env": ["PATH=/bin"]}),
        sources: sources.iter().map(|s| (*s).to_owned()).collect(),
        layers,
    };
    vec![
        agent("agent-java", Language::Java, java, &["1"]),
        agent("agent-nodejs", Language::NodeJs, nodejs, &[NODEJS_SETUP]),
        agent("agent-python", Language::Python, python, PYTHON_INSTRUMENTATIONS),
    ]
}

fn java(work: &Path) -> anyhow::Result<Vec<Layer>> {
    let (version, jar) = (version(Language::Java)?, work.join("javaagent.jar"));
    download(&format!("{JAVA_AGENT}/{version}/opentelemetry-javaagent-{version}.jar"), &jar)?;
    Ok(vec![base::shell()?, Layer::default().file("javaagent.jar", &jar)?])
}

fn nodejs(work: &Path) -> anyhow::Result<Vec<Layer>> {
    fs::write(work.join("package.json"), "{\"private\": true}")?;
    let version = version(Language::NodeJs)?;
    run(Command::new("npm")
        .args(["install", "--omit=dev", "--omit=optional", "--no-audit", "--no-fund", "--no-package-lock"])
        .arg("@opentelemetry/api@1")
        .arg(format!("@opentelemetry/auto-instrumentations-node@{version}"))
        .current_dir(work))?;
    fs::write(work.join("autoinstrumentation.js"), NODEJS_SETUP)?;
    // Declarations and source maps are more than half of the files; nothing reads them at run time.
    let left_out = |path: &Path| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        [".map", ".ts", ".md"].iter().any(|end| name.ends_with(end))
    };
    Ok(vec![base::shell()?, Layer::default().tree("autoinstrumentation", work, left_out)?])
}

fn python(work: &Path) -> anyhow::Result<Vec<Layer>> {
    let version = version(Language::Python)?;
    let mut packages =
        vec![format!("opentelemetry-distro=={version}"), "opentelemetry-exporter-otlp-proto-http".to_owned()];
    packages.extend(
        PYTHON_INSTRUMENTATIONS.iter().map(|i| format!("opentelemetry-instrumentation-{i}=={version}")),
    );
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "--target"])
        .arg(work)
        .args(packages))?;
    let compiled = |path: &Path| path.ends_with("__pycache__");
    let agent = Layer::default()
        .tree("autoinstrumentation", work, compiled)?
        .link("autoinstrumentation-musl", "autoinstrumentation");
    Ok(vec![base::shell()?, agent])
}

/// The version that the default image names: its tag.
fn version(language: Language) -> anyhow::Result<&'static str> {
    let image = language.info().default_image;
    Ok(image.rsplit_once(':').with_context(|| format!("{image} has no tag"))?.1)
}
