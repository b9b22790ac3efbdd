//! What the operator costs. `cargo xtask bench` builds this and the operator with the profile that is shipped, and runs
//! it; `docs/performance.md` says what the figures mean.

mod api_server;
mod connection;
mod controller;
mod echo;
mod engine;
mod goal;
mod load;
mod machine;
mod memory;
mod sample;
mod usage;
mod webhook;

use clap::{Parser, Subcommand};

/// What the operator costs.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// CPU time of the engine and of the handler around it
    Engine,
    /// The whole process on a real control plane: start, latency, throughput, CPU time, size of the binary
    Webhook,
    /// Resident memory, idle and in a large cluster
    Memory,
    /// What collectors cost on a real control plane: requests, time, CPU, memory
    Controller,
    /// 2,000 pods as fast as the API server takes them, by the API server's own measure
    Load,
    /// The server that requests are compared with; started by `webhook`
    #[command(hide = true)]
    Echo,
}

fn main() -> anyhow::Result<()> {
    // Client and server both need to know; an error would mean that it is known already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Arguments::parse().bench {
        Bench::Engine => engine::run(),
        Bench::Echo => echo::serve(),
        // The client shares the processors with what it measures, so it makes do with one thread.
        Bench::Webhook => client_runtime()?.block_on(webhook::run()),
        Bench::Controller => client_runtime()?.block_on(controller::run()),
        Bench::Load => client_runtime()?.block_on(load::run()),
        Bench::Memory => client_runtime()?.block_on(memory::run()),
    }
}

fn client_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
