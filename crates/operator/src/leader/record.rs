//! What to do about the Lease, by the rules of client-go: pure, so that it can be looked at without a cluster.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use tokio::time::Instant;

/// How long a Lease holds, and how often it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A Lease that nobody has renewed for so long may be taken.
    pub lease_duration: Duration,
    /// Who could not renew for so long leads no more. Shorter than the lease, so that it ends before another one begins.
    pub renew_deadline: Duration,
    /// Pause between attempts.
    pub retry_period: Duration,
}

impl Default for Timing {
    /// Half of the reference's: a crash is made good within about a minute, and a leader still outlives an API server that is away
    /// for 40 s.
    fn default() -> Self {
        Timing {
            lease_duration: Duration::from_secs(60),
            renew_deadline: Duration::from_secs(40),
            retry_period: Duration::from_secs(5),
        }
    }
}

/// A Lease as it was last seen, and since when it has been like that by the own clock: clocks of others are not trusted.
#[derive(Clone, Debug)]
pub struct Seen {
    lease: Lease,
    since: Instant,
}

impl Seen {
    /// The Lease as it is now. `before` is the last look: as long as nobody has renewed, time goes on.
    pub fn now(lease: Lease, before: Option<&Seen>, now: Instant) -> Seen {
        let since = before.filter(|seen| seen.lease.spec == lease.spec).map_or(now, |seen| seen.since);
        Seen { lease, since }
    }

    /// Who holds it; nobody after a release.
    pub fn holder(&self) -> Option<&str> {
        self.lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// Until when its holder may rely on it. The record says how long, as its holder wrote it.
    fn until(&self) -> Instant {
        let seconds =
            self.lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        self.since + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }
}

/// What a candidate or leader does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Make the Lease.
    Create(Lease),
    /// Write it over, under the condition that nobody else has.
    Replace(Lease),
    /// Somebody else leads.
    Wait,
}

/// The turn of `identity`, given what it sees.
pub fn turn(seen: Option<&Seen>, identity: &str, timing: &Timing, now: Instant, time: Timestamp) -> Turn {
    let mut spec = LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(seconds(timing.lease_duration)),
        acquire_time: Some(MicroTime(time)),
        renew_time: Some(MicroTime(time)),
        lease_transitions: Some(0),
        ..LeaseSpec::default()
    };
    let Some(seen) = seen else {
        return Turn::Create(Lease { spec: Some(spec), ..Lease::default() });
    };
    let old = seen.lease.spec.clone().unwrap_or_default();
    match seen.holder() {
        Some(holder) if holder == identity => {
            spec.acquire_time = old.acquire_time;
            spec.lease_transitions = old.lease_transitions;
        }
        Some(_) if now < seen.until() => return Turn::Wait,
        _ => spec.lease_transitions = Some(old.lease_transitions.unwrap_or_default().saturating_add(1)),
    }
    Turn::Replace(Lease { spec: Some(spec), ..seen.lease.clone() })
}

/// The Lease, given back: a successor needs not wait for it to run out.
pub fn released(seen: &Seen, time: Timestamp) -> Lease {
    let old = seen.lease.spec.clone().unwrap_or_default();
    let spec = LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        acquire_time: Some(MicroTime(time)),
        renew_time: Some(MicroTime(time)),
        lease_transitions: old.lease_transitions,
        ..LeaseSpec::default()
    };
    Lease { spec: Some(spec), ..seen.lease.clone() }
}

/// The Lease with its name, for making it.
pub fn named(lease: Lease, namespace: &str, name: &str) -> Lease {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    };
    Lease { metadata, ..lease }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        lease_duration: Duration::from_secs(60),
        renew_deadline: Duration::from_secs(40),
        retry_period: Duration::from_secs(5),
    };

    fn lease(holder: &str, seconds: i32, transitions: i32) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(seconds),
            lease_transitions: Some(transitions),
            acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn spec(turn: Turn) -> LeaseSpec {
        match turn {
            Turn::Create(lease) | Turn::Replace(lease) => lease.spec.unwrap(),
            Turn::Wait => panic!("waits"),
        }
    }

    #[test]
    fn the_first_one_makes_the_lease() {
        let turn = turn(None, "me", &TIMING, Instant::now(), Timestamp::UNIX_EPOCH);
        assert!(matches!(turn, Turn::Create(_)));
        let spec = spec(turn);
        assert_eq!(spec.holder_identity.as_deref(), Some("me"));
        assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(60), Some(0)));
    }

    #[test]
    fn the_lease_of_another_is_respected_for_as_long_as_its_record_says_counted_from_when_it_was_seen() {
        let now = Instant::now();
        let of = |since| Seen::now(lease("reference", 137, 3), None, since);
        let after = |seconds| now + Duration::from_secs(seconds);
        let turn = |seconds| turn(Some(&of(now)), "me", &TIMING, after(seconds), Timestamp::UNIX_EPOCH);
        assert_eq!(turn(0), Turn::Wait);
        assert_eq!(turn(136), Turn::Wait);
        let taken = spec(turn(137));
        assert_eq!((taken.holder_identity.as_deref(), taken.lease_transitions), (Some("me"), Some(4)));
    }

    #[test]
    fn a_renewal_begins_the_time_anew() {
        let now = Instant::now();
        let first = Seen::now(lease("other", 60, 0), None, now);
        let unchanged = Seen::now(lease("other", 60, 0), Some(&first), now + Duration::from_secs(50));
        let later = now + Duration::from_secs(61);
        assert!(matches!(
            turn(Some(&unchanged), "me", &TIMING, later, Timestamp::UNIX_EPOCH),
            Turn::Replace(_)
        ));
        let mut renewed = lease("other", 60, 0);
        renewed.spec.as_mut().unwrap().renew_time = Some(MicroTime(Timestamp::UNIX_EPOCH));
        let renewed = Seen::now(renewed, Some(&first), now + Duration::from_secs(50));
        assert_eq!(turn(Some(&renewed), "me", &TIMING, later, Timestamp::UNIX_EPOCH), Turn::Wait);
    }

    #[test]
    fn the_own_lease_is_renewed_and_keeps_its_history() {
        let seen = Seen::now(lease("me", 60, 7), None, Instant::now());
        let time = "2026-11-24T02:00:00Z".parse().unwrap();
        let spec = spec(turn(Some(&seen), "me", &TIMING, Instant::now(), time));
        assert_eq!(
            (spec.acquire_time, spec.lease_transitions),
            (Some(MicroTime(Timestamp::UNIX_EPOCH)), Some(7))
        );
        assert_eq!(spec.renew_time, Some(MicroTime(time)));
    }

    #[test]
    fn what_is_released_is_taken_at_once() {
        let now = Instant::now();
        let seen = Seen::now(lease("other", 137, 1), None, now);
        let released = Seen::now(released(&seen, Timestamp::UNIX_EPOCH), Some(&seen), now);
        assert_eq!(released.holder(), None);
        let spec = spec(turn(Some(&released), "me", &TIMING, now, Timestamp::UNIX_EPOCH));
        assert_eq!(spec.lease_transitions, Some(2));
    }
}
