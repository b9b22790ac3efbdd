//! The operator's image for the end-to-end tests: the binary that the other tests use, on the libraries that it needs.
//! What is released is one static program (`cargo xtask image`); building that takes minutes longer after each change.

use std::{path::PathBuf, process::Command};

use anyhow::Context;
use serde_json::json;

use crate::{
    cargo::target_directory,
    image::{Image, Layer, base},
};

/// The name that `deploy/install.yaml` asks for.
const NAME: &str = concat!(
    "ghcr.io/open-telemetry/opentelemetry-operator/opentelemetry-operator:",
    env!("CARGO_PKG_VERSION")
);

/// Builds the operator where it is not built, and writes its image; returns the archive.
pub(super) fn operator() -> anyhow::Result<PathBuf> {
    let binary = testkit::operator_binary()?;
    let target = target_directory()?;
    std::fs::create_dir_all(&target).with_context(|| target.display().to_string())?;
    let archive = target.join("operator-for-e2e.tar");
    let stripped = target.join("operator-for-e2e");
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(&binary).status();
    // Only smaller: without binutils the image holds the debug information as well.
    let program = if strip.is_ok_and(|status| status.success()) { stripped } else { binary };
    let mut layers = base::layers()?;
    layers.push(Layer::default().file("manager", &program)?.link("otel-operator", "manager"));
    let image = Image {
        name: NAME.to_owned(),
        layers,
        config: json!({"User": base::NOBODY, "Entrypoint": ["/manager"], "Env": ["PATH=/bin"]}),
    };
    image.write(&archive)?;
    Ok(archive)
}
