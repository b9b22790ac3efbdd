//! How an image comes about, and the cache that remembers what has.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Image, Layer, layer::hex};

/// One image and how to make it.
pub(crate) struct Recipe {
    /// For people: `agent-java`.
    pub(crate) name: &'static str,
    /// The name by which pods ask for it, with host and tag.
    pub(crate) image: String,
    /// The OCI config object.
    pub(crate) config: Value,
    /// The texts that it is made from: another text is another image, and another file in the cache.
    pub(crate) sources: Vec<String>,
    /// Makes the layers, in an empty folder that is removed afterwards.
    pub(crate) layers: fn(&Path) -> anyhow::Result<Vec<Layer>>,
}

impl Recipe {
    /// The archive, built unless the cache has it.
    ///
    /// # Errors
    /// When a package cannot be had or a program does not build.
    pub(crate) fn archive(&self) -> anyhow::Result<PathBuf> {
        let cache = testkit::binaries::cache("images")?;
        let archive = cache.join(format!("{}-{}.tar", self.name, self.key()));
        if archive.is_file() {
            return Ok(archive);
        }
        let lock = File::create(cache.join("lock")).context("cannot make the lock of the image cache")?;
        lock.lock().context("cannot lock the image cache")?;
        if archive.is_file() {
            return Ok(archive);
        }
        let begun = Instant::now();
        eprintln!("images: building {}, once …", self.name);
        let work = cache.join(format!(".building-{}", self.name));
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let layers = (self.layers)(&work).with_context(|| format!("image {}", self.name))?;
        let image = Image { name: self.image.clone(), layers, config: self.config.clone() };
        image.write(&archive)?;
        fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
        self.forget_older(&cache, &archive);
        eprintln!("images: {}: done after {:.0} s", self.name, begun.elapsed().as_secs_f32());
        Ok(archive)
    }

    fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.image.as_bytes());
        hash.update(self.config.to_string().as_bytes());
        for source in &self.sources {
            hash.update(source.len().to_le_bytes());
            hash.update(source.as_bytes());
        }
        hex(&hash.finalize()[..8])
    }

    /// Archives of the same name with another key: a few hundred megabytes that nobody asks for again.
    fn forget_older(&self, cache: &Path, newest: &Path) {
        for path in fs::read_dir(cache).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let ours =
                stem.strip_prefix(self.name).is_some_and(|rest| rest.len() == 17 && rest.starts_with('-'));
            if ours && path != newest {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Runs a command of a recipe.
///
/// # Errors
/// With what it wrote to stderr when it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}; is it installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    Ok(())
}

/// Downloads `url` to `path`.
///
/// # Errors
/// When there is no answer or it is not a success.
pub(crate) fn download(url: &str, path: &Path) -> anyhow::Result<()> {
    run(Command::new("curl")
        .args(["--fail", "--silent", "--show-error", "--location", "--retry", "3", "--output"])
        .arg(path)
        .arg(url))
}
