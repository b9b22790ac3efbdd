//! The project's own tasks, run as `cargo xtask <task>`.

mod bench;
mod cargo;
mod ci;
mod control_plane;
mod demo;
mod e2e;
mod generate;
mod image;
mod node;
mod outcome;
mod stage;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Get the real control plane (etcd, kube-apiserver, kube-controller-manager, kubectl), or keep one running
    ControlPlane {
        #[command(subcommand)]
        action: Option<control_plane::Action>,
    },
    /// The end-to-end tests: real applications, agents and Collectors on a real node
    E2e(e2e::Options),
    /// Make images as OCI archives, without a registry and without a container engine
    Image(image::Options),
    /// A real one-node cluster on this machine, on which pods run
    Node {
        #[command(subcommand)]
        action: node::Action,
    },
    /// Show the operator at work: a control plane, the operator, the examples, and what became of each pod
    Demo(demo::Options),
    /// Run all tests, lints and checks; ends with `N passed, N failed`
    Test(test::Options),
    /// Run the benches
    Bench(bench::Options),
    /// Run .ci/run on a fresh clone of HEAD
    Ci,
    /// Write the files that are generated from the code
    Generate,
}

#[tokio::main]
async fn main() -> ExitCode {
    run(Arguments::parse().task).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::ControlPlane { action } => {
            control_plane::run(action.as_ref()).await.map(|()| ExitCode::SUCCESS)
        }
        Task::E2e(options) => e2e::run(&options).await,
        Task::Image(options) => image::run(options).await.map(|()| ExitCode::SUCCESS),
        Task::Node { action } => node::run(&action).await,
        Task::Demo(options) => demo::run(&options).await,
        Task::Test(options) => test::run(&options).await,
        Task::Bench(options) => bench::run(&options),
        Task::Ci => ci::run(),
        Task::Generate => generate::run(),
    }
}

/// Waits for Ctrl-C or SIGTERM, so that what runs can be stopped in order.
async fn interrupted() -> anyhow::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => Ok(result?),
        _ = terminated.recv() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_of_all_tasks_fit_together() {
        super::Arguments::command().debug_assert();
    }
}
