//! What the holder of a lease may do at a given time, as pure functions.

use jiff::SignedDuration;

use crate::protocol::{Lease, Timestamp};

/// A lease, timed by the holder's own clock.
#[derive(Debug, Clone)]
pub(super) struct HeldLease {
    pub id: String,
    /// When it was requested. The server counts from a moment later, so a holder that counts from here never acts longer
    /// than it may, however much the two clocks differ.
    since: Timestamp,
    /// How long it lasts unless it is renewed, by the server's own times.
    span: SignedDuration,
}

impl HeldLease {
    pub(super) fn new(lease: &Lease, since: Timestamp) -> Self {
        Self {
            id: lease.lease_id.clone(),
            since,
            span: lease.expires_at.instant().duration_since(lease.renewed_at.instant()),
        }
    }

    /// The last moment at which the holder may act.
    pub(super) fn end(&self) -> Timestamp {
        after(self.since, self.span)
    }
}

/// The last attempt to renew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Renewal {
    /// It succeeded, or there was none yet.
    Done,
    /// It failed at that time, and another may succeed.
    Failed(Timestamp),
    /// The server refused it: the lease is lost.
    Refused,
}

/// What a holder does now.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// It works until this moment has passed.
    Work(Timestamp),
    /// It works, and renews meanwhile.
    Renew,
    /// It stops deciding, even in the middle of something (`ch11 §5`).
    Stop,
}

/// What the holder of a lease does at a given time: it renews after a third of the duration, and after each tenth when
/// that fails, until the lease ends.
pub(super) fn next_action(held: &HeldLease, last: Renewal, now: Timestamp) -> Action {
    let end = held.end();
    if last == Renewal::Refused || now > end {
        return Action::Stop;
    }
    // After a clock was set back it is unknown how long the lease still lasts.
    if now < held.since {
        return Action::Renew;
    }
    let due = match last {
        Renewal::Failed(at) => after(at, held.span / 10).min(end),
        _ => after(held.since, held.span / 3),
    };
    if now < due { Action::Work(due) } else { Action::Renew }
}

fn after(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    let sum = instant.instant().checked_add(duration);
    sum.unwrap_or(jiff::Timestamp::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        let start: Timestamp = "2026-01-02T03:04:05.000Z".parse().expect("an instant");
        after(start, SignedDuration::from_millis(millis))
    }

    /// Lasts 30 s, by a server whose clock is an hour behind.
    fn held() -> HeldLease {
        let server = |millis: i64| at(millis - 3_600_000);
        let lease = Lease {
            lease_id: "lease-1".into(),
            experiment_id: "exp_00000000000000000000000001".parse().expect("an id"),
            holder: "wkr_00000000000000000000000001".parse().expect("an id"),
            holder_instance: "one".into(),
            acquired_at: server(-90_000),
            renewed_at: server(5),
            expires_at: server(30_005),
        };
        HeldLease::new(&lease, at(0))
    }

    #[test]
    fn it_works_then_renews_then_stops_by_its_own_clock() {
        let action = |now| next_action(&held(), Renewal::Done, at(now));
        assert_eq!(action(0), Action::Work(at(10_000)));
        assert_eq!(action(9_999), Action::Work(at(10_000)));
        assert_eq!(action(10_000), Action::Renew);
        assert_eq!(action(30_000), Action::Renew, "the last moment");
        assert_eq!(action(30_001), Action::Stop);
    }

    #[test]
    fn a_failed_renewal_is_tried_again_until_the_lease_is_over() {
        let action = |failed, now| next_action(&held(), Renewal::Failed(at(failed)), at(now));
        assert_eq!(action(10_500, 10_500), Action::Work(at(13_500)));
        assert_eq!(action(10_500, 13_500), Action::Renew);
        assert_eq!(
            action(29_000, 29_500),
            Action::Work(at(30_000)),
            "no pause outlasts the lease"
        );
        assert_eq!(action(30_000, 30_001), Action::Stop);
    }

    #[test]
    fn a_refusal_is_final() {
        assert_eq!(next_action(&held(), Renewal::Refused, at(0)), Action::Stop);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_it_renew() {
        assert_eq!(next_action(&held(), Renewal::Done, at(-1)), Action::Renew);
    }

    #[test]
    fn a_lease_without_duration_allows_no_work() {
        let mut held = held();
        held.span = SignedDuration::ZERO;
        assert_eq!(next_action(&held, Renewal::Done, at(0)), Action::Renew);
        assert_eq!(next_action(&held, Renewal::Failed(at(0)), at(1)), Action::Stop);
    }
}
