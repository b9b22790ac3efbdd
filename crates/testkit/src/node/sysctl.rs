//! Kernel settings that a kubelet changes for the whole machine.

use std::{fs, path::Path};

use anyhow::Context;

const CHANGED: &[&str] = &[
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Notes them in `file`, unless an earlier run has: then what is set now is not the machine's own.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn save(file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        return Ok(());
    }
    let lines = CHANGED.iter().filter_map(|name| {
        let value = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
        Some(format!("{name}={}\n", value.trim()))
    });
    fs::write(file, lines.collect::<String>()).with_context(|| format!("cannot write {}", file.display()))
}

/// Sets them as they were, and forgets them.
///
/// # Errors
/// When one cannot be written.
pub(crate) fn restore(file: &Path) -> anyhow::Result<()> {
    let Ok(saved) = fs::read_to_string(file) else { return Ok(()) };
    for (name, value) in saved.lines().filter_map(|line| line.split_once('=')) {
        let path = Path::new("/proc/sys").join(name);
        if fs::read_to_string(&path).is_ok_and(|now| now.trim() != value) {
            fs::write(&path, value).with_context(|| format!("cannot restore {name} = {value}"))?;
        }
    }
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
}
