//! Leases (`ch11 §4`). A lease stays stored after its expiry until it is replaced. So a renewal that comes too late is
//! told apart from a renewal of a lease that was replaced.

use std::time::Duration;

use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

const ACQUIRED: &str = "lease.acquired";
const RELEASED: &str = "lease.released";
const EXPIRED: &str = "lease.expired";

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredLease {
    pub(crate) lease: Lease,
    /// Whether the readers were told that it expired.
    pub(crate) expiry_announced: bool,
}

impl StoredLease {
    /// The notice of its expiry, if it has expired and the readers were not told.
    fn pending_notice(&self, now: Timestamp) -> Option<&'static str> {
        (!self.lease.is_active(now) && !self.expiry_announced).then_some(EXPIRED)
    }
}

/// What is stored for an experiment from now on, and the notices in their order. Each lease is announced by one
/// `lease.acquired` and one end: released or expired.
#[derive(Debug, PartialEq)]
pub(crate) struct LeaseChange {
    pub(crate) stored: Option<StoredLease>,
    pub(crate) notices: Vec<&'static str>,
}

/// Acquires the lease of an experiment. It fails while there is an active one, even one of the caller's (`ch11 §4.5`).
pub(crate) fn acquire(
    current: Option<&StoredLease>,
    id: String,
    experiment: &ExperimentId,
    request: AcquireLease,
    now: Timestamp,
    duration: Duration,
) -> ProtocolResult<(Lease, LeaseChange)> {
    if let Some(current) = current.filter(|current| current.lease.is_active(now)) {
        let lease = &current.lease;
        let detail = format!("{} holds the lease until {}", lease.holder, lease.expires_at);
        return Err(ProtocolError::new(ErrorType::LeaseHeldByOther, detail));
    }
    let pending = current.and_then(|current| current.pending_notice(now));
    let lease = Lease {
        lease_id: id,
        experiment_id: experiment.clone(),
        holder: request.holder,
        holder_instance: request.holder_instance,
        acquired_at: now,
        expires_at: expiry(now, duration),
        renewed_at: now,
    };
    let stored = StoredLease {
        lease: lease.clone(),
        expiry_announced: false,
    };
    let change = LeaseChange {
        stored: Some(stored),
        notices: pending.into_iter().chain([ACQUIRED]).collect(),
    };
    Ok((lease, change))
}

/// Renews an active lease, for its holder and the process that acquired it. `by` is `None` when authentication is off.
pub(crate) fn renew(
    current: Option<StoredLease>,
    by: Option<&WorkerId>,
    instance: &str,
    now: Timestamp,
    duration: Duration,
) -> ProtocolResult<StoredLease> {
    let Some(mut stored) = current else {
        let detail = "there is no such lease any more: it was released or replaced";
        return Err(ProtocolError::new(ErrorType::LeaseNotHeld, detail));
    };
    require_holder(&stored.lease, by, instance)?;
    if !stored.lease.is_active(now) {
        let detail = format!("the lease ran out at {}: acquire it anew", stored.lease.expires_at);
        return Err(ProtocolError::new(ErrorType::LeaseExpired, detail));
    }
    stored.lease.expires_at = expiry(now, duration);
    stored.lease.renewed_at = now;
    Ok(stored)
}

/// Releases a lease, expired or not. `None` when it is gone already.
pub(crate) fn release(
    current: Option<&StoredLease>,
    by: Option<&WorkerId>,
    instance: &str,
    now: Timestamp,
) -> ProtocolResult<Option<LeaseChange>> {
    let Some(stored) = current else { return Ok(None) };
    require_holder(&stored.lease, by, instance)?;
    let notice = match stored.lease.is_active(now) {
        true => Some(RELEASED),
        false => stored.pending_notice(now),
    };
    Ok(Some(LeaseChange {
        stored: None,
        notices: notice.into_iter().collect(),
    }))
}

/// Which of the leases whose expiry was not announced have expired.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct LeaseSweep {
    /// What to store and announce for those that have.
    pub(crate) expired: Vec<(ExperimentId, LeaseChange)>,
    /// When the next of the others expires, unless it is renewed.
    pub(crate) next_expiry: Option<Timestamp>,
}

/// Finds the leases that have expired by `now`.
pub(crate) fn sweep(leases: Vec<StoredLease>, now: Timestamp) -> LeaseSweep {
    let mut sweep = LeaseSweep::default();
    for mut stored in leases {
        let Some(notice) = stored.pending_notice(now) else {
            if stored.lease.is_active(now) {
                let end = stored.lease.expires_at;
                sweep.next_expiry = Some(sweep.next_expiry.map_or(end, |next| next.min(end)));
            }
            continue;
        };
        stored.expiry_announced = true;
        let experiment = stored.lease.experiment_id.clone();
        let change = LeaseChange {
            stored: Some(stored),
            notices: vec![notice],
        };
        sweep.expired.push((experiment, change));
    }
    sweep
}

/// Removes the lease of an experiment that leaves the registry.
pub(crate) fn unregister(current: Option<&StoredLease>, now: Timestamp) -> LeaseChange {
    let pending = current.and_then(|stored| stored.pending_notice(now));
    LeaseChange {
        stored: None,
        notices: pending.into_iter().collect(),
    }
}

fn require_holder(lease: &Lease, by: Option<&WorkerId>, instance: &str) -> ProtocolResult {
    if by.is_some_and(|by| *by != lease.holder) {
        let detail = format!("the lease is {}'s to renew and release", lease.holder);
        return Err(ProtocolError::forbidden(detail));
    }
    if lease.holder_instance != instance {
        let detail = "another process of the holder acquired the lease";
        return Err(ProtocolError::new(ErrorType::LeaseInstanceMismatch, detail));
    }
    Ok(())
}

fn expiry(now: Timestamp, duration: Duration) -> Timestamp {
    let expiry = now.instant().checked_add(duration);
    expiry.unwrap_or(jiff::Timestamp::MAX).into()
}

#[cfg(test)]
mod tests;
