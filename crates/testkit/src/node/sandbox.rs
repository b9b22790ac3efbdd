//! The namespaces that a node lives in, seen from outside: making them, and leaving nothing behind.
//!
//! `unshare` of util-linux starts one program with a network, mounts and process ids of its own. When that program
//! ends, in whatever way, the kernel ends everything that runs in there: containers, shims, control plane. What is left
//! are files, empty cgroups and a few kernel settings, which [`clean`] puts right, now or at the next start.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use anyhow::{Context, bail};

use super::{cgroup, sysctl};

/// The folder with everything that a node writes.
pub fn state() -> PathBuf {
    std::env::temp_dir().join("otel-operator-node")
}

/// There is one node at a time on a machine; whoever holds this has it.
#[derive(Debug)]
pub struct Sandbox {
    lock: File,
}

impl Sandbox {
    /// Cleans up after an earlier node and prepares for a new one.
    ///
    /// # Errors
    /// When another node is running, or the machine refuses.
    pub fn new() -> anyhow::Result<Sandbox> {
        let path = state().with_extension("lock");
        let lock = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "another node is running on this machine ({} is locked); `cargo xtask node down` ends it",
                path.display()
            );
        }
        clean()?;
        sysctl::save(&saved_settings())?;
        fs::create_dir_all(state()).with_context(|| format!("cannot make {}", state().display()))?;
        cgroup::make()?;
        Ok(Sandbox { lock })
    }

    /// The command that runs `program` in new namespaces. The sandbox ends with it, and it ends when `unshare` is killed.
    ///
    /// # Errors
    /// When the lock cannot be handed on.
    pub fn command(&self, program: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new("unshare");
        // The program holds the lock for as long as it lives, by having it as its standard input.
        command.stdin(self.lock.try_clone().context("the lock of the node")?);
        command
            .args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "--"])
            .arg(program);
        Ok(command)
    }

    /// Runs such a command to its end. The kernel kills it when this process is killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, command: Command) -> anyhow::Result<ExitStatus> {
        let mut child = crate::process::spawn(command).context("cannot start unshare (util-linux)")?;
        child.wait().context("cannot wait for the sandbox")
    }
}

/// Whether somebody holds the sandbox.
pub fn is_taken() -> bool {
    File::open(state().with_extension("lock")).is_ok_and(|lock| lock.try_lock().is_err())
}

/// Removes what a node leaves when its processes have ended.
///
/// # Errors
/// When something cannot be removed or restored.
pub fn clean() -> anyhow::Result<()> {
    cgroup::remove()?;
    if state().exists() {
        fs::remove_dir_all(state()).with_context(|| format!("cannot remove {}", state().display()))?;
    }
    sysctl::restore(&saved_settings())?;
    crate::run_dir::sweep_all();
    Ok(())
}

/// What of a node is still on this machine, for tests that look.
pub fn remains() -> Vec<String> {
    let mut remains = Vec::new();
    remains.extend(cgroup::exist().map(|path| format!("cgroup {}", path.display())));
    if state().exists() {
        remains.push(format!("folder {}", state().display()));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let own = state().to_string_lossy().into_owned();
    remains.extend(mounts.lines().filter(|line| line.contains(&own)).map(|line| format!("mount {line}")));
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let command_line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command_line).contains(&own) {
            remains.push(format!("process {}", entry.file_name().to_string_lossy()));
        }
    }
    if saved_settings().exists() {
        remains.push("kernel settings".to_owned());
    }
    remains
}

fn saved_settings() -> PathBuf {
    state().with_extension("sysctl")
}
