//! Times of the leader election.

use std::time::Duration;

use super::{
    duration,
    values::{Invalid, Values},
};
use crate::leader;

const LEASE: &str = "leader-election-lease-duration";
const RENEW: &str = "leader-election-renew-deadline";
const RETRY: &str = "leader-election-retry-period";

/// The times as they are given.
pub(super) fn times(values: &Values) -> Result<leader::Timing, Invalid> {
    let longest = Duration::from_secs(3600);
    Ok(leader::Timing {
        lease_duration: duration(values, LEASE, longest)?,
        renew_deadline: duration(values, RENEW, longest)?,
        retry_period: duration(values, RETRY, longest)?,
    })
}

/// Times of the leader election, in the order that keeps two from leading.
pub(super) fn ordered(values: &Values, timing: leader::Timing) -> Result<leader::Timing, Invalid> {
    // The record holds whole seconds.
    if timing.lease_duration < Duration::from_secs(1) {
        return Err(Invalid::new(&values.get(LEASE), "too short", "give a second at least"));
    }
    if timing.renew_deadline >= timing.lease_duration {
        return Err(values.misfit(
            (RENEW, format!("give less than --{LEASE}, which is {:?}", timing.lease_duration)),
            (LEASE, format!("give more than --{RENEW}, which is {:?}", timing.renew_deadline)),
        ));
    }
    if timing.retry_period * 2 > timing.renew_deadline {
        return Err(values.misfit(
            (RETRY, format!("give at most half of --{RENEW}, which is {:?}", timing.renew_deadline)),
            (RENEW, format!("give at least twice --{RETRY}, which is {:?}", timing.retry_period)),
        ));
    }
    Ok(timing)
}
