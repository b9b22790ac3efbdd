//! `cargo xtask e2e`: the operator as a pod, real applications, real agents, a real Collector, on a real node.
//!
//! One process outside prepares programs and images; it starts itself again inside the sandbox
//! ([`testkit::node::sandbox`]), where the node runs and the scenarios with it. When that process ends, nothing is left.

mod image;
mod scenario;
mod telemetry;
mod world;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use testkit::{
    Options as ControlPlaneOptions,
    node::{self, Node, sandbox},
};
use world::World;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only scenarios whose name contains one of these
    names: Vec<String>,
    /// The operator's image as it is released, made by `cargo xtask image operator`; without, one with the program that the other
    /// tests use
    #[arg(long, value_name = "FILE")]
    operator_image: Option<PathBuf>,
    /// What runs inside the sandbox
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.inside {
        Some(operator) => inside(options, operator.clone()).await,
        None => outside(options).await,
    }
}

/// Why there can be no end-to-end tests on this machine; none when there can.
pub(crate) fn unsupported() -> Option<String> {
    node::unsupported().or_else(|| {
        let programs = ["javac", "node", "npm", "python3", "curl"];
        let missing =
            programs.into_iter().find(|program| Command::new(program).arg("--version").output().is_err())?;
        Some(format!("no applications and agents can be made here: the program {missing} is missing"))
    })
}

async fn outside(options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(reason) = unsupported() {
        bail!(reason);
    }
    let released = options.operator_image.clone();
    let operator = tokio::task::spawn_blocking(move || -> anyhow::Result<PathBuf> {
        testkit::binaries::get()?;
        node::binaries()?;
        crate::image::archives()?;
        released.map_or_else(image::operator, |path| {
            path.canonicalize().with_context(|| path.display().to_string())
        })
    })
    .await??;
    let sandbox = sandbox::Sandbox::new()?;
    let mut command = sandbox.command(&std::env::current_exe()?)?;
    command.arg("e2e").arg("--inside").arg(&operator).args(&options.names);
    let status = tokio::task::spawn_blocking(move || sandbox.run(command)).await??;
    sandbox::clean()?;
    let remains = sandbox::remains();
    if !remains.is_empty() {
        println!("test nothing is left behind ... FAILED");
        bail!("left behind: {}", remains.join(", "));
    }
    println!("nothing is left behind");
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn inside(options: &Options, operator: PathBuf) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let mut archives = tokio::task::spawn_blocking(crate::image::archives).await??;
    archives.push(operator);
    let node = Node::start(crate::image::PAUSE, &archives, ControlPlaneOptions::default()).await?;
    println!("node: ready after {:.0} s", begun.elapsed().as_secs_f32());
    let world = World::new(&node).await?;
    world.install_operator().await?;
    println!("operator: ready after {:.0} s", begun.elapsed().as_secs_f32());

    let (mut passed, mut failed) = (0_u32, 0_u32);
    for (name, scenario) in scenario::ALL {
        if !options.names.is_empty() && !options.names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let (begun, cpu) = (Instant::now(), world::cpu_seconds());
        let result = match tokio::time::timeout(LIMIT, scenario(&world)).await {
            Ok(result) => result,
            Err(_) => Err(anyhow::anyhow!("did not end within {} s", LIMIT.as_secs())),
        };
        let took = format!("{:.1} s, {:.1} CPU s", begun.elapsed().as_secs_f32(), world::cpu_seconds() - cpu);
        match result {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok ({took})");
            }
            Err(error) => {
                failed += 1;
                println!("test {name} ... FAILED");
                println!("{name} ({took}): {error:#}");
                world.evidence();
            }
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {passed} passed; {failed} failed; in {:.0} s",
        begun.elapsed().as_secs_f32()
    );
    drop(node);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Generous: Java starts slowly on a machine that compiles at the same time.
const LIMIT: Duration = Duration::from_secs(600);

/// A file of the project.
fn file(path: &str) -> anyhow::Result<String> {
    let path = crate::cargo::root().join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
