use proptest::prelude::*;

use super::*;
use crate::embedded::transition::tests::model::{now, of, worker};

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

fn acquired(current: Option<&StoredLease>, id: &str, by: u8, at: Timestamp) -> Result<LeaseChange, ErrorType> {
    let id = id.to_owned();
    acquire(current, id, &experiment(1), request(by, "one"), at, SPAN)
        .map(|(_, change)| change)
        .map_err(|error| error.kind)
}

fn held() -> StoredLease {
    let change = acquired(None, "l-1", 1, now()).expect("acquired");
    assert_eq!(change.notices, [ACQUIRED]);
    change.stored.expect("stored")
}

fn announced(mut stored: StoredLease) -> StoredLease {
    stored.expiry_announced = true;
    stored
}

#[test]
fn a_lease_is_acquired_only_while_no_other_is_active() {
    let held = held();
    assert_eq!(held.lease.expires_at, later(30_000));
    assert_eq!((held.lease.acquired_at, held.lease.renewed_at), (now(), now()));
    for (at, by) in [(0, 1), (0, 2), (30_000, 1), (30_000, 2)] {
        let refused = acquired(Some(&held), "l-2", by, later(at));
        assert_eq!(refused, Err(ErrorType::LeaseHeldByOther), "at {at} by {by}");
    }
    let second = acquired(Some(&held), "l-2", 2, later(30_001)).expect("acquired");
    assert_eq!(second.notices, [EXPIRED, ACQUIRED]);
    assert_eq!(second.stored.expect("stored").lease.lease_id, "l-2");
    let second = acquired(Some(&announced(held)), "l-2", 2, later(30_001)).expect("acquired");
    assert_eq!(second.notices, [ACQUIRED], "its end was announced before");
}

