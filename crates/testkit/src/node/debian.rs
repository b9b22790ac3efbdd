//! Debian packages, downloaded and unpacked into the cache; nothing is installed on the machine.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::binaries::cache;

/// The folder with the unpacked `packages` (without their dependencies), which is downloaded when the cache does not
/// have it. `name` tells sets of packages apart.
///
/// # Errors
/// When apt-get or dpkg-deb is missing, or a package cannot be downloaded.
pub fn packages(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let cache = cache("debian")?;
    let root = cache.join(name);
    // The list is kept beside it, so that another list is another download.
    let list = cache.join(format!("{name}.packages"));
    let wanted = packages.join("\n");
    let complete = || fs::read_to_string(&list).is_ok_and(|have| have == wanted) && root.is_dir();
    if complete() {
        return Ok(root);
    }
    let lock = File::create(cache.join("lock")).context("cannot make the lock of the package cache")?;
    lock.lock().context("cannot lock the package cache")?;
    if complete() {
        return Ok(root);
    }
    eprintln!("node: downloading {} Debian packages, once …", packages.len());
    let building = cache.join(format!(".building-{name}"));
    let _ = fs::remove_dir_all(&building);
    let archives = building.join("archives");
    fs::create_dir_all(&archives).with_context(|| format!("cannot make {}", archives.display()))?;
    download(&archives, packages)?;
    let unpacked = building.join("root");
    for archive in fs::read_dir(&archives)? {
        let mut unpack = Command::new("dpkg-deb");
        run(unpack.arg("--extract").arg(archive?.path()).arg(&unpacked))?;
    }
    let _ = fs::remove_dir_all(&root);
    fs::rename(&unpacked, &root)
        .with_context(|| format!("cannot move {} to {}", unpacked.display(), root.display()))?;
    fs::write(&list, wanted)?;
    let _ = fs::remove_dir_all(&building);
    Ok(root)
}

fn download(folder: &Path, packages: &[&str]) -> anyhow::Result<()> {
    let attempt = || run(Command::new("apt-get").arg("download").args(packages).current_dir(folder));
    // A machine whose package lists are missing or old knows no such version; with new ones it does.
    attempt().or_else(|_| {
        run(Command::new("apt-get").arg("update"))?;
        attempt()
    })
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {program} (it is part of Debian and Ubuntu)"))?;
    if !output.status.success() {
        bail!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
