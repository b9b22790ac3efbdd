//! Building a command out of a pinned Go module, once.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// How often a build that takes long says that it is still alive.
const PROGRESS: Duration = Duration::from_secs(15);

/// A folder with `go.mod` and `go.sum` that pin one module and everything below it.
pub(crate) struct GoModule {
    folder: PathBuf,
    package: String,
    /// Begins the lines that tell of a build's progress.
    label: &'static str,
    /// Build tags, comma-separated.
    tags: &'static str,
    /// Version of the module, for example `v1.37.2`.
    version: String,
    /// The oldest Go that may build it, for example `1.26.0`.
    go: String,
    /// Hash of both files; names the folder of the cache.
    hash: String,
}

impl GoModule {
    /// Reads the module in `folder` that pins `package`.
    pub(crate) fn new(folder: &Path, package: &str) -> anyhow::Result<GoModule> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
        let value = |key: &str| {
            let lines = go_mod.lines().map(str::trim);
            let words = lines.map(|l| l.strip_prefix("require ").unwrap_or(l));
            let value = words.filter_map(|l| l.strip_prefix(key)?.strip_prefix(' ')).next();
            let word = value.and_then(|v| v.split(' ').next()).map(str::to_owned);
            word.with_context(|| format!("{}/go.mod has no line `{key} …`", folder.display()))
        };
        Ok(GoModule {
            folder: folder.to_owned(),
            package: package.to_owned(),
            label: "control plane",
            tags: "",
            version: value(package)?,
            go: value("go")?,
            hash: format!("{:016x}", fnv1a(&[go_mod.as_bytes(), go_sum.as_bytes()])),
        })
    }

    /// The same, with another word at the beginning of progress lines and with build tags.
    pub(crate) fn of(self, label: &'static str, tags: &'static str) -> GoModule {
        GoModule { label, tags, ..self }
    }

    /// The module's path, which is also that of its root package.
    pub(crate) fn package(&self) -> &str {
        &self.package
    }

    /// The path of the binary `name` in `cache`, built from `package` unless it is there already.
    pub(crate) fn binary(&self, cache: &Path, name: &str, package: &str) -> anyhow::Result<PathBuf> {
        let folder = cache.join(&self.hash);
        let binary = folder.join(name);
        if binary.is_file() {
            return Ok(binary);
        }
        let _lock = lock(&cache.join("lock"))?;
        // Somebody else may have built it while this process waited.
        if binary.is_file() {
            return Ok(binary);
        }
        self.check_toolchain(name)?;
        let building = cache.join(format!(".building-{}", self.hash));
        fs::create_dir_all(&building)
            .with_context(|| format!("cannot make the folder {}", building.display()))?;
        self.build(name, package, &building.join(name))?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        // Renamed when complete: a binary in the cache is never half of one.
        fs::rename(building.join(name), &binary)
            .with_context(|| format!("cannot move {name} to {}", binary.display()))?;
        // Only tidiness: what is left is overwritten by the next build.
        let _ = fs::remove_dir_all(&building);
        Ok(binary)
    }

    /// One sentence with both ways out when Go is missing or too old.
    fn check_toolchain(&self, name: &str) -> anyhow::Result<()> {
        let ways_out = format!(
            "install Go {} or newer (https://go.dev/dl), or set {} to a folder that contains {name}",
            self.go,
            crate::binaries::ASSETS_VARIABLE
        );
        let Ok(output) = self.command().args(["env", "GOVERSION"]).output() else {
            bail!("{name} must be built and there is no Go toolchain on the PATH: {ways_out}");
        };
        let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || found.is_empty() {
            let error = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
            bail!("{name} must be built and the Go toolchain on the PATH cannot do it ({error}): {ways_out}");
        }
        if version_numbers(&found) < version_numbers(&self.go) {
            bail!("{name} must be built and the Go toolchain on the PATH is too old ({found}): {ways_out}");
        }
        Ok(())
    }

    /// `go`, in the module's folder and shielded from settings that change what is built. A toolchain that is older
    /// than go.mod asks for fetches the right one itself, unless the user's GOTOOLCHAIN forbids it.
    fn command(&self) -> Command {
        let mut command = Command::new("go");
        command.current_dir(&self.folder).env("GOWORK", "off").env("CGO_ENABLED", "0").stdin(Stdio::null());
        for cross in ["GOOS", "GOARCH", "GOEXPERIMENT"] {
            command.env_remove(cross);
        }
        command
    }

    fn build(&self, name: &str, package: &str, output: &Path) -> anyhow::Result<()> {
        let start = Instant::now();
        eprintln!("{}: building {name} {} from its Go module, once …", self.label, self.version);
        let mut child = self
            .command()
            .args([
                "build",
                "-mod=readonly",
                "-trimpath",
                "-tags",
                self.tags,
                "-ldflags",
                &self.linker_flags(),
                "-o",
            ])
            .arg(output)
            .arg(package)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start go")?;
        let stderr = child.stderr.take().context("go has no stderr")?;
        let said = watch(self.label, name, start, stderr);
        let status = child.wait().context("cannot wait for go")?;
        if !status.success() {
            bail!("go build {package} in {} ended with {status}:\n{said}", self.folder.display());
        }
        report(self.label, name, start, "done", true);
        Ok(())
    }

    /// Without a version the API server reports a placeholder, which clients that parse it do not like.
    fn linker_flags(&self) -> String {
        let mut flags = "-s -w".to_owned();
        if self.package == "k8s.io/kubernetes" {
            let numbers = version_numbers(&self.version);
            let number = |i: usize| numbers.get(i).copied().unwrap_or_default();
            let version = "k8s.io/component-base/version";
            flags += &format!(" -X {version}.gitVersion={}", self.version);
            flags += &format!(" -X {version}.gitMajor={} -X {version}.gitMinor={}", number(0), number(1));
        }
        flags
    }
}

