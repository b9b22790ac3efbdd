//! `cargo xtask image`: images as OCI archives, made without a registry and without a container engine.
//!
//! Each image is a list of layers, and each layer a set of files from packages: one file of this folder for each kind.

pub(crate) mod archive;
pub(crate) mod layer;

mod agent;
mod agent_go;
mod application;
pub(crate) mod base;
mod collector;
mod operator;
mod recipe;
mod smoke;

use std::path::PathBuf;

pub(crate) use agent::AS_ROOT;
pub(crate) use archive::Image;
pub(crate) use layer::Layer;
pub(crate) use recipe::Recipe;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these, for example `agent-java` or `operator`; all without
    names: Vec<String>,
    #[command(flatten)]
    operator: operator::OfTheOperator,
}

/// The image that holds a pod's namespaces.
pub(crate) const PAUSE: &str = "registry.example/pause:1";

/// Every image that a node needs for the end-to-end tests.
pub(crate) fn recipes() -> Vec<Recipe> {
    let mut all = base::recipes();
    all.extend(agent::recipes());
    all.extend(application::recipes());
    all.extend(collector::recipes());
    all
}

/// The operator's image is made from this source, not from packages: it has no recipe, and nothing remembers it.
const OPERATOR: &str = "operator";

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let Options { names, operator } = options;
    let wanted_operator = names.is_empty() || names.iter().any(|name| name == OPERATOR);
    tokio::task::spawn_blocking(move || run_recipes(&names)).await??;
    if wanted_operator {
        operator::run(operator).await?;
    }
    Ok(())
}

fn run_recipes(names: &[String]) -> anyhow::Result<()> {
    let all = recipes();
    for name in names {
        anyhow::ensure!(
            name == OPERATOR || all.iter().any(|recipe| recipe.name == *name),
            "there is no image {name:?}; there are: {OPERATOR}, {}",
            all.iter().map(|recipe| recipe.name).collect::<Vec<_>>().join(", ")
        );
    }
    for recipe in all.iter().filter(|r| names.is_empty() || names.iter().any(|n| n == r.name)) {
        let archive = recipe.archive()?;
        let size = std::fs::metadata(&archive)?.len();
        println!(
            "{:<20} {:>6} MB  {}\n{:30} {}",
            recipe.name,
            size / 1_000_000,
            recipe.image,
            "",
            archive.display()
        );
    }
    Ok(())
}

/// The archives of all images, built where they are missing. Blocks.
///
/// # Errors
/// When a package cannot be had or a program does not build.
pub(crate) fn archives() -> anyhow::Result<Vec<PathBuf>> {
    recipes().iter().map(Recipe::archive).collect()
}
