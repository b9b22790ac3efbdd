//! The folder that one run of the control plane or the operator keeps its files in, and the removal of what killed
//! runs left behind.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use anyhow::Context;

/// Held for as long as the owner lives; the kernel gives it back however the owner ends.
const LOCK: &str = "lock";
/// One process id a line.
const PROCESSES: &str = "processes";
/// Present when a test failed: the logs are kept for a day.
const KEEP: &str = "keep";
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder that is removed with its owner, or by the next run if the owner was killed.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// Makes a new folder and removes those of owners that are no more.
    pub(crate) fn new(kind: &str) -> anyhow::Result<RunDir> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base = base();
        fs::create_dir_all(&base).with_context(|| format!("cannot make the folder {}", base.display()))?;
        // Between the making of a folder and its locking nobody else may look at it.
        let guard = File::create(base.join(LOCK)).and_then(|f| f.lock().map(|()| f));
        let _guard = guard.with_context(|| format!("cannot lock {}", base.join(LOCK).display()))?;
        sweep(&base);

        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("{kind}-{}-{count}", std::process::id()));
        // A folder of this name can only be one that was kept for its logs, by an owner that had our process id.
        if path.exists() {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove the old folder {}", path.display()))?;
        }
        fs::create_dir(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        let lock = File::create(path.join(LOCK)).and_then(|f| f.lock().map(|()| f));
        let lock = lock.with_context(|| format!("cannot lock {}", path.join(LOCK).display()))?;
        Ok(RunDir { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers a child process, so that the next run can end it should it survive its parent.
    pub(crate) fn record(&self, pid: u32) {
        let file = File::options().create(true).append(true).open(self.path.join(PROCESSES));
        if let Err(error) = file.and_then(|mut f| writeln!(f, "{pid}")) {
            eprintln!("testkit: cannot note process {pid} in {}: {error}", self.path.display());
        }
    }

    /// Keeps the folder for a day after this run.
    pub(crate) fn keep(&self) {
        if let Err(error) = File::create(self.path.join(KEEP)) {
            eprintln!("testkit: cannot mark {} as kept: {error}", self.path.display());
        }
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
        if self.path.join(KEEP).exists() {
            eprintln!("testkit: logs of the failed run are in {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("testkit: cannot remove {}: {error}", self.path.display());
        }
    }
}

/// One folder per user: the temporary folder is shared by all of them.
fn base() -> PathBuf {
    #[expect(unsafe_code, reason = "the user id has no safe interface in std; geteuid cannot fail")]
    let user = unsafe { libc::geteuid() };
    std::env::temp_dir().join(format!("otel-operator-testkit-{user}"))
}

/// Removes what killed runs left behind, now instead of at the next run.
pub(crate) fn sweep_all() {
    let base = base();
    if let Ok(guard) = File::create(base.join(LOCK))
        && guard.lock().is_ok()
    {
        sweep(&base);
    }
}

/// Removes the folders whose owner is gone, and ends processes of theirs that are left. What cannot be removed is
/// reported and left: it does not stop a new run.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for path in entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()) {
        if is_owned(&path) {
            continue;
        }
        for pid in fs::read_to_string(path.join(PROCESSES)).unwrap_or_default().lines() {
            end_leftover(pid, &path);
        }
        let kept = fs::metadata(path.join(KEEP)).and_then(|m| m.modified());
        let still_kept =
            kept.is_ok_and(|t| SystemTime::now().duration_since(t).is_ok_and(|age| age < KEPT_FOR));
        if !still_kept && let Err(error) = fs::remove_dir_all(&path) {
            eprintln!("testkit: cannot remove {}: {error}", path.display());
        }
    }
}

fn is_owned(path: &Path) -> bool {
    File::open(path.join(LOCK)).is_ok_and(|f| matches!(f.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Kills process `pid` if it is one that was started for `run`: each of ours has a path below its folder among its
/// arguments. A process id that was given to somebody else meanwhile is left alone.
fn end_leftover(pid: &str, run: &Path) {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let ours = String::from_utf8_lossy(&command_line).contains(&*run.to_string_lossy());
    if let (true, Ok(pid)) = (ours, pid.parse()) {
        eprintln!("testkit: ending process {pid}, left behind by an earlier run");
        crate::process::signal(pid, libc::SIGKILL);
    }
}
