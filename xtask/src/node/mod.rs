//! `cargo xtask node`: a real one-node cluster on this machine.

mod serve;

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Subcommand;
use testkit::node::{self, sandbox};

/// Image archives have to be unpacked, and other builds may run on the same machine.
const START: Duration = Duration::from_secs(600);

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Start it in the background; the first time, its programs and images are built or downloaded
    Up,
    /// Stop it and leave nothing behind, also after it was killed
    Down,
    /// Say whether it runs, and how to look around
    Status,
    /// What `up` runs inside the sandbox
    #[command(hide = true)]
    Serve,
}

pub(crate) async fn run(action: &Action) -> anyhow::Result<ExitCode> {
    if let Some(reason) = node::unsupported() {
        bail!(reason);
    }
    match action {
        Action::Up => up().await?,
        Action::Down => down()?,
        Action::Status => {
            let Some(pid) = running() else {
                println!("no node is running");
                return Ok(ExitCode::FAILURE);
            };
            look_around(pid)?;
        }
        Action::Serve => serve::serve().await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn up() -> anyhow::Result<()> {
    tokio::task::spawn_blocking(testkit::binaries::get).await??;
    tokio::task::spawn_blocking(node::binaries).await??;
    tokio::task::spawn_blocking(crate::image::archives).await??;
    let sandbox = sandbox::Sandbox::new()?;
    let log = sandbox::state().join("node.log");
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = sandbox.command(&std::env::current_exe()?)?;
    command.args(["node", "serve"]).stderr(output.try_clone()?).stdout(output);
    // It goes on when the terminal is closed.
    let mut child = command.process_group(0).spawn().context("cannot start unshare (util-linux)")?;
    fs::write(pid_file(), child.id().to_string())?;
    drop(sandbox);
    let begun = Instant::now();
    while !ready_file().exists() {
        if let Some(status) = child.try_wait()? {
            let said = fs::read_to_string(&log).unwrap_or_default();
            sandbox::clean()?;
            bail!("the node ended with {status}:\n{said}");
        }
        if begun.elapsed() > START {
            child.kill()?;
            bail!(
                "the node did not get ready within {} s; its logs are in {}",
                START.as_secs(),
                sandbox::state().display()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("node: up after {:.0} s", begun.elapsed().as_secs_f32());
    look_around(child.id())
}

/// Kills the sandbox, and with it everything in there, and removes what is left.
fn down() -> anyhow::Result<()> {
    if let Some(pid) = running() {
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().context("cannot start kill")?;
    }
    // The lock is given back when the last process is gone.
    let begun = Instant::now();
    while sandbox::is_taken() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(50));
    }
    sandbox::clean()?;
    match sandbox::remains() {
        remains if remains.is_empty() => {
            eprintln!("node: gone, nothing is left");
            Ok(())
        }
        remains => bail!("left behind: {}", remains.join(", ")),
    }
}

fn pid_file() -> PathBuf {
    sandbox::state().join("pid")
}

/// Written by `serve` when pods can run: the kubeconfig's path.
pub(crate) fn ready_file() -> PathBuf {
    sandbox::state().join("ready")
}

/// The process id of `unshare`.
fn running() -> Option<u32> {
    let pid = fs::read_to_string(pid_file()).ok()?.parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    command_line.starts_with(b"unshare").then_some(pid)
}

fn look_around(pid: u32) -> anyhow::Result<()> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let inside = children.split_whitespace().next().context("the node has just ended")?;
    let kubeconfig = fs::read_to_string(ready_file()).context("the node is not ready yet")?;
    let kubectl = testkit::binaries::get()?.kubectl;
    println!("logs:         {}", sandbox::state().display());
    println!("look around:  nsenter --target {inside} --net --mount --pid \\");
    println!("                {} --kubeconfig {kubeconfig} get pods --all-namespaces", kubectl.display());
    println!("stop:         cargo xtask node down");
    Ok(())
}
