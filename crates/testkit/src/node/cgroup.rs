//! The cgroups below which the kubelet puts every pod of this node.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// The cgroup v1 hierarchies that the kubelet and runc use.
pub(crate) const HIERARCHIES: &[&str] =
    &["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"];
/// The name of the cgroup in each of them.
pub(crate) const NAME: &str = "otel-operator-node";
/// The kernel takes a moment to let go of the processes that it killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes them.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn make() -> anyhow::Result<()> {
    for path in HIERARCHIES.iter().map(|h| Path::new("/sys/fs/cgroup").join(h).join(NAME)) {
        fs::create_dir_all(&path).with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        // A cpuset without processors and memory holds no process.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let parent = path.parent().map(|p| p.join(file)).unwrap_or_default();
            if let Ok(all) = fs::read_to_string(parent) {
                fs::write(path.join(file), all.trim())
                    .with_context(|| format!("{file} of {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Removes them all, when what ran in there has ended.
///
/// # Errors
/// When a process is left in one of them.
pub(crate) fn remove() -> anyhow::Result<()> {
    let start = Instant::now();
    while let Some(path) = paths().find(|path| path.exists() && !remove_tree(path)) {
        if start.elapsed() > PATIENCE {
            bail!("the cgroup {} cannot be removed: {:?} still run in it", path.display(), processes(&path));
        }
        for pid in processes(&path) {
            crate::process::signal(pid, libc::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether any is left.
pub(crate) fn exist() -> Option<PathBuf> {
    paths().find(|path| path.exists())
}

fn paths() -> impl Iterator<Item = PathBuf> {
    // The last is where a machine with both versions has version 2; the kubelet makes its folder there as well.
    HIERARCHIES.iter().chain(&["unified"]).map(|h| Path::new("/sys/fs/cgroup").join(h).join(NAME))
}

/// Children first; a cgroup goes by `rmdir` although there are files in it.
fn remove_tree(path: &Path) -> bool {
    for child in children(path) {
        remove_tree(&child);
    }
    fs::remove_dir(path).is_ok()
}

fn processes(path: &Path) -> Vec<u32> {
    let own = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<u32> = own.lines().filter_map(|line| line.parse().ok()).collect();
    for child in children(path) {
        pids.extend(processes(&child));
    }
    pids
}

fn children(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
