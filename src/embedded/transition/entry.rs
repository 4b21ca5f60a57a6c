//! The registry's entry of an experiment (`ch11 §2`, `§3`), put together from what the deployment knows: the control
//! plane's row, the lease, and the task store, which shares the database and so is never asked in vain.

use std::time::Duration;

use super::{KeptLease, Refusal};
use crate::protocol::*;

/// After how long an experiment that no task store hosts is warned about: ten polls of 30 s that a poller would have
/// made for nothing (`ch11 §3.4`).
const STALE_AFTER: Duration = Duration::from_secs(300);

/// A registered experiment.
#[derive(Debug, Clone)]
pub(in crate::embedded) struct Registered {
    /// As it was registered. The state in it is the first one, and nobody's lease.
    pub(in crate::embedded) entry: RegistryEntry,
    pub(in crate::embedded) lease: Option<KeptLease>,
    /// The state in the task store, if it hosts the experiment.
    pub(in crate::embedded) state: Option<ExperimentState>,
}

impl Registered {
    fn state(&self) -> ExperimentState {
        self.state.unwrap_or(self.entry.last_known_state)
    }

    /// The entry as readers see it now.
    pub(in crate::embedded) fn shown(self, now: Timestamp) -> RegistryEntry {
        let state = self.state();
        let mut entry = self.entry;
        entry.last_known_state = state;
        entry.lease = self.lease.map(|kept| kept.lease).filter(|lease| lease.is_active(now));
        let age = now.instant().duration_since(entry.created_at.instant());
        // A clock that was set back makes nothing stale.
        let is_stale = Duration::try_from(age).is_ok_and(|age| age >= STALE_AFTER);
        if self.state.is_none() && is_stale {
            entry.warnings.push(format!(
                "state-sync-stale: no task store here hosts this experiment; last successful read at {}",
                entry.created_at
            ));
        }
        entry
    }

    /// Whether it may leave the registry: terminated, and leased to nobody (`ch11 §2.2`). One that was never seeded
    /// cannot terminate, so it has to be seeded and terminated first.
    pub(in crate::embedded) fn may_leave(&self, now: Timestamp) -> Result<(), Refusal> {
        let id = &self.entry.experiment_id;
        if self.state() != ExperimentState::Terminated {
            return Err(Refusal::precondition(match self.state {
                Some(_) => format!("experiment {id} is running: terminate it first"),
                None => format!("no task store hosts experiment {id}: seed it and terminate it first"),
            }));
        }
        match self.lease.as_ref().filter(|kept| kept.lease.is_active(now)) {
            Some(kept) => Err(Refusal::precondition(format!(
                "{} has a lease on experiment {id} until {}: let it be released or run out first",
                kept.lease.holder, kept.lease.expires_at
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::transition::model::{NOW, now, of, worker};

    fn registered(state: Option<ExperimentState>) -> Registered {
        let id = "exp_00000000000000000000000001";
        Registered {
            entry: of(serde_json::json!({
                "experiment_id": id, "config_uri": "file:///a", "created_at": NOW, "last_known_state": "running",
                "lease": null,
            })),
            lease: Some(KeptLease {
                lease: of(serde_json::json!({
                    "lease_id": "l-1", "experiment_id": id, "holder": worker(1), "holder_instance": "one",
                    "acquired_at": NOW, "expires_at": "2026-01-02T03:04:35.000Z", "renewed_at": NOW,
                })),
                expiry_is_told: false,
            }),
            state,
        }
    }

    fn after(seconds: i64) -> Timestamp {
        (now().instant() + jiff::SignedDuration::from_secs(seconds)).into()
    }

    #[test]
    fn an_entry_shows_the_active_lease_and_the_task_stores_state() {
        use ExperimentState::{Running, Terminated};
        for (seconds, is_leased) in [(0, true), (30, true), (31, false)] {
            let shown = registered(Some(Terminated)).shown(after(seconds));
            assert_eq!((shown.lease.is_some(), shown.last_known_state), (is_leased, Terminated));
        }
        assert_eq!(registered(None).shown(now()).last_known_state, Running);
    }

    #[test]
    fn an_experiment_that_nothing_hosts_is_warned_about_in_time() {
        for (state, seconds, warned) in [
            (None, -1, false),
            (None, 299, false),
            (None, 300, true),
            (Some(ExperimentState::Running), 300, false),
        ] {
            let warnings = registered(state).shown(after(seconds)).warnings;
            let expected =
                format!("state-sync-stale: no task store here hosts this experiment; last successful read at {NOW}");
            assert_eq!(
                warnings,
                if warned { vec![expected] } else { Vec::new() },
                "{state:?} at {seconds}"
            );
        }
    }

    #[test]
    fn only_what_is_over_and_leased_to_nobody_may_leave() {
        use ExperimentState::{Running, Terminated};
        for (state, seconds, may) in [
            (None, 31, false),
            (Some(Running), 31, false),
            (Some(Terminated), 30, false),
            (Some(Terminated), 31, true),
        ] {
            let outcome = registered(state)
                .may_leave(after(seconds))
                .map_err(|refusal| refusal.kind);
            let expected = if may {
                Ok(())
            } else {
                Err(ErrorType::InvalidPrecondition)
            };
            assert_eq!(outcome, expected, "{state:?} at {seconds}");
        }
    }
}
