//! The registry's entry of an experiment (`ch11 §2`, `§3`), composed of the registered entry, the lease, and the state
//! in the task store. The task store shares the database, so its state can always be read.

use std::time::Duration;

use super::StoredLease;
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// The age from which an experiment that no task store hosts has a warning: ten failed polls of 30 s (`ch11 §3.4`).
const STALE_AFTER: Duration = Duration::from_secs(300);

/// A registered experiment.
#[derive(Debug, Clone)]
pub(crate) struct RegisteredExperiment {
    /// As it was registered. Its state is the first one, and it has no lease.
    pub(crate) entry: RegistryEntry,
    pub(crate) lease: Option<StoredLease>,
    /// The state in the task store, if it hosts the experiment.
    pub(crate) state: Option<ExperimentState>,
}

impl RegisteredExperiment {
    fn state(&self) -> ExperimentState {
        self.state.unwrap_or(self.entry.last_known_state)
    }

    /// The entry as readers see it now.
    pub(crate) fn into_entry(self, now: Timestamp) -> RegistryEntry {
        let state = self.state();
        let mut entry = self.entry;
        entry.last_known_state = state;
        entry.lease = self
            .lease
            .map(|stored| stored.lease)
            .filter(|lease| lease.is_active(now));
        let age = now.instant().duration_since(entry.created_at.instant());
        // When the clock was set back the age is negative, and nothing is stale.
        let is_stale = Duration::try_from(age).is_ok_and(|age| age >= STALE_AFTER);
        if self.state.is_none() && is_stale {
            entry.warnings.push(format!(
                "state-sync-stale: no task store here hosts this experiment; last successful read at {}",
                entry.created_at
            ));
        }
        entry
    }

    /// Requires that it may be unregistered: it is terminated and has no active lease (`ch11 §2.2`). An experiment that
    /// was never seeded cannot be terminated, so it has to be seeded and terminated first.
    pub(crate) fn require_removable(&self, now: Timestamp) -> ProtocolResult {
        let id = &self.entry.experiment_id;
        if self.state() != ExperimentState::Terminated {
            return Err(ProtocolError::invalid_precondition(match self.state {
                Some(_) => format!("experiment {id} is running: terminate it first"),
                None => format!("no task store hosts experiment {id}: seed it and terminate it first"),
            }));
        }
        match self.lease.as_ref().filter(|stored| stored.lease.is_active(now)) {
            Some(stored) => Err(ProtocolError::invalid_precondition(format!(
                "{} has a lease on experiment {id} until {}: let it be released or run out first",
                stored.lease.holder, stored.lease.expires_at
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::transition::tests::model::{NOW, now, of, worker};

    fn registered(state: Option<ExperimentState>) -> RegisteredExperiment {
        let id = "exp_00000000000000000000000001";
        RegisteredExperiment {
            entry: of(serde_json::json!({
                "experiment_id": id, "config_uri": "file:///a", "created_at": NOW, "last_known_state": "running",
                "lease": null,
            })),
            lease: Some(StoredLease {
                lease: of(serde_json::json!({
                    "lease_id": "l-1", "experiment_id": id, "holder": worker(1), "holder_instance": "one",
                    "acquired_at": NOW, "expires_at": "2026-01-02T03:04:35.000Z", "renewed_at": NOW,
                })),
                expiry_announced: false,
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
            let entry = registered(Some(Terminated)).into_entry(after(seconds));
            assert_eq!((entry.lease.is_some(), entry.last_known_state), (is_leased, Terminated));
        }
        assert_eq!(registered(None).into_entry(now()).last_known_state, Running);
    }

    #[test]
    fn an_experiment_that_is_not_hosted_gets_a_warning() {
        for (state, seconds, warned) in [
            (None, -1, false),
            (None, 299, false),
            (None, 300, true),
            (Some(ExperimentState::Running), 300, false),
        ] {
            let warnings = registered(state).into_entry(after(seconds)).warnings;
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
    fn only_a_terminated_experiment_without_a_lease_is_removable() {
        use ExperimentState::{Running, Terminated};
        for (state, seconds, may) in [
            (None, 31, false),
            (Some(Running), 31, false),
            (Some(Terminated), 30, false),
            (Some(Terminated), 31, true),
        ] {
            let result = registered(state)
                .require_removable(after(seconds))
                .map_err(|error| error.kind);
            let expected = if may {
                Ok(())
            } else {
                Err(ErrorType::InvalidPrecondition)
            };
            assert_eq!(result, expected, "{state:?} at {seconds}");
        }
    }
}
