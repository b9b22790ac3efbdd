//! Small HTTP services in several languages that call each other, so that one trace crosses languages.

use std::{fs, path::Path, process::Command};

use anyhow::Context;
use serde_json::json;
use testkit::node::debian_packages;

use super::{Layer, Recipe, base, recipe::run};

const JAVA: &str = include_str!("../../../testing/applications/java/App.java");
const NODEJS: &str = include_str!("../../../testing/applications/nodejs/server.js");
const PYTHON: &str = include_str!("../../../testing/applications/python/app.py");
const GO: &str = include_str!("../../../testing/applications/go/main.go");

const JAVA_PACKAGES: &[&str] = &["openjdk-17-jre-headless"];
const PYTHON_PACKAGES: &[&str] = &[
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",
    "libexpat1",
    "libbz2-1.0",
    "libffi8",
    "liblzma5",
    "libsqlite3-0",
    "libuuid1",
    "libcrypt1",
];
const PYTHON_LIBRARIES: &[&str] = &["flask==3.1.2"];

pub(super) fn recipes() -> Vec<Recipe> {
    let application = |name: &'static str, source: &str, command: &[&str], layers| Recipe {
        name,
        image: format!("registry.example/{name}:1"),
        config: json!({
            "Entrypoint": command, "Env": ["PATH=/usr/bin:/bin"], "User": base::NOBODY,
            "ExposedPorts": {"8080/tcp": {}},
        }),
        sources: vec![source.to_owned()],
        layers,
    };
    vec![
        application(
            "app-java",
            JAVA,
            &["/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "-cp", "/app", "App"],
            java,
        ),
        application("app-nodejs", NODEJS, &["/usr/bin/node", "/app/server.js"], nodejs),
        application("app-python", PYTHON, &["/usr/bin/python3.11", "/app/app.py"], python),
        application("app-go", GO, &["/app/server"], go),
    ]
}

fn java(work: &Path) -> anyhow::Result<Vec<Layer>> {
    fs::write(work.join("App.java"), JAVA)?;
    run(Command::new("javac")
        .args(["--release", "17", "-d"])
        .arg(work.join("classes"))
        .arg(work.join("App.java")))?;
    let mut layers = base::layers()?;
    layers.push(Layer::default().tree("", &debian_packages("java", JAVA_PACKAGES)?, base::documentation)?);
    layers.push(Layer::default().tree("app", &work.join("classes"), |_| false)?);
    Ok(layers)
}

/// Node.js is the machine's own: Debian's is too old for the agent.
fn nodejs(work: &Path) -> anyhow::Result<Vec<Layer>> {
    let node =
        Command::new("node").args(["-p", "process.execPath"]).output().context("Node.js is not installed")?;
    let node = String::from_utf8(node.stdout)?;
    fs::write(work.join("server.js"), NODEJS)?;
    let mut layers = base::layers()?;
    layers.push(Layer::default().file("usr/bin/node", Path::new(node.trim()))?);
    layers.push(Layer::default().file("app/server.js", &work.join("server.js"))?);
    Ok(layers)
}

fn python(work: &Path) -> anyhow::Result<Vec<Layer>> {
    let libraries = work.join("libraries");
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "--target"])
        .arg(&libraries)
        .args(PYTHON_LIBRARIES))?;
    fs::write(work.join("app.py"), PYTHON)?;
    let mut layers = base::layers()?;
    layers.push(Layer::default().tree(
        "",
        &debian_packages("python", PYTHON_PACKAGES)?,
        base::documentation,
    )?);
    // Where Python looks by itself: PYTHONPATH is the agent's.
    let home = "usr/local/lib/python3.11/dist-packages";
    layers.push(Layer::default().tree(home, &libraries, |path| path.ends_with("__pycache__"))?);
    layers.push(Layer::default().file("app/app.py", &work.join("app.py"))?);
    Ok(layers)
}

/// With its symbols: the eBPF agent looks for them.
fn go(work: &Path) -> anyhow::Result<Vec<Layer>> {
    run(Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(work.join("server"))
        .arg(".")
        .current_dir(crate::cargo::root().join("testing/applications/go"))
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false"))?;
    Ok(vec![base::shell()?, Layer::default().file("app/server", &work.join("server"))?])
}
