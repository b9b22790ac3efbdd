//! Taking the Lease, renewing it, giving it back.

use std::time::Duration;

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{Api, Client, api::PostParams};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    LEASE, Leader,
    record::{self, Seen, Timing, Turn},
};

/// Giving the Lease back must not hold up a stop.
const RELEASE: Duration = Duration::from_secs(2);

/// One process's part in the election.
pub struct Election {
    leases: Api<Lease>,
    namespace: String,
    identity: String,
    timing: Timing,
    elected: watch::Sender<bool>,
    seen: Option<Seen>,
}

/// The Lease is lost.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another process has it.
    #[error("leader election lost: {0} leads now")]
    To(String),
    /// It could not be renewed in time.
    #[error("leader election lost: the Lease could not be renewed for {0:?}")]
    Unrenewed(Duration),
}

impl Election {
    /// A candidate for the Lease in this namespace.
    ///
    /// # Errors
    /// When no identity can be made up.
    pub fn new(client: &Client, namespace: &str, timing: Timing) -> std::io::Result<(Election, Leader)> {
        let (elected, leader) = watch::channel(false);
        let election = Election {
            leases: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            identity: identity()?,
            timing,
            elected,
            seen: None,
        };
        Ok((election, Leader::new(leader)))
    }

    /// Takes part until `stop`; the Lease is given back then. Without `stop` it ends only by losing the Lease.
    ///
    /// # Errors
    /// When this process has led and the Lease is lost. Nothing may be written from then on.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Lost> {
        let result = stop.run_until_cancelled(self.take_and_keep()).await;
        match result {
            Some(lost) => Err(lost),
            None => {
                self.release().await;
                Ok(())
            }
        }
    }

    async fn take_and_keep(&mut self) -> Lost {
        info!(target: "leader-election", identity = self.identity, "waiting for the Lease {}/{LEASE}", self.namespace);
        let mut holder = None;
        loop {
            match self.attempt().await {
                Ok(true) => break,
                Ok(false) => {
                    let now = self.seen.as_ref().and_then(Seen::holder).map(str::to_owned);
                    if now != holder {
                        info!(target: "leader-election", holder = now, "another process leads");
                        holder = now;
                    }
                }
                Err(error) => {
                    warn!(target: "leader-election", "cannot look at the Lease {}/{LEASE}, trying again: {error:#}", self.namespace)
                }
            }
            tokio::time::sleep(self.timing.retry_period + jitter(self.timing.retry_period)).await;
        }
        info!(target: "leader-election", identity = self.identity, "this process leads");
        self.elected.send_replace(true);
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(self.timing.retry_period).await;
            let deadline = renewed + self.timing.renew_deadline;
            // The time of the attempt's begin counts: the API server may have written it then.
            let began = Instant::now();
            match tokio::time::timeout_at(deadline, self.attempt()).await {
                Ok(Ok(true)) => renewed = began,
                // Somebody else has it, or only wrote into it.
                Ok(Ok(false)) => {
                    let holder = self.seen.as_ref().and_then(Seen::holder);
                    if let Some(other) = holder.filter(|holder| *holder != self.identity) {
                        return Lost::To(other.to_owned());
                    }
                }
                Ok(Err(error)) => warn!(target: "leader-election", "cannot renew the Lease: {error:#}"),
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                return Lost::Unrenewed(self.timing.renew_deadline);
            }
        }
    }

    /// One look and one write. Whether this process holds the Lease now.
    async fn attempt(&mut self) -> kube::Result<bool> {
        // Half of the deadline, so that an answer that got lost costs one attempt and not the Lease.
        let patience = self.timing.renew_deadline / 2;
        match tokio::time::timeout(patience, self.look_and_write()).await {
            Ok(result) => result,
            Err(late) => Err(kube::Error::Service(late.into())),
        }
    }

    async fn look_and_write(&mut self) -> kube::Result<bool> {
        // The leader knows the record: nobody else may write it. One request is enough.
        if self.holds()
            && let Turn::Replace(lease) = self.turn()
            && self.write(self.leases.replace(LEASE, &PostParams::default(), &lease).await)?
        {
            return Ok(true);
        }
        let now = self.leases.get_opt(LEASE).await?;
        self.seen = now.map(|lease| Seen::now(lease, self.seen.as_ref(), Instant::now()));
        match self.turn() {
            Turn::Wait => Ok(false),
            Turn::Create(lease) => {
                let lease = record::named(lease, &self.namespace, LEASE);
                self.write(self.leases.create(&PostParams::default(), &lease).await)
            }
            Turn::Replace(lease) => {
                self.write(self.leases.replace(LEASE, &PostParams::default(), &lease).await)
            }
        }
    }

    fn turn(&self) -> Turn {
        record::turn(self.seen.as_ref(), &self.identity, &self.timing, Instant::now(), Timestamp::now())
    }

    fn holds(&self) -> bool {
        self.seen.as_ref().and_then(Seen::holder) == Some(self.identity.as_str())
    }

    /// Takes note of a write. False when somebody else was faster.
    fn write(&mut self, written: kube::Result<Lease>) -> kube::Result<bool> {
        match written {
            Ok(lease) => {
                self.seen = Some(Seen::now(lease, self.seen.as_ref(), Instant::now()));
                Ok(true)
            }
            // Gone, changed, or made by another in between.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                debug!(target: "leader-election", "the Lease is not as it was: {}", status.message);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn release(&mut self) {
        if !self.holds() {
            return;
        }
        let result = match tokio::time::timeout(RELEASE, self.give_back()).await {
            Ok(result) => result,
            Err(late) => Err(kube::Error::Service(late.into())),
        };
        match result {
            Ok(()) => info!(target: "leader-election", "the Lease is given back"),
            Err(error) => {
                warn!(target: "leader-election", "the Lease was not given back; it runs out by itself: {error:#}")
            }
        }
    }

    async fn give_back(&self) -> kube::Result<()> {
        // Read once more: a renewal may have been on its way when the stop came.
        let seen = Seen::now(self.leases.get(LEASE).await?, self.seen.as_ref(), Instant::now());
        if seen.holder() == Some(self.identity.as_str()) {
            let lease = record::released(&seen, Timestamp::now());
            self.leases.replace(LEASE, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }
}

/// As the reference writes it: the host name, which is the pod's, and something that no other process has.
fn identity() -> std::io::Result<String> {
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    let host = read("/proc/sys/kernel/hostname")?;
    Ok(format!("{host}_{}", read("/proc/sys/kernel/random/uuid")?))
}

/// Up to 1.2 times the period, so that candidates do not all come at once.
fn jitter(period: Duration) -> Duration {
    let random = std::collections::hash_map::RandomState::new();
    let random = std::hash::BuildHasher::hash_one(&random, 0_u8);
    period.mul_f64(1.2 * f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_the_host_name_and_a_random_uuid() {
        let (first, second) = (identity().unwrap(), identity().unwrap());
        assert_ne!(first, second);
        let (host, uuid) = first.rsplit_once('_').unwrap();
        assert!(!host.is_empty());
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }

    #[test]
    fn candidates_wait_one_to_two_point_two_periods() {
        let period = Duration::from_secs(26);
        assert!((0..1000).map(|_| jitter(period)).all(|j| j <= period.mul_f64(1.2)));
        let distinct: std::collections::BTreeSet<_> = (0..100).map(|_| jitter(period)).collect();
        assert!(distinct.len() > 90);
    }
}
