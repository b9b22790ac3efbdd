//! `cargo xtask control-plane`.

use clap::Subcommand;
use testkit::{ControlPlane, binaries};

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Keep a control plane running until Ctrl-C; prints the path of its kubeconfig
    Up,
}

pub(crate) async fn run(action: Option<&Action>) -> anyhow::Result<()> {
    let binaries = tokio::task::spawn_blocking(binaries::get).await??;
    match action {
        None => {
            for path in
                [binaries.etcd, binaries.kube_apiserver, binaries.kube_controller_manager, binaries.kubectl]
            {
                println!("{}", path.display());
            }
        }
        Some(Action::Up) => {
            eprintln!("control plane: starting …");
            let control_plane = ControlPlane::start().await?;
            println!("{}", control_plane.kubeconfig().display());
            eprintln!(
                "control plane: up at {}; logs in {}",
                control_plane.url(),
                control_plane.log_dir().display()
            );
            eprintln!("look around:  export KUBECONFIG={}", control_plane.kubeconfig().display());
            eprintln!("              {} get namespaces", binaries.kubectl.display());
            eprintln!("Ctrl-C stops it.");
            crate::interrupted().await?;
            eprintln!("control plane: stopping …");
        }
    }
    Ok(())
}
