//! The workers and groups of an experiment. They are not in the log: a push stream signals their changes apart, and where
//! there is none they are read through, with a short life.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::follow::Pause;
use super::mirror::Writer;
use super::revision::Topic;
use super::snapshot::Snapshot;
use crate::client::ExperimentClient;
use crate::protocol::{Event, GroupId, Timestamp, WorkerId};

/// When to read them again, where nobody signals that they changed.
pub(super) struct Members {
    read_at: Timestamp,
    /// Ids that were read for already; one that is still unknown is not read for again.
    missed: BTreeSet<String>,
}

impl Members {
    /// How long they are good for; the next view after that has them read again.
    const LIFE: Duration = Duration::from_secs(30);

    /// They were just read, the first time.
    pub(super) fn just_read(now: Timestamp) -> Self {
        Self {
            read_at: now,
            missed: BTreeSet::new(),
        }
    }

    pub(super) fn were_read(&mut self, now: Timestamp) {
        self.read_at = now;
    }

    pub(super) fn are_old(&self, now: Timestamp) -> bool {
        now.instant().duration_since(self.read_at.instant()).unsigned_abs() >= Self::LIFE
    }

    /// Whether somebody viewed a page since. An open page asks for nothing by itself, whatever it refetches.
    pub(super) fn were_viewed(&self, last_asked: Timestamp) -> bool {
        last_asked.instant() > self.read_at.instant()
    }

    /// Whether an event names a worker or a group that the picture does not have.
    pub(super) fn are_unknown(&mut self, events: &[(u64, Arc<Event>)], held: &Snapshot) -> bool {
        let named = events.iter().flat_map(|(_, event)| event.data.values());
        let unknown = named.filter_map(|value| value.as_str()).filter(|text| {
            let worker = text.parse::<WorkerId>();
            let group = text.parse::<GroupId>();
            worker.is_ok_and(|id| !held.workers.contains_key(&id))
                || group.is_ok_and(|id| held.groups.iter().all(|group| group.group_id != id))
        });
        unknown.fold(false, |is_new, id| self.missed.insert(id.to_owned()) | is_new)
    }
}

/// Reads them again, and tells of them if they are others.
pub(super) async fn refresh_members(client: &ExperimentClient, writer: &Writer) -> Result<(), Pause> {
    let (workers, groups) = futures_util::future::try_join(client.workers(), client.groups()).await?;
    let view = writer.view();
    let Some(held) = view.snapshot() else {
        return Err(Pause::Relist);
    };
    let workers = workers.into_iter().map(|w| (w.worker_id.clone(), w)).collect();
    if *held.workers == workers && *held.groups == groups {
        return Ok(());
    }
    let mut snapshot = Snapshot::clone(held);
    snapshot.workers = Arc::new(workers);
    snapshot.groups = Arc::new(groups);
    writer.publish(snapshot, &[Topic::Experiment]);
    Ok(())
}
