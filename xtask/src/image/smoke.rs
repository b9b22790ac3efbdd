//! Running what is in the archive, in a root that holds nothing else.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// A number that no user of this machine has.
const USER: u32 = 65532;
const READY: Duration = Duration::from_secs(30);

/// Nobody answers there: the process has to start, and to say that it lives, without a cluster.
const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: none, user: {token: none}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
";

/// Unpacks the archive and runs its program as the user of the image: `--version`, then as a process that answers.
pub(super) async fn run(archive: &Path) -> anyhow::Result<()> {
    if fs::metadata("/proc/self").map(|process| process.uid()).unwrap_or(1) != 0 {
        println!("smoke test: SKIPPED, changing the root folder needs root; run it as root");
        return Ok(());
    }
    let folder = Folder(archive.with_extension("root"));
    unpack(archive, &folder.0)?;
    let version = inside(&folder.0, &["--version"]).output().context("cannot start chroot")?;
    let said = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    ensure!(version.status.success(), "--version: {}", String::from_utf8_lossy(&version.stderr));
    ensure!(said.ends_with(env!("CARGO_PKG_VERSION")), "--version said {said:?}");
    println!("smoke test: --version: {said}");

    let state = folder.0.join("state");
    fs::create_dir(&state)?;
    fs::write(state.join("kubeconfig"), KUBECONFIG)?;
    chown(&state, Some(USER), Some(USER))?;
    let health = testkit::free_port()?;
    let arguments = [
        "--kubeconfig=/state/kubeconfig".to_owned(),
        "--state-dir=/state".to_owned(),
        "--metrics-addr=0".to_owned(),
        format!("--webhook-port={}", testkit::free_port()?),
        format!("--health-probe-addr=127.0.0.1:{health}"),
    ];
    // No subcommand: what a Deployment of the reference passes.
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let log = File::create(folder.0.join("log"))?;
    let begun = Instant::now();
    let mut process = Process(inside(&folder.0, &arguments).stdout(log.try_clone()?).stderr(log).spawn()?);
    let answered = testkit::wait_for("an answer to /healthz", READY, async || {
        if let Some(status) = process.0.try_wait()? {
            return Ok(Some(Err(status)));
        }
        let (status, _) = testkit::get(health, "/healthz").await?;
        Ok((status == 200).then_some(Ok(())))
    })
    .await;
    let log = || fs::read_to_string(folder.0.join("log")).unwrap_or_default();
    match answered {
        Ok(Ok(())) => {
            println!("smoke test: /healthz answered 200 after {:.1} s", begun.elapsed().as_secs_f32());
            Ok(())
        }
        Ok(Err(status)) => bail!("the process ended with {status}:\n{}", log()),
        Err(error) => Err(error.context(log())),
    }
}

/// The image's program in `root`, as the image's user.
fn inside(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("chroot");
    command.arg(format!("--userspec={USER}:{USER}")).arg(root).arg("/manager").args(arguments);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    command
}

/// The files of all layers, in order.
fn unpack(archive: &Path, root: &Path) -> anyhow::Result<()> {
    let blob = |name: &str| -> anyhow::Result<Vec<u8>> {
        let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
        for entry in tar::Archive::new(file).entries()? {
            let mut entry = entry?;
            if entry.path()?.as_ref() == Path::new(name) {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                return Ok(content);
            }
        }
        bail!("{} has no {name}", archive.display())
    };
    let by_digest = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        blob(&format!("blobs/{}", digest.replace(':', "/")))
    };
    let index: Value = serde_json::from_slice(&blob("index.json")?)?;
    let manifest: Value = serde_json::from_slice(&by_digest(&index["manifests"][0])?)?;
    let config: Value = serde_json::from_slice(&by_digest(&manifest["config"])?)?;
    ensure!(
        config["config"]["User"] == format!("{USER}:{USER}"),
        "the image's user is {}",
        config["config"]["User"]
    );
    ensure!(
        config["config"]["Entrypoint"][0] == "/manager",
        "the entry point is {}",
        config["config"]["Entrypoint"]
    );
    fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))?;
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        tar::Archive::new(by_digest(layer)?.as_slice()).unpack(root)?;
    }
    Ok(())
}

/// A folder that goes with its user.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that goes with its user.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
