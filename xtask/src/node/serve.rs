//! The process that is number 1 inside the sandbox: it holds the node until it is killed.

use testkit::{
    Options,
    node::{Node, sandbox},
};

use crate::image;

pub(crate) async fn serve() -> anyhow::Result<()> {
    let archives = tokio::task::spawn_blocking(image::archives).await??;
    let node = Node::start(image::PAUSE, &archives, Options::default()).await?;
    std::fs::write(super::ready_file(), node.control_plane().kubeconfig().display().to_string())?;
    eprintln!("ready; logs in {}", sandbox::state().display());
    crate::interrupted().await
}
