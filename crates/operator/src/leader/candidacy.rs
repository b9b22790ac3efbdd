//! The process's part in the election, from start to stop.

use std::time::Duration;

use kube::Client;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Election, Leader, Timing, election::Lost};

/// Passes of controllers that have begun get this long to finish.
const LAST_PASSES: Duration = Duration::from_secs(4);

/// A running election, or none and this process leads.
pub struct Candidacy {
    /// For everything that writes.
    pub leader: Leader,
    election: JoinHandle<Result<(), Lost>>,
    resigned: CancellationToken,
}

impl Candidacy {
    /// Takes part in the election in this namespace; without times there is none.
    ///
    /// # Errors
    /// When no identity can be made up.
    pub fn start(client: &Client, namespace: &str, timing: Option<Timing>) -> std::io::Result<Candidacy> {
        let resigned = CancellationToken::new();
        let (leader, election) = match timing {
            Some(timing) => {
                let (election, leader) = Election::new(client, namespace, timing)?;
                (leader, tokio::spawn(election.run(resigned.clone())))
            }
            None => {
                let resigned = resigned.clone();
                let election = async move {
                    resigned.cancelled().await;
                    Ok(())
                };
                (Leader::always(), tokio::spawn(election))
            }
        };
        Ok(Candidacy { leader, election, resigned })
    }

    /// Returns when the Lease is lost: another process may lead already, so nothing may be finished and nothing written.
    pub async fn lost(&mut self) -> anyhow::Error {
        match (&mut self.election).await {
            Ok(Err(lost)) => lost.into(),
            Ok(Ok(())) => anyhow::anyhow!("the leader election ended"),
            Err(panic) => anyhow::Error::new(panic).context("the leader election broke off"),
        }
    }

    /// Ends what writes, then gives the Lease back. Takes 6 s at most.
    pub async fn end(self) {
        if tokio::time::timeout(LAST_PASSES, self.leader.resign()).await.is_err() {
            warn!(target: "setup", "some passes did not finish in {} s", LAST_PASSES.as_secs());
        }
        self.resigned.cancel();
        // A lost Lease is not to be given back, and a panic has been logged.
        let _ = self.election.await;
    }
}
