//! A control plane as a process of its own: prints one line `<log folder> <process ids>` when it is up, and stops
//! when its standard input ends. The tests kill it to see what stays behind.

use std::io::Read;

use anyhow::Context;
use testkit::ControlPlane;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let control_plane = ControlPlane::start().await?;
    let pids: Vec<_> = control_plane.pids().iter().map(u32::to_string).collect();
    println!("{} {}", control_plane.log_dir().display(), pids.join(","));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
        .await?
        .context("reading stdin")?;
    Ok(())
}
