//! Leases (`ch11 §4`). A row outlives its expiry until it is replaced, so that a renewal that comes too late is told
//! from one of a lease that somebody else has by now.

use std::time::Duration;

use super::Refusal;
use crate::protocol::*;

/// A lease as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::embedded) struct KeptLease {
    pub(in crate::embedded) lease: Lease,
    /// Whether the readers know that it expired.
    pub(in crate::embedded) expiry_is_told: bool,
}

impl KeptLease {
    /// What the readers are still to be told before anything else happens to this row.
    fn overdue(&self, now: Timestamp) -> Option<&'static str> {
        (!self.lease.is_active(now) && !self.expiry_is_told).then_some(EXPIRED)
    }
}

const ACQUIRED: &str = "lease.acquired";
const RELEASED: &str = "lease.released";
const EXPIRED: &str = "lease.expired";

/// What becomes of an experiment's row, and the notices of it in their order. Of each lease one `lease.acquired` is
/// told, and one end: released or expired.
#[derive(Debug, PartialEq)]
pub(in crate::embedded) struct LeaseChange {
    pub(in crate::embedded) kept: Option<KeptLease>,
    pub(in crate::embedded) notices: Vec<&'static str>,
}

/// Takes the lease of an experiment on which nobody has an active one, not even the caller (`ch11 §4.5`).
pub(in crate::embedded) fn acquire(
    current: Option<&KeptLease>,
    id: String,
    experiment: &ExperimentId,
    request: AcquireLease,
    now: Timestamp,
    duration: Duration,
) -> Result<(Lease, LeaseChange), Refusal> {
    if let Some(current) = current.filter(|current| current.lease.is_active(now)) {
        let lease = &current.lease;
        let detail = format!("{} holds the lease until {}", lease.holder, lease.expires_at);
        return Err(Refusal::new(ErrorType::LeaseHeldByOther, detail));
    }
    let mut notices: Vec<_> = current.and_then(|current| current.overdue(now)).into_iter().collect();
    notices.push(ACQUIRED);
    let lease = Lease {
        lease_id: id,
        experiment_id: experiment.clone(),
        holder: request.holder,
        holder_instance: request.holder_instance,
        acquired_at: now,
        expires_at: end(now, duration),
        renewed_at: now,
    };
    let kept = KeptLease {
        lease: lease.clone(),
        expiry_is_told: false,
    };
    let kept = Some(kept);
    Ok((lease, LeaseChange { kept, notices }))
}

/// Prolongs a lease that is still active, for its holder and the process that acquired it. `by` is `None` when
/// callers are not checked.
pub(in crate::embedded) fn renew(
    current: Option<KeptLease>,
    by: Option<&WorkerId>,
    instance: &str,
    now: Timestamp,
    duration: Duration,
) -> Result<KeptLease, Refusal> {
    let Some(mut kept) = current else {
        let detail = "there is no such lease any more: it was released or replaced";
        return Err(Refusal::new(ErrorType::LeaseNotHeld, detail));
    };
    own(&kept.lease, by, instance)?;
    if !kept.lease.is_active(now) {
        let detail = format!("the lease ran out at {}: acquire it anew", kept.lease.expires_at);
        return Err(Refusal::new(ErrorType::LeaseExpired, detail));
    }
    kept.lease.expires_at = end(now, duration);
    kept.lease.renewed_at = now;
    Ok(kept)
}

/// Gives a lease back, expired or not. Of one that is gone already there is nothing to change.
pub(in crate::embedded) fn release(
    current: Option<&KeptLease>,
    by: Option<&WorkerId>,
    instance: &str,
    now: Timestamp,
) -> Result<Option<LeaseChange>, Refusal> {
    let Some(kept) = current else { return Ok(None) };
    own(&kept.lease, by, instance)?;
    let told = match kept.lease.is_active(now) {
        true => Some(RELEASED),
        false => kept.overdue(now),
    };
    Ok(Some(LeaseChange {
        kept: None,
        notices: told.into_iter().collect(),
    }))
}

/// What the leases whose expiry has not been told come to at a given time.
#[derive(Debug, Default, PartialEq)]
pub(in crate::embedded) struct Reckoning {
    /// Those that have expired; each is to be told once.
    pub(in crate::embedded) over: Vec<(ExperimentId, LeaseChange)>,
    /// When the next of the others will expire, unless it is renewed.
    pub(in crate::embedded) next: Option<Timestamp>,
}

