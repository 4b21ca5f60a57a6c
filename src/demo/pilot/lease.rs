//! What the holder of a lease may do, and when: decided without a clock or a wire.

use jiff::SignedDuration;

use crate::protocol::{Lease, Timestamp};

/// A lease and since when it is good by the holder's own clock.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub id: String,
    /// When it was asked for. The server counts from a moment later, so a holder that counts from here never acts
    /// longer than it may, however far apart the two clocks are.
    since: Timestamp,
    /// How long it is good for unless renewed, as the server has it.
    span: SignedDuration,
}

impl Held {
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

/// How the last attempt to renew went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Renewal {
    /// It succeeded, or there was none yet.
    Done,
    /// It came to nothing at that time, and may succeed yet.
    Failed(Timestamp),
    /// The lease is not ours any more.
    Refused,
}

/// What a holder does now.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    /// It acts, and asks again when this moment has passed.
    Act(Timestamp),
    /// It acts, and renews meanwhile.
    Renew,
    /// It stops deciding, whatever is in hand (`ch11 §5`).
    Stop,
}

/// What the holder of a lease does at a given time: it renews after a third of the duration, and at intervals of a tenth
/// when that fails, until the lease is over.
pub(super) fn turn(held: &Held, last: Renewal, now: Timestamp) -> Turn {
    let end = held.end();
    if last == Renewal::Refused || now > end {
        return Turn::Stop;
    }
    // A clock that was set back says nothing about how long the lease is still good.
    if now < held.since {
        return Turn::Renew;
    }
    let due = match last {
        Renewal::Failed(at) => after(at, held.span / 10).min(end),
        _ => after(held.since, held.span / 3),
    };
    if now < due { Turn::Act(due) } else { Turn::Renew }
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

    /// Good for 30 s by a server whose clock is an hour behind.
    fn held() -> Held {
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
        Held::new(&lease, at(0))
    }

    #[test]
    fn it_acts_then_renews_then_stops_by_its_own_clock() {
        let turn = |now| turn(&held(), Renewal::Done, at(now));
        assert_eq!(turn(0), Turn::Act(at(10_000)));
        assert_eq!(turn(9_999), Turn::Act(at(10_000)));
        assert_eq!(turn(10_000), Turn::Renew);
        assert_eq!(turn(30_000), Turn::Renew, "the last moment");
        assert_eq!(turn(30_001), Turn::Stop);
    }

    #[test]
    fn a_failed_renewal_is_tried_again_until_the_lease_is_over() {
        let turn = |failed, now| turn(&held(), Renewal::Failed(at(failed)), at(now));
        assert_eq!(turn(10_500, 10_500), Turn::Act(at(13_500)));
        assert_eq!(turn(10_500, 13_500), Turn::Renew);
        assert_eq!(
            turn(29_000, 29_500),
            Turn::Act(at(30_000)),
            "no pause outlasts the lease"
        );
        assert_eq!(turn(30_000, 30_001), Turn::Stop);
    }

    #[test]
    fn a_refusal_is_final() {
        assert_eq!(turn(&held(), Renewal::Refused, at(0)), Turn::Stop);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_it_renew() {
        assert_eq!(turn(&held(), Renewal::Done, at(-1)), Turn::Renew);
    }

    #[test]
    fn a_lease_of_no_duration_lets_nobody_act() {
        let mut held = held();
        held.span = SignedDuration::ZERO;
        assert_eq!(turn(&held, Renewal::Done, at(0)), Turn::Renew);
        assert_eq!(turn(&held, Renewal::Failed(at(0)), at(1)), Turn::Stop);
    }
}
