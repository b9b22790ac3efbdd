//! The kustomize base and its variant with cert-manager, built by kubectl.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Result, ensure};
use operator::manifest::{self, Certificates, Options};
use serde_json::Value;

use crate::deploy;

/// The objects that `kubectl kustomize` prints for a folder of `deploy/kustomize`.
fn build(folder: &str) -> Result<Vec<Value>> {
    let output = Command::new(testkit::binaries::get()?.kubectl)
        .arg("kustomize")
        .arg(deploy("kustomize").join(folder))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    testkit::documents(&String::from_utf8(output.stdout)?)
}

/// By kind and name, with what the API server would fill in.
fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let named = objects.into_iter().map(|mut object| {
        if let Some(service) = object.pointer_mut("/spec/conversion/webhook/clientConfig/service") {
            service["port"] = 443.into();
        }
        (format!("{} {}", object["kind"], object["metadata"]["name"]), object)
    });
    named.collect()
}

#[test]
fn the_kustomize_base_is_the_manifest() -> Result<()> {
    let (built, wanted) = (by_name(build("base")?), by_name(manifest::all(&Options::default())));
    assert_eq!(built.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (name, object) in built {
        assert!(object == wanted[&name], "{name}:\n{object:#}\nis not\n{:#}", wanted[&name]);
    }
    Ok(())
}

#[test]
fn the_variant_with_cert_manager_is_the_manifest_with_cert_manager() -> Result<()> {
    let options = Options { certificates: Certificates::CertManager, ..Options::default() };
    let (built, wanted) = (by_name(build("cert-manager")?), by_name(manifest::all(&options)));
    assert_eq!(built.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (name, object) in built {
        assert!(object == wanted[&name], "{name}:\n{object:#}\nis not\n{:#}", wanted[&name]);
    }
    Ok(())
}
