//! The workers and groups of an experiment. They are not in the log. A push stream signals their changes; without one
//! they are read again when they may be stale.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;

use super::interruption::Interruption;
use crate::client::ExperimentClient;
use crate::live::mirror::MirrorWriter;
use crate::live::revision::Topic;
use crate::live::snapshot::Snapshot;
use crate::protocol::{Event, GroupId, Timestamp, WorkerId};

/// When to read them again over a feed that does not signal their changes.
pub(super) struct MemberRefresh {
    read_at: Timestamp,
    /// Unknown ids that were read for once. One that is still unknown is not read for again.
    tried: BTreeSet<String>,
}

impl MemberRefresh {
    /// After this long, the next page request has them read again.
    const MAX_AGE: Duration = Duration::from_secs(30);

    /// They were read at `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            read_at: now,
            tried: BTreeSet::new(),
        }
    }

    pub(super) fn refreshed(&mut self, now: Timestamp) {
        self.read_at = now;
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        now.instant().duration_since(self.read_at.instant()).unsigned_abs() >= Self::MAX_AGE
    }

    /// Whether they were read before an instant, such as that of a page request.
    pub(super) fn is_older_than(&self, instant: Timestamp) -> bool {
        instant > self.read_at
    }

    /// Whether an event names a worker or a group that the snapshot does not have, and that was not tried before.
    pub(super) fn finds_unknown(&mut self, events: &[(u64, Arc<Event>)], snapshot: &Snapshot) -> bool {
        let named = events.iter().flat_map(|(_, event)| event.data.values());
        let unknown = named.filter_map(|value| value.as_str()).filter(|text| {
            let worker = text.parse::<WorkerId>();
            let group = text.parse::<GroupId>();
            worker.is_ok_and(|id| !snapshot.workers.contains_key(&id))
                || group.is_ok_and(|id| snapshot.groups.iter().all(|group| group.group_id != id))
        });
        unknown.fold(false, |is_new, id| self.tried.insert(id.to_owned()) | is_new)
    }
}

/// Reads them again, and publishes them if they changed.
pub(super) async fn refresh_members(client: &ExperimentClient, writer: &MirrorWriter) -> Result<(), Interruption> {
    let (workers, groups) = try_join(client.workers(), client.groups()).await?;
    let view = writer.view();
    let held = view.snapshot().ok_or(Interruption::Relist)?;
    let mut snapshot = Snapshot::clone(held);
    if snapshot.put_members(workers, groups) {
        writer.publish(snapshot, &[Topic::Experiment]);
    }
    Ok(())
}
