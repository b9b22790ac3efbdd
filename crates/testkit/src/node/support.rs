//! Can this machine run a node?

use std::{fs, path::Path, process::Command};

/// Why this machine cannot run a node, in one sentence; none when it can.
pub fn unsupported() -> Option<String> {
    let refused = |reason: &str| Some(format!("no node can run here: {reason}"));
    if !cfg!(target_os = "linux") {
        return refused("it needs Linux");
    }
    #[expect(unsafe_code, reason = "the user id has no safe interface in std; geteuid cannot fail")]
    if unsafe { libc::geteuid() } != 0 {
        return refused("it needs root, for namespaces, mounts and cgroups");
    }
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return refused(
            "the machine uses cgroup v2, and this node is set up for the hierarchies of cgroup v1",
        );
    }
    let missing = super::cgroup::HIERARCHIES.iter().find(|h| !Path::new("/sys/fs/cgroup").join(h).is_dir());
    if let Some(hierarchy) = missing {
        return refused(&format!("the cgroup v1 hierarchy {hierarchy} is not mounted"));
    }
    if !fs::read_to_string("/proc/filesystems").is_ok_and(|list| list.contains("\toverlay\n")) {
        return refused("the kernel has no overlay file system");
    }
    for (program, package) in [
        ("ip", "iproute2"),
        ("unshare", "util-linux"),
        ("apt-get", "apt"),
        ("dpkg-deb", "dpkg"),
        ("go", "Go"),
    ] {
        if Command::new(program).arg("--help").output().is_err() {
            return refused(&format!("the program {program} ({package}) is missing"));
        }
    }
    None
}
