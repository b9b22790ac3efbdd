//! Custom resource definitions of others that an operator may find in a cluster.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};

/// Module and files below it.
const FILES: [(&str, &[&str]); 2] = [
    (
        "github.com/prometheus-operator/prometheus-operator",
        &[
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        ],
    ),
    ("sigs.k8s.io/gateway-api", &["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"]),
];

/// The definitions of ServiceMonitor, PodMonitor and HTTPRoute, each as YAML, from the Go modules that
/// `testing/custom-resource-definitions` pins. Blocks: the first time they are downloaded.
///
/// # Errors
/// When Go cannot provide a module, or a file is not where it was.
pub fn custom_resource_definitions() -> anyhow::Result<Vec<String>> {
    let mut texts = Vec::new();
    for (module, files) in FILES {
        let folder = folder(module)?;
        for file in files {
            let path = Path::new(&folder).join(file);
            let text = fs::read_to_string(&path);
            texts.push(text.with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    Ok(texts)
}

/// Where Go keeps the module.
fn folder(module: &str) -> anyhow::Result<String> {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/custom-resource-definitions");
    let output = Command::new("go")
        .args(["mod", "download", "-json", module])
        .current_dir(pinned)
        .output()
        .context("cannot start go")?;
    if !output.status.success() {
        bail!("go mod download {module}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let folder = answer["Dir"].as_str().with_context(|| format!("go names no folder for {module}"))?;
    Ok(folder.to_owned())
}
