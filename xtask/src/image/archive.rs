//! An image as an OCI archive: what `ctr images import`, `podman load` and `skopeo copy oci-archive:` read, made
//! without a container engine. <https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::layer::{Layer, hex};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image for linux/amd64.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    /// With a host and a tag, for example `ghcr.io/example/operator:1.0`.
    pub(crate) name: String,
    /// Lowest first.
    pub(crate) layers: Vec<Layer>,
    /// The fields of the OCI config object: `Entrypoint`, `Cmd`, `Env`, `User`, `WorkingDir`, `Labels`, `ExposedPorts`.
    pub(crate) config: Value,
}

impl Image {
    /// Writes the archive to `path` and returns the digest of the manifest, `sha256:…`, by which the image is known.
    ///
    /// # Errors
    /// When a file cannot be read or the archive cannot be written.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<String> {
        let work = path.with_extension("layers");
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        // Under another name until it is complete: what is there is never half of one.
        let building = path.with_extension("building");
        let digest = self.write_parts(&building, &work);
        fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
        fs::rename(&building, path).with_context(|| format!("cannot write {}", path.display()))?;
        digest
    }

    fn write_parts(&self, path: &Path, work: &Path) -> anyhow::Result<String> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut archive = Builder::new(std::io::BufWriter::new(file));
        append(&mut archive, "oci-layout", &serde_json::to_vec(&json!({"imageLayoutVersion": "1.0.0"}))?)?;

        let (mut layers, mut files): (Vec<Value>, Vec<(String, PathBuf)>) = (Vec::new(), Vec::new());
        for (index, layer) in self.layers.iter().enumerate() {
            let file = work.join(index.to_string());
            let (digest, size) = layer.write(&file)?;
            layers.push(json!({"mediaType": LAYER, "digest": format!("sha256:{digest}"), "size": size}));
            if !files.iter().any(|(known, _)| *known == digest) {
                files.push((digest, file));
            }
        }
        let config = serde_json::to_vec(&json!({
            "architecture": "amd64",
            "os": "linux",
            "config": self.config,
            "rootfs": {
                "type": "layers",
                "diff_ids": layers.iter().map(|layer| layer["digest"].clone()).collect::<Vec<_>>(),
            },
        }))?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": layers,
        }))?;
        let mut index = descriptor(MANIFEST, &manifest);
        let tag = self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        index["annotations"] =
            json!({"io.containerd.image.name": self.name, "org.opencontainers.image.ref.name": tag});
        index["platform"] = json!({"architecture": "amd64", "os": "linux"});
        append(
            &mut archive,
            "index.json",
            &serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": [index]}))?,
        )?;
        for blob in [&config, &manifest] {
            append(&mut archive, &format!("blobs/sha256/{}", sha256(blob)), blob)?;
        }
        for (digest, file) in files {
            let mut layer = File::open(&file)?;
            let mut header = header(layer.metadata()?.len());
            archive.append_data(&mut header, format!("blobs/sha256/{digest}"), &mut layer)?;
        }
        archive.into_inner()?.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        Ok(format!("sha256:{}", sha256(&manifest)))
    }
}

fn append(archive: &mut Builder<impl std::io::Write>, name: &str, content: &[u8]) -> anyhow::Result<()> {
    Ok(archive.append_data(&mut header(content.len() as u64), name, content)?)
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(0);
    header
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", sha256(content)), "size": content.len()})
}

fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(folder: &Path) -> Image {
        fs::create_dir_all(folder.join("tree/bin")).unwrap();
        fs::write(folder.join("tree/bin/program"), "#!/bin/sh").unwrap();
        Image {
            name: "registry.example/hello:1".to_owned(),
            layers: vec![
                Layer::default().text("etc/hello", "world").folder("tmp", 0o1777).link("bin/sh", "program"),
                Layer::default().tree("usr", &folder.join("tree"), |_| false).unwrap(),
            ],
            config: json!({"Entrypoint": ["/usr/bin/program"], "User": "65532:65532"}),
        }
    }

    #[test]
    fn the_same_files_are_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1.tar"), folder.path().join("2.tar"));
        let digest = image(folder.path()).write(&one).unwrap();
        // Another time of change and other permissions of the group are nothing that an image says.
        fs::write(folder.path().join("tree/bin/program"), "#!/bin/sh").unwrap();
        assert_eq!(image(folder.path()).write(&two).unwrap(), digest);
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    }

    #[test]
    fn every_blob_has_the_digest_that_it_is_named_by() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        let digest = image(folder.path()).write(&path).unwrap();
        let mut names = Vec::new();
        for entry in tar::Archive::new(File::open(&path).unwrap()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            if let Some(hash) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(sha256(&content), hash);
            }
            names.push(name);
        }
        assert!(names.contains(&format!("blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap())));
        assert_eq!(names.len(), 2 + 2 + 2, "layout and index, config and manifest, two layers: {names:?}");
    }
}
