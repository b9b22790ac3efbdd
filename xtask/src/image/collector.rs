//! The Collector, built from its Go modules by its own builder, under the name that is the operator's default.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::{Layer, Recipe, base, recipe::run};

/// The core components that the documentation page uses, and what the tests need to look at.
const MANIFEST: &str = include_str!("../../../testing/node/collector/manifest.yaml");

pub(super) fn recipes() -> Vec<Recipe> {
    let image = collector::Settings::default().image;
    vec![Recipe {
        name: "collector",
        image,
        config: json!({"Entrypoint": ["/otelcol"], "User": "10001:10001"}),
        sources: vec![MANIFEST.to_owned()],
        layers,
    }]
}

fn layers(work: &Path) -> anyhow::Result<Vec<Layer>> {
    let (manifest, output) = (work.join("manifest.yaml"), work.join("build"));
    fs::write(&manifest, MANIFEST.replace("@OUTPUT@", &output.to_string_lossy()))?;
    run(Command::new("go")
        .args(["tool", "builder", "--skip-strict-versioning", "--config"])
        .arg(&manifest)
        .current_dir(crate::cargo::root().join("testing/node/collector"))
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=mod"))?;
    Ok(vec![base::shell()?, Layer::default().file("otelcol", &output.join("otelcol"))?])
}
