//! Images of auto-instrumentation agents in the layout that the injection expects, under exactly the names and tags that
//! are the operator's defaults, so that the defaults themselves are tested.

use std::{fs, path::Path, process::Command};

use anyhow::Context;
use api::Language;
use serde_json::json;

use super::{
    Layer, Recipe, agent_go, base,
    recipe::{download, run},
};

const JAVA_AGENT: &str = "https://repo1.maven.org/maven2/io/opentelemetry/javaagent/opentelemetry-javaagent";
/// Those that the test applications need, beside the distribution itself.
const PYTHON_INSTRUMENTATIONS: &[&str] = &["flask", "wsgi", "urllib", "logging"];
const NODEJS_SETUP: &str = "require('@opentelemetry/auto-instrumentations-node/register');\n";

/// An agent image of somebody's own that runs as root: what a pod that demands non-root makes of it is a test of ours.
pub(crate) const AS_ROOT: &str = "registry.example/agent-python-as-root:1";

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
        Recipe {
            // It is privileged, and looks at other users' processes.
            config: json!({"Entrypoint": ["/otel-go-instrumentation"], "Env": ["PATH=/bin"]}),
            ..agent("agent-go", Language::Go, go, &["1"])
        },
        Recipe {
            image: AS_ROOT.to_owned(),
            config: json!({"Env": ["PATH=/bin"]}),
            ..agent("agent-python-as-root", Language::Python, python, PYTHON_INSTRUMENTATIONS)
        },
    ]
}

fn go(work: &Path) -> anyhow::Result<Vec<Layer>> {
    agent_go::layers(version(Language::Go)?, work)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The Containerfiles are for people with a container engine; their tags are to be those that the operator asks for.
    #[test]
    fn the_containerfiles_make_the_images_that_are_the_defaults() {
        let files = [
            (Language::Java, include_str!("../../../images/autoinstrumentation/java/Containerfile")),
            (Language::NodeJs, include_str!("../../../images/autoinstrumentation/nodejs/Containerfile")),
            (Language::Python, include_str!("../../../images/autoinstrumentation/python/Containerfile")),
            (Language::Go, include_str!("../../../images/autoinstrumentation/go/Containerfile")),
        ];
        for (language, file) in files {
            let arguments =
                format!("VERSION={} -t {} ", version(language).unwrap(), language.info().default_image);
            assert!(file.contains(&arguments), "the Containerfile of {language:?} does not say {arguments}");
        }
    }

    #[test]
    fn the_instrumentations_of_python_are_the_same_in_both_recipes() {
        let requirements = include_str!("../../../images/autoinstrumentation/python/requirements.txt");
        for instrumentation in PYTHON_INSTRUMENTATIONS {
            assert!(requirements.contains(&format!("opentelemetry-instrumentation-{instrumentation}\n")));
        }
    }
}
