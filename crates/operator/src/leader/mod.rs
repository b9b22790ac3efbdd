//! Leader election: of several replicas one writes.
//!
//! The Lease is that of the reference operator (name, record and rules of client-go), so that the two never lead at the same
//! time, whichever of them runs in however many replicas.
//!
//! * [`record`]: what to do about a Lease, as a pure function.
//! * [`election`]: the loop that does it.
//! * [`Candidacy`]: the process's part, from start to stop.

mod candidacy;
pub mod election;
pub mod record;

use tokio::sync::watch;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

pub use candidacy::Candidacy;
pub use election::Election;
pub use record::Timing;

/// The Lease of every version of the operator, the reference's included.
pub const LEASE: &str = "9f7554c3.opentelemetry.io";

/// Whether this process leads. What writes waits for it.
///
/// A process that has led never stops leading and goes on: losing the Lease ends it. On a graceful stop it resigns: work ends,
/// then the Lease is released.
#[derive(Clone, Debug)]
pub struct Leader {
    elected: watch::Receiver<bool>,
    resigning: CancellationToken,
    work: TaskTracker,
}

impl Leader {
    /// Leads from the start: election is off.
    pub fn always() -> Leader {
        Self::new(watch::channel(true).1)
    }

    fn new(elected: watch::Receiver<bool>) -> Leader {
        Leader { elected, resigning: CancellationToken::new(), work: TaskTracker::new() }
    }

    /// Returns once this process leads; never when it does not come to that.
    pub async fn elected(&self) {
        if self.elected.clone().wait_for(|elected| *elected).await.is_err() {
            // The election has ended without success, because the process is stopping.
            std::future::pending::<()>().await;
        }
    }

    /// Whether this process leads at this moment.
    pub fn is_elected(&self) -> bool {
        *self.elected.borrow() && !self.resigning.is_cancelled()
    }

    /// Returns when the process is about to hand over. What writes ends then.
    pub async fn resigning(&self) {
        self.resigning.cancelled().await;
    }

    /// Handing over waits until what this returns is dropped.
    pub fn busy(&self) -> TaskTrackerToken {
        self.work.token()
    }

    /// `work`, begun when this process leads and dropped when it hands over.
    pub async fn lead(self, work: impl Future<Output = ()>) {
        self.elected().await;
        let _busy = self.busy();
        tokio::select! {
            biased;
            () = self.resigning() => {}
            () = work => {}
        }
    }

    /// Ends all work and waits for it.
    pub async fn resign(&self) {
        self.resigning.cancel();
        self.work.close();
        self.work.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_begins_with_the_election_and_ends_before_the_handover() {
        let (elect, elected) = watch::channel(false);
        let leader = Leader::new(elected);
        let (begun, mut has_begun) = watch::channel(false);
        let work = tokio::spawn(leader.clone().lead(async move {
            begun.send_replace(true);
            std::future::pending().await
        }));
        assert!(tokio::time::timeout(Duration::from_secs(60), has_begun.changed()).await.is_err());
        elect.send_replace(true);
        has_begun.changed().await.unwrap();
        assert!(leader.is_elected());
        leader.resign().await;
        assert!(!leader.is_elected());
        work.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_handover_waits_for_who_is_busy() {
        let leader = Leader::always();
        leader.elected().await;
        let busy = leader.busy();
        let handover = leader.resign();
        tokio::pin!(handover);
        assert!(tokio::time::timeout(Duration::from_secs(60), &mut handover).await.is_err());
        drop(busy);
        handover.await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_never_elected_never_works() {
        let (elect, elected) = watch::channel(false);
        let leader = Leader::new(elected);
        drop(elect);
        assert!(tokio::time::timeout(Duration::from_secs(60), leader.elected()).await.is_err());
    }
}