/// Which of `kept` have expired by now.
pub(in crate::embedded) fn reckon(kept: Vec<KeptLease>, now: Timestamp) -> Reckoning {
    let mut reckoning = Reckoning::default();
    for mut kept in kept {
        let Some(notice) = kept.overdue(now) else {
            if kept.lease.is_active(now) {
                let end = kept.lease.expires_at;
                reckoning.next = Some(reckoning.next.map_or(end, |next| next.min(end)));
            }
            continue;
        };
        kept.expiry_is_told = true;
        let experiment = kept.lease.experiment_id.clone();
        let change = LeaseChange {
            kept: Some(kept),
            notices: vec![notice],
        };
        reckoning.over.push((experiment, change));
    }
    reckoning
}

/// What is told of a lease when its experiment leaves the registry, and the row with it.
pub(in crate::embedded) fn forget(kept: Option<&KeptLease>, now: Timestamp) -> LeaseChange {
    let overdue = kept.and_then(|kept| kept.overdue(now));
    LeaseChange {
        kept: None,
        notices: overdue.into_iter().collect(),
    }
}

fn own(lease: &Lease, by: Option<&WorkerId>, instance: &str) -> Result<(), Refusal> {
    if by.is_some_and(|by| *by != lease.holder) {
        let detail = format!("the lease is {}'s to renew and release", lease.holder);
        return Err(Refusal::new(ErrorType::Forbidden, detail));
    }
    if lease.holder_instance != instance {
        let detail = "another process of the holder acquired the lease";
        return Err(Refusal::new(ErrorType::LeaseInstanceMismatch, detail));
    }
    Ok(())
}

