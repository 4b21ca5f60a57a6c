//! Probes, and those that wait to be carried out: at most one per experiment.

use std::collections::{HashMap, VecDeque};

use super::row::RegistryRow;
use crate::protocol::ExperimentId;

/// What a probe reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::live) enum ProbeDepth {
    /// The console's own disk: credential and configuration.
    Disk,
    /// Also the task store, unless a probe of it is under way.
    Store,
    /// Also the task store, after any probe that is under way: something changed just now.
    StoreAfresh,
}

/// A row to probe, as it is known; afterwards as it was found.
pub(in crate::live) struct Probe {
    pub row: RegistryRow,
    pub depth: ProbeDepth,
}

/// What changed just now is probed first, everything else in the order of the requests. Adding and taking cost the same
/// however many wait.
#[derive(Default)]
pub(super) struct ProbeQueue {
    waiting: HashMap<ExperimentId, Probe>,
    /// May hold ids that do not wait any more; they are skipped.
    first: VecDeque<ExperimentId>,
    then: VecDeque<ExperimentId>,
}

impl ProbeQueue {
    /// Adds a probe. One that waits for the same experiment is replaced, and the deeper depth of the two is kept.
    pub(super) fn add(&mut self, probe: Probe) {
        let id = probe.row.id.clone();
        let replaced = self.waiting.get(&id).map(|waiting| waiting.depth);
        let depth = replaced.map_or(probe.depth, |depth| depth.max(probe.depth));
        if replaced.is_none_or(|replaced| replaced < depth && depth == ProbeDepth::StoreAfresh) {
            let queue = match depth {
                ProbeDepth::StoreAfresh => &mut self.first,
                ProbeDepth::Disk | ProbeDepth::Store => &mut self.then,
            };
            queue.push_back(id.clone());
        }
        self.waiting.insert(id, Probe { depth, ..probe });
    }

    /// Takes the next probe.
    pub(super) fn take(&mut self) -> Option<Probe> {
        while let Some(id) = self.first.pop_front().or_else(|| self.then.pop_front()) {
            if let Some(probe) = self.waiting.remove(&id) {
                return Some(probe);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::CredentialState;
    use crate::live::registry::RegistryRow;

    fn probe(n: u32, depth: ProbeDepth) -> Probe {
        let id = format!("exp_{n:026}").parse().expect("an id");
        Probe {
            row: RegistryRow::unprobed(id, None, CredentialState::Stored),
            depth,
        }
    }

    fn taken(queue: &mut ProbeQueue) -> Vec<(u32, ProbeDepth)> {
        let probes = std::iter::from_fn(|| queue.take());
        let number = |probe: &Probe| probe.row.id.as_str()[4..].parse().expect("a number");
        probes.map(|probe| (number(&probe), probe.depth)).collect()
    }

    #[test]
    fn what_changed_goes_first_and_everything_is_probed_once() {
        use ProbeDepth::{Disk, Store, StoreAfresh};
        let mut queue = ProbeQueue::default();
        for (n, depth) in [
            (1, Disk),
            (2, Store),
            (3, Disk),
            (2, Disk),
            (3, StoreAfresh),
            (1, Store),
        ] {
            queue.add(probe(n, depth));
        }
        assert_eq!(taken(&mut queue), [(3, StoreAfresh), (1, Store), (2, Store)]);
        queue.add(probe(3, Disk));
        assert_eq!(taken(&mut queue), [(3, Disk)]);
    }
}
