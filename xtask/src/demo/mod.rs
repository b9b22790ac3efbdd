//! `cargo xtask demo`: what a user sees who installs the operator and applies the examples.

mod collector;
mod example;
mod explanation;
mod row;
mod table;

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::{Api, Client};
use testkit::{ControlPlane, Operator, OperatorOptions, binaries, wait_for};

use self::{
    example::{Example, Workload},
    row::Row,
};

/// How long a pod may take to appear after its workload.
const POD: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// End after the table instead of waiting for Ctrl-C
    #[arg(long)]
    once: bool,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let examples = example::load(&crate::cargo::root().join("examples"))?;
    eprintln!("demo: building the operator …");
    let binary = tokio::task::spawn_blocking(testkit::operator_binary).await??;
    eprintln!("demo: starting the control plane …");
    let kubectl = tokio::task::spawn_blocking(binaries::get).await??.kubectl;
    let control_plane = ControlPlane::start().await?;
    eprintln!("demo: starting the operator …");
    let args = ["--enable-go-instrumentation", "--enable-nginx-instrumentation"].map(String::from).to_vec();
    let operator =
        Operator::start(&control_plane, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    eprintln!("demo: applying {} examples …", examples.len());
    let client = control_plane.client().await?;
    apply(&client, &examples).await?;

    let mut rows = Vec::new();
    for workload in examples.iter().flat_map(Example::workloads) {
        let pod = pod_of(&client, &workload).await?;
        let mut row = Row::new(&workload, &pod)?;
        explanation::add(&mut row, &binary, control_plane.kubeconfig());
        rows.push(row);
    }
    table::print(&rows);
    collector::print(&control_plane, &examples).await?;
    let surprises: Vec<&Row> = rows.iter().filter(|r| !r.is_expected()).collect();
    for row in &surprises {
        println!("{}: expected {}, got {}", row.workload, row.expected_text(), row.verdicts_text());
    }
    if !surprises.is_empty() {
        operator.keep_log();
        control_plane.keep_logs();
    }
    if !options.once {
        stay(&kubectl, control_plane.kubeconfig()).await?;
    }
    Ok(if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn stay(kubectl: &Path, kubeconfig: &Path) -> anyhow::Result<()> {
    println!("\nThe cluster is up until Ctrl-C. Look around with");
    println!("  export KUBECONFIG={}", kubeconfig.display());
    println!("  {} get pods --all-namespaces", kubectl.display());
    crate::interrupted().await?;
    eprintln!("demo: stopping …");
    Ok(())
}

/// As users should do it: Namespaces, what pods refer to, Instrumentations, and only then workloads. Objects are
/// created, as a client-side `kubectl apply` does, since two Instrumentations of the documentation page hold unquoted
/// booleans, which a server-side apply refuses before any webhook is asked.
async fn apply(client: &Client, examples: &[Example]) -> anyhow::Result<()> {
    for phase in example::PHASES {
        for example in examples {
            for object in example.objects.iter().filter(|o| phase(o)) {
                let created = testkit::create(client, object.clone(), &example.namespace).await;
                created.with_context(|| format!("examples/{}", example.folder.display()))?;
            }
        }
    }
    Ok(())
}

/// The first pod of a workload, once its controller has made it.
async fn pod_of(client: &Client, workload: &Workload<'_>) -> anyhow::Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), workload.namespace);
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), workload.namespace);
    wait_for(&format!("a pod of {}", workload.title()), POD, async || {
        // Without it the controller cannot make pods, and the error says what is missing.
        accounts.get("default").await?;
        Ok(pods.list(&workload.pods()).await?.items.into_iter().next())
    })
    .await
}