/// Reads what go says until it ends, telling the user from time to time how long it takes and what happens. Returns
/// the last lines.
fn watch(label: &str, name: &str, start: Instant, stderr: impl Read + Send + 'static) -> String {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut said: Vec<String> = Vec::new();
    let mut next = Instant::now() + PROGRESS;
    loop {
        match lines.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let doing = said.last().filter(|l| l.starts_with("go: downloading"));
                report(
                    label,
                    name,
                    start,
                    doing.map_or("compiling", |l| l.trim_start_matches("go: ")),
                    false,
                );
                next = Instant::now() + PROGRESS;
            }
        }
    }
    said[said.len().saturating_sub(40)..].join("\n")
}

/// One line that a terminal overwrites with the next.
fn report(label: &str, name: &str, start: Instant, doing: &str, last: bool) {
    let seconds = start.elapsed().as_secs();
    let text = format!("{label}: {name}: {}m{:02}s {doing}", seconds / 60, seconds % 60);
    let mut stderr = std::io::stderr().lock();
    let ended = if stderr.is_terminal() && !last { '\r' } else { '\n' };
    let clear = if stderr.is_terminal() { "\x1b[2K" } else { "" };
    // Progress that cannot be shown is no reason to stop.
    let _ = write!(stderr, "{clear}{text}{ended}");
}

/// Waits for the lock that one build at a time holds.
fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("control plane: waiting for another process that is building it ({}) …", path.display());
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

/// `go1.26.8`, `v1.37.2`, `1.26.0` → their numbers.
fn version_numbers(version: &str) -> Vec<u32> {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    digits[..end].split('.').filter_map(|n| n.parse().ok()).collect()
}

/// Fowler–Noll–Vo 1a, 64 bits: names a cache folder, for which any stable hash will do.
fn fnv1a(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().copied().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version_numbers("go1.26.8"), [1, 26, 8]);
        assert_eq!(version_numbers("go1.27rc1"), [1, 27]);
        assert!(version_numbers("go1.9.7") < version_numbers("1.26.0"));
        assert!(version_numbers("go1.26.8") >= version_numbers("1.26.0"));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(&[b""]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(&[b"foo", b"bar"]), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_module_that_pins_something_else_is_an_error_that_names_the_missing_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("go.mod"), "module m\n\ngo 1.26.0\n").unwrap();
        fs::write(folder.path().join("go.sum"), "").unwrap();
        let error = GoModule::new(folder.path(), "k8s.io/kubernetes").err().unwrap().to_string();
        assert!(error.ends_with("go.mod has no line `k8s.io/kubernetes …`"), "{error}");
    }
}