#[test]
fn each_failure_of_a_renewal_has_its_own_error() {
    let held = held();
    let renew = |stored: Option<&StoredLease>, by: Option<u8>, instance: &str, at| {
        let by = by.map(worker);
        renew(stored.cloned(), by.as_ref(), instance, later(at), SPAN).map_err(|error| error.kind)
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
        let refused = |stored, by, instance| renew(stored, by, instance, at).err();
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
    assert!(renew(Some(&held), None, "one", 0).is_ok(), "authentication is off");
}

#[test]
fn a_release_is_idempotent_and_announces_one_end() {
    let held = held();
    let release = |stored: Option<&StoredLease>, by: Option<u8>, instance: &str, at| {
        let by = by.map(worker);
        release(stored, by.as_ref(), instance, later(at)).map_err(|error| error.kind)
    };
    let ended = |notices: &[&'static str]| {
        let notices = notices.to_vec();
        Ok(Some(LeaseChange { stored: None, notices }))
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
    assert_eq!(release(Some(&announced(held)), Some(1), "one", 30_001), ended(&[]));
}

#[test]
fn an_expiry_is_announced_once() {
    let held = held();
    let mut longer = held.clone();
    longer.lease.experiment_id = experiment(2);
    longer.lease.expires_at = later(50_000);
    let all = vec![longer.clone(), held.clone()];
    let none = sweep(all.clone(), later(30_000));
    assert_eq!((none.expired.len(), none.next_expiry), (0, Some(later(30_000))));
    let one = sweep(all, later(30_001));
    assert_eq!(one.next_expiry, Some(later(50_000)));
    let (id, change) = &one.expired[0];
    assert_eq!(
        (one.expired.len(), id, &change.notices[..]),
        (1, &experiment(1), &[EXPIRED][..])
    );
    assert_eq!(change.stored, Some(announced(held.clone())), "the row stays");
    let after = sweep(vec![announced(held.clone()), longer], later(50_001));
    assert_eq!((after.expired.len(), after.next_expiry), (1, None));
    assert_eq!(unregister(Some(&held), later(30_001)).notices, [EXPIRED]);
    assert!(unregister(Some(&announced(held)), later(30_001)).notices.is_empty());
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
    // Few ids, so that operations concern the same lease.
    let (what, who) = (|| 0..2_u8, || 1..3_u8);
    prop_oneof![
        4 => (what(), who(), who()).prop_map(|(on, by, instance)| Op::Acquire(on, by, instance)),
        4 => (0..6_usize, who(), who()).prop_map(|(lease, by, instance)| Op::Renew(lease, by, instance)),
        2 => (0..6_usize, who(), who()).prop_map(|(lease, by, instance)| Op::Release(lease, by, instance)),
        3 => (1..40_000_i64).prop_map(Op::Advance),
        1 => Just(Op::Sweep),
    ]
}

/// What the wire promises about a lease.
struct ExpectedLease {
    experiment: u8,
    holder: u8,
    instance: u8,
    expires: i64,
    is_stored: bool,
    notices: Vec<&'static str>,
}

#[derive(Default)]
struct Deployment {
    rows: Vec<StoredLease>,
    expected: Vec<ExpectedLease>,
    at: i64,
}

impl Deployment {
    fn store(&mut self, on: &ExperimentId, change: LeaseChange) {
        let before = self
            .rows
            .iter()
            .find(|stored| stored.lease.experiment_id == *on)
            .cloned();
        self.rows.retain(|stored| stored.lease.experiment_id != *on);
        self.rows.extend(change.stored.clone());
        for notice in change.notices {
            // An end belongs to the old lease, an acquisition to the new one.
            let of = if notice == ACQUIRED { &change.stored } else { &before };
            let id = of.as_ref().expect("a lease").lease.lease_id.clone();
            self.expected[id.parse::<usize>().expect("an index")]
                .notices
                .push(notice);
        }
    }

    fn row(&self, id: usize) -> Option<StoredLease> {
        self.rows
            .iter()
            .find(|stored| stored.lease.lease_id == id.to_string())
            .cloned()
    }

    fn run(&mut self, op: Op) {
        let now = later(self.at);
        match op {
            Op::Advance(by) => self.at += by,
            Op::Sweep => {
                for (on, change) in sweep(self.rows.clone(), now).expired {
                    self.store(&on, change);
                }
                for expected in self.expected.iter().filter(|p| p.is_stored && p.expires < self.at) {
                    assert_eq!(expected.notices, [ACQUIRED, EXPIRED]);
                }
            }
            Op::Acquire(on, by, instance) => {
                let id = experiment(on);
                let current = self
                    .rows
                    .iter()
                    .find(|stored| stored.lease.experiment_id == id)
                    .cloned();
                let active = |p: &ExpectedLease| p.experiment == on && p.is_stored && p.expires >= self.at;
                let held = self.expected.iter().any(active);
                let name = self.expected.len().to_string();
                let result = acquire(
                    current.as_ref(),
                    name,
                    &id,
                    request(by, &instance.to_string()),
                    now,
                    SPAN,
                );
                assert_eq!(
                    result.as_ref().err().map(|r| r.kind),
                    held.then_some(ErrorType::LeaseHeldByOther)
                );
                let Ok((_, change)) = result else { return };
                for replaced in self.expected.iter_mut().filter(|p| p.experiment == on) {
                    replaced.is_stored = false;
                }
                self.expected.push(ExpectedLease {
                    experiment: on,
                    holder: by,
                    instance,
                    expires: self.at + 30_000,
                    is_stored: true,
                    notices: Vec::new(),
                });
                self.store(&id, change);
            }
            Op::Renew(id, by, instance) => {
                let result = renew(self.row(id), Some(&worker(by)), &instance.to_string(), now, SPAN);
                let expected = match self.expected.get(id).filter(|p| p.is_stored) {
                    None => Some(ErrorType::LeaseNotHeld),
                    Some(p) if p.holder != by => Some(ErrorType::Forbidden),
                    Some(p) if p.instance != instance => Some(ErrorType::LeaseInstanceMismatch),
                    Some(p) if p.expires < self.at => Some(ErrorType::LeaseExpired),
                    Some(_) => None,
                };
                assert_eq!(result.as_ref().err().map(|r| r.kind), expected);
                let Ok(stored) = result else { return };
                self.expected[id].expires = self.at + 30_000;
                let on = stored.lease.experiment_id.clone();
                let (stored, notices) = (Some(stored), Vec::new());
                self.store(&on, LeaseChange { stored, notices });
            }
            Op::Release(id, by, instance) => {
                let row = self.row(id);
                let result = release(row.as_ref(), Some(&worker(by)), &instance.to_string(), now);
                let expected = match self.expected.get(id).filter(|p| p.is_stored) {
                    Some(p) if p.holder != by => Some(ErrorType::Forbidden),
                    Some(p) if p.instance != instance => Some(ErrorType::LeaseInstanceMismatch),
                    _ => None,
                };
                assert_eq!(result.as_ref().err().map(|r| r.kind), expected);
                if let (Ok(Some(change)), Some(row)) = (result, row) {
                    self.expected[id].is_stored = false;
                    self.store(&row.lease.experiment_id, change);
                }
            }
        }
    }

    fn check(&self) {
        for on in 0..2 {
            let rows = || {
                self.rows
                    .iter()
                    .filter(|stored| stored.lease.experiment_id == experiment(on))
            };
            let active = |p: &&ExpectedLease| p.experiment == on && p.is_stored && p.expires >= self.at;
            let expected = self.expected.iter().filter(active).count();
            assert!(expected <= 1 && rows().count() <= 1, "at most one, active or stored");
            assert_eq!(
                rows().filter(|stored| stored.lease.is_active(later(self.at))).count(),
                expected
            );
        }
        for expected in &self.expected {
            let announced = match expected.notices[..] {
                [ACQUIRED] => expected.is_stored,
                [ACQUIRED, EXPIRED] => expected.expires < self.at,
                [ACQUIRED, RELEASED] => !expected.is_stored,
                _ => false,
            };
            assert!(announced, "{:?}", expected.notices);
        }
    }
}

proptest! {
    #[test]
    fn no_sequence_of_requests_gives_an_experiment_two_leases(ops in proptest::collection::vec(ops(), 1..80)) {
        let mut deployment = Deployment::default();
        for op in ops {
            deployment.run(op);
            deployment.check();
        }
    }
}