fn end(now: Timestamp, duration: Duration) -> Timestamp {
    let end = now.instant().checked_add(duration);
    end.unwrap_or(jiff::Timestamp::MAX).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::embedded::transition::model::{now, of, worker};

    const SPAN: Duration = Duration::from_secs(30);

    fn experiment(n: u8) -> ExperimentId {
        format!("exp_{n:0>26}").parse().expect("an id")
    }

    fn later(millis: i64) -> Timestamp {
        let instant = now().instant() + jiff::SignedDuration::from_millis(millis);
        instant.into()
    }

    fn request(holder: u8, instance: &str) -> AcquireLease {
        of(serde_json::json!({ "holder": worker(holder), "holder_instance": instance }))
    }

    fn acquired(current: Option<&KeptLease>, id: &str, by: u8, at: Timestamp) -> Result<LeaseChange, ErrorType> {
        let id = id.to_owned();
        acquire(current, id, &experiment(1), request(by, "one"), at, SPAN)
            .map(|(_, change)| change)
            .map_err(|refusal| refusal.kind)
    }

    fn held() -> KeptLease {
        let change = acquired(None, "l-1", 1, now()).expect("acquired");
        assert_eq!(change.notices, [ACQUIRED]);
        change.kept.expect("kept")
    }

    fn told(mut kept: KeptLease) -> KeptLease {
        kept.expiry_is_told = true;
        kept
    }

    #[test]
    fn a_lease_is_taken_where_no_other_is_active() {
        let held = held();
        assert_eq!(held.lease.expires_at, later(30_000));
        assert_eq!((held.lease.acquired_at, held.lease.renewed_at), (now(), now()));
        for (at, by) in [(0, 1), (0, 2), (30_000, 1), (30_000, 2)] {
            let refused = acquired(Some(&held), "l-2", by, later(at));
            assert_eq!(refused, Err(ErrorType::LeaseHeldByOther), "at {at} by {by}");
        }
        let over = acquired(Some(&held), "l-2", 2, later(30_001)).expect("handed over");
        assert_eq!(over.notices, [EXPIRED, ACQUIRED]);
        assert_eq!(over.kept.expect("kept").lease.lease_id, "l-2");
        let over = acquired(Some(&told(held)), "l-2", 2, later(30_001)).expect("handed over");
        assert_eq!(over.notices, [ACQUIRED], "its end was told before");
    }

    #[test]
    fn a_renewal_tells_its_failures_apart() {
        let held = held();
        let renew = |kept: Option<&KeptLease>, by: Option<u8>, instance: &str, at| {
            let by = by.map(worker);
            renew(kept.cloned(), by.as_ref(), instance, later(at), SPAN).map_err(|refusal| refusal.kind)
        };
        for at in [10_000, 30_000] {
            let renewed = renew(Some(&held), Some(1), "one", at).expect("renewed").lease;
            assert_eq!(
                (renewed.expires_at, renewed.renewed_at),
                (later(at + 30_000), later(at))
            );
            assert_eq!((&renewed.lease_id, renewed.acquired_at), (&held.lease.lease_id, now()));
        }
        for at in [0, 30_001] {
            let refused = |kept, by, instance| renew(kept, by, instance, at).err();
            assert_eq!(refused(None, Some(1), "one"), Some(ErrorType::LeaseNotHeld));
            assert_eq!(refused(Some(&held), Some(2), "one"), Some(ErrorType::Forbidden));
            assert_eq!(refused(Some(&held), Some(2), "two"), Some(ErrorType::Forbidden));
            assert_eq!(
                refused(Some(&held), Some(1), "two"),
                Some(ErrorType::LeaseInstanceMismatch)
            );
            assert_eq!(
                refused(Some(&held), None, "two"),
                Some(ErrorType::LeaseInstanceMismatch)
            );
        }
        for by in [Some(1), None] {
            assert_eq!(
                renew(Some(&held), by, "one", 30_001).err(),
                Some(ErrorType::LeaseExpired)
            );
        }
        assert!(
            renew(Some(&held), None, "one", 0).is_ok(),
            "where callers are not checked"
        );
    }

    #[test]
    fn a_release_is_idempotent_and_tells_one_end() {
        let held = held();
        let release = |kept: Option<&KeptLease>, by: Option<u8>, instance: &str, at| {
            let by = by.map(worker);
            release(kept, by.as_ref(), instance, later(at)).map_err(|refusal| refusal.kind)
        };
        let ended = |notices: &[&'static str]| {
            let notices = notices.to_vec();
            Ok(Some(LeaseChange { kept: None, notices }))
        };
        assert_eq!(release(None, Some(1), "one", 0), Ok(None));
        assert_eq!(release(Some(&held), Some(2), "two", 0), Err(ErrorType::Forbidden));
        assert_eq!(
            release(Some(&held), Some(1), "two", 0),
            Err(ErrorType::LeaseInstanceMismatch)
        );
        assert_eq!(release(Some(&held), Some(1), "one", 0), ended(&[RELEASED]));
        assert_eq!(release(Some(&held), None, "one", 30_000), ended(&[RELEASED]));
        assert_eq!(release(Some(&held), Some(1), "one", 30_001), ended(&[EXPIRED]));
        assert_eq!(release(Some(&told(held)), Some(1), "one", 30_001), ended(&[]));
    }

    #[test]
    fn an_expiry_is_told_once() {
        let held = held();
        let mut longer = held.clone();
        longer.lease.experiment_id = experiment(2);
        longer.lease.expires_at = later(50_000);
        let all = vec![longer.clone(), held.clone()];
        let none = reckon(all.clone(), later(30_000));
        assert_eq!((none.over.len(), none.next), (0, Some(later(30_000))));
        let one = reckon(all, later(30_001));
        assert_eq!(one.next, Some(later(50_000)));
        let (id, change) = &one.over[0];
        assert_eq!(
            (one.over.len(), id, &change.notices[..]),
            (1, &experiment(1), &[EXPIRED][..])
        );
        assert_eq!(change.kept, Some(told(held.clone())), "the row stays");
        let after = reckon(vec![told(held.clone()), longer], later(50_001));
        assert_eq!((after.over.len(), after.next), (1, None));
        assert_eq!(forget(Some(&held), later(30_001)).notices, [EXPIRED]);
        assert!(forget(Some(&told(held)), later(30_001)).notices.is_empty());
    }

    #[derive(Debug, Clone)]
    enum Op {
        Acquire(u8, u8, u8),
        Renew(usize, u8, u8),
        Release(usize, u8, u8),
        Advance(i64),
        Sweep,
    }

    fn ops() -> impl Strategy<Value = Op> {
        // Few of each, so that they meet.
        let (what, who) = (|| 0..2_u8, || 1..3_u8);
        prop_oneof![
            4 => (what(), who(), who()).prop_map(|(on, by, instance)| Op::Acquire(on, by, instance)),
            4 => (0..6_usize, who(), who()).prop_map(|(lease, by, instance)| Op::Renew(lease, by, instance)),
            2 => (0..6_usize, who(), who()).prop_map(|(lease, by, instance)| Op::Release(lease, by, instance)),
            3 => (1..40_000_i64).prop_map(Op::Advance),
            1 => Just(Op::Sweep),
        ]
    }

    /// A lease as the wire promises it, remembered for ever.
    struct Promised {
        experiment: u8,
        holder: u8,
        instance: u8,
        expires: i64,
        is_row: bool,
        notices: Vec<&'static str>,
    }

    #[derive(Default)]
    struct Deployment {
        rows: Vec<KeptLease>,
        promised: Vec<Promised>,
        at: i64,
    }

    impl Deployment {
        fn keep(&mut self, on: &ExperimentId, change: LeaseChange) {
            let before = self.rows.iter().find(|kept| kept.lease.experiment_id == *on).cloned();
            self.rows.retain(|kept| kept.lease.experiment_id != *on);
            self.rows.extend(change.kept.clone());
            for notice in change.notices {
                // An end is the old lease's, a beginning the new one's.
                let of = if notice == ACQUIRED { &change.kept } else { &before };
                let id = of.as_ref().expect("a lease to tell of").lease.lease_id.clone();
                self.promised[id.parse::<usize>().expect("an index")]
                    .notices
                    .push(notice);
            }
        }

        fn row(&self, id: usize) -> Option<KeptLease> {
            self.rows
                .iter()
                .find(|kept| kept.lease.lease_id == id.to_string())
                .cloned()
        }

        fn run(&mut self, op: Op) {
            let now = later(self.at);
            match op {
                Op::Advance(by) => self.at += by,
                Op::Sweep => {
                    for (on, change) in reckon(self.rows.clone(), now).over {
                        self.keep(&on, change);
                    }
                    for promised in self.promised.iter().filter(|p| p.is_row && p.expires < self.at) {
                        assert_eq!(promised.notices, [ACQUIRED, EXPIRED]);
                    }
                }
                Op::Acquire(on, by, instance) => {
                    let id = experiment(on);
                    let current = self.rows.iter().find(|kept| kept.lease.experiment_id == id).cloned();
                    let active = |p: &Promised| p.experiment == on && p.is_row && p.expires >= self.at;
                    let held = self.promised.iter().any(active);
                    let name = self.promised.len().to_string();
                    let outcome = acquire(
                        current.as_ref(),
                        name,
                        &id,
                        request(by, &instance.to_string()),
                        now,
                        SPAN,
                    );
                    assert_eq!(
                        outcome.as_ref().err().map(|r| r.kind),
                        held.then_some(ErrorType::LeaseHeldByOther)
                    );
                    let Ok((_, change)) = outcome else { return };
                    for replaced in self.promised.iter_mut().filter(|p| p.experiment == on) {
                        replaced.is_row = false;
                    }
                    self.promised.push(Promised {
                        experiment: on,
                        holder: by,
                        instance,
                        expires: self.at + 30_000,
                        is_row: true,
                        notices: Vec::new(),
                    });
                    self.keep(&id, change);
                }
                Op::Renew(id, by, instance) => {
                    let outcome = renew(self.row(id), Some(&worker(by)), &instance.to_string(), now, SPAN);
                    let expected = match self.promised.get(id).filter(|p| p.is_row) {
                        None => Some(ErrorType::LeaseNotHeld),
                        Some(p) if p.holder != by => Some(ErrorType::Forbidden),
                        Some(p) if p.instance != instance => Some(ErrorType::LeaseInstanceMismatch),
                        Some(p) if p.expires < self.at => Some(ErrorType::LeaseExpired),
                        Some(_) => None,
                    };
                    assert_eq!(outcome.as_ref().err().map(|r| r.kind), expected);
                    let Ok(kept) = outcome else { return };
                    self.promised[id].expires = self.at + 30_000;
                    let on = kept.lease.experiment_id.clone();
                    let (kept, notices) = (Some(kept), Vec::new());
                    self.keep(&on, LeaseChange { kept, notices });
                }
                Op::Release(id, by, instance) => {
                    let row = self.row(id);
                    let outcome = release(row.as_ref(), Some(&worker(by)), &instance.to_string(), now);
                    let expected = match self.promised.get(id).filter(|p| p.is_row) {
                        Some(p) if p.holder != by => Some(ErrorType::Forbidden),
                        Some(p) if p.instance != instance => Some(ErrorType::LeaseInstanceMismatch),
                        _ => None,
                    };
                    assert_eq!(outcome.as_ref().err().map(|r| r.kind), expected);
                    if let (Ok(Some(change)), Some(row)) = (outcome, row) {
                        self.promised[id].is_row = false;
                        self.keep(&row.lease.experiment_id, change);
                    }
                }
            }
        }

        fn check(&self) {
            for on in 0..2 {
                let rows = || {
                    self.rows
                        .iter()
                        .filter(|kept| kept.lease.experiment_id == experiment(on))
                };
                let active = |p: &&Promised| p.experiment == on && p.is_row && p.expires >= self.at;
                let promised = self.promised.iter().filter(active).count();
                assert!(promised <= 1 && rows().count() <= 1, "at most one, active or kept");
                assert_eq!(
                    rows().filter(|kept| kept.lease.is_active(later(self.at))).count(),
                    promised
                );
            }
            for promised in &self.promised {
                let told = match promised.notices[..] {
                    [ACQUIRED] => promised.is_row,
                    [ACQUIRED, EXPIRED] => promised.expires < self.at,
                    [ACQUIRED, RELEASED] => !promised.is_row,
                    _ => false,
                };
                assert!(told, "{:?}", promised.notices);
            }
        }
    }

    proptest! {
        #[test]
        fn an_experiment_has_one_lease_at_a_time_whatever_is_asked(ops in proptest::collection::vec(ops(), 1..80)) {
            let mut deployment = Deployment::default();
            for op in ops {
                deployment.run(op);
                deployment.check();
            }
        }
    }
}
