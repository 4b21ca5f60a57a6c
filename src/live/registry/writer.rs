//! Changes the registry: what the control plane says of an experiment, and what probing its task store found.

use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use tokio::sync::mpsc;

use super::probe_queue::{Probe, ProbeDepth};
use super::row::{Hosting, RegistryRow};
use super::view::{Registry, RegistryView};
use crate::access::StoreFactory;
use crate::clock::Clock;
use crate::live::freshness::Freshness;
use crate::live::saved::SavedRow;
use crate::live::unavailability::{Server, Unavailability};
use crate::protocol::{ExperimentId, RegistryEntry, Timestamp};

/// The most experiments that a round probes again.
const PROBES_PER_ROUND: usize = 250;

/// The only writer of the registry.
pub(in crate::live) struct RegistryWriter {
    pub registry: Arc<Registry>,
    pub stores: StoreFactory,
    pub clock: Clock,
    /// Probes to carry out.
    pub probes: mpsc::UnboundedSender<Probe>,
    /// Ids of experiments that changed; their mirrors try again at once.
    pub changed: mpsc::UnboundedSender<ExperimentId>,
    /// The experiment that the last round of probes ended with; none when it came to the end of the list.
    pub probed_down_to: Option<ExperimentId>,
}

impl RegistryWriter {
    /// How long after the last view the registry still counts as viewed.
    const VIEWED_FOR: Duration = Duration::from_secs(30);

    pub(super) fn view(&self) -> Arc<RegistryView> {
        self.registry.view()
    }

    /// Whether anybody views the registry, or did a moment ago.
    pub(super) fn is_viewed(&self) -> bool {
        !self.registry.usage.is_idle(self.clock.now(), Self::VIEWED_FOR)
    }

    /// Records that the control plane answered.
    pub(super) fn heard(&self) {
        self.registry.set_last_heard(self.clock.now());
    }

    /// Changes the freshness, if it differs.
    pub(super) fn set_freshness(&self, freshness: Freshness) {
        if self.view().freshness != freshness {
            self.registry.update(|view| RegistryView { freshness, ..view });
        }
    }

    /// Marks the registry stale since the control plane last answered.
    pub(super) fn set_stale(&self, cause: Unavailability) {
        self.set_freshness(Freshness::Stale {
            since: self.registry.last_heard(),
            cause,
        });
    }

    /// Publishes the entry of an experiment, and has its task store probed.
    pub(super) fn put_entry(&self, id: ExperimentId, entry: Option<RegistryEntry>) {
        let row = self.with_entry(id, entry);
        self.put(vec![row.clone()]);
        self.probe(row, ProbeDepth::StoreAfresh);
    }

    /// Removes an experiment.
    pub(super) fn remove(&self, id: ExperimentId) {
        if self.view().rows.contains_key(&id) {
            self.registry.update(|mut view| {
                view.remove(&id);
                view
            });
            self.announce(id);
        }
    }

    /// Probes one experiment again, even if it is being probed.
    pub(super) fn probe_afresh(&self, id: &ExperimentId) {
        if let Some(row) = self.view().rows.get(id) {
            self.probe(RegistryRow::clone(row), ProbeDepth::StoreAfresh);
        }
    }

    /// Probes experiments again: what is on disk, and, while anybody views the registry, also the task stores that did
    /// not have an experiment or did not answer. A round begins with the newest, or where the last one ended, and stops
    /// after [`PROBES_PER_ROUND`]. So the rate does not grow with the registry.
    pub(super) fn probe_round(&mut self) {
        let is_viewed = self.is_viewed();
        let view = self.view();
        let round = view.newest_before(self.probed_down_to.as_ref(), PROBES_PER_ROUND);
        let is_full = round.len() == PROBES_PER_ROUND;
        self.probed_down_to = round.last().filter(|_| is_full).map(|row| row.id.clone());
        for row in &round {
            let is_known = matches!(row.hosting, Hosting::Hosted(_)) && row.serves_config.is_some();
            match (is_known, is_viewed) {
                (true, _) => self.probe(RegistryRow::clone(row), ProbeDepth::Disk),
                (false, true) => self.probe(RegistryRow::clone(row), ProbeDepth::Store),
                (false, false) => {}
            }
        }
    }

    /// Publishes what probes found, except of experiments that were removed meanwhile. The entries are kept: a probe may
    /// be older than what the control plane said since.
    pub(super) fn put_probed(&self, probes: Vec<Probe>) {
        let view = self.view();
        let found = probes.into_iter().filter_map(|probe| {
            let held = view.rows.get(&probe.row.id)?;
            let has_moved_on = (&probe.row.hosting, probe.row.serves_config) != (&held.hosting, held.serves_config);
            // It may have been read from disk for a row that a newer probe of the task store has replaced.
            let is_old = probe.depth == ProbeDepth::Disk && has_moved_on;
            let entry = held.entry.clone();
            (!is_old).then_some(RegistryRow { entry, ..probe.row })
        });
        self.put(found.collect());
    }

    /// Publishes the rows from disk, stale since `heard`.
    pub(super) fn restore(&self, rows: Vec<SavedRow>, heard: Timestamp) {
        let rows = rows.into_iter().map(|SavedRow { id, entry, hosted }| {
            let credential = self.stores.credential_state(&id);
            let row = RegistryRow::restored(id, entry, hosted, credential);
            (row.id.clone(), Arc::new(row))
        });
        self.registry.set_last_heard(heard);
        self.registry.update(|mut view| {
            view.set_listed(rows.collect());
            view.freshness = Freshness::Stale {
                since: heard,
                cause: Unavailability::not_yet_contacted(Server::ControlPlane),
            };
            view
        });
    }

    /// Publishes a whole list: every entry, and the default experiment even if it is not registered. Task stores of
    /// experiments that are new or changed are probed, the newest first; those of the others to the depth `unchanged`.
    pub(super) fn put_list(&self, entries: Vec<RegistryEntry>, unchanged: Option<ProbeDepth>) {
        let default = self.stores.default_experiment();
        let unregistered = default.filter(|id| entries.iter().all(|entry| entry.experiment_id != **id));
        let entries = entries
            .into_iter()
            .map(|entry| (entry.experiment_id.clone(), Some(entry)));
        let rows: OrdMap<_, _> = entries
            .chain(unregistered.map(|id| (id.clone(), None)))
            .map(|(id, entry)| (id.clone(), Arc::new(self.with_entry(id, entry))))
            .collect();
        let view = self.view();
        let is_same = |id: &ExperimentId| view.rows.get(id) == rows.get(id);
        for (id, row) in rows.iter().rev() {
            let depth = match view.rows.contains_key(id) {
                _ if is_same(id) => unchanged,
                // What else changes meanwhile goes before a long list of new experiments.
                false => Some(ProbeDepth::Store),
                true => Some(ProbeDepth::StoreAfresh),
            };
            if let Some(depth) = depth {
                self.probe(RegistryRow::clone(row), depth);
            }
        }
        for id in view.rows.keys().chain(rows.keys()).filter(|id| !is_same(id)) {
            self.announce(id.clone());
        }
        if !view.listed || view.rows != rows {
            self.registry.update(|mut view| {
                view.set_listed(rows);
                view
            });
        }
    }

    /// The row that is held of an experiment, or a new one, with this entry.
    fn with_entry(&self, id: ExperimentId, entry: Option<RegistryEntry>) -> RegistryRow {
        match self.view().rows.get(&id) {
            Some(held) => RegistryRow {
                entry,
                ..RegistryRow::clone(held)
            },
            None => {
                let credential = self.stores.credential_state(&id);
                RegistryRow::unprobed(id, entry, credential)
            }
        }
    }

    /// Publishes those of the rows that differ from what is held.
    fn put(&self, mut rows: Vec<RegistryRow>) {
        let view = self.view();
        rows.retain(|row| view.rows.get(&row.id).map(Arc::as_ref) != Some(row));
        if rows.is_empty() {
            return;
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
        self.registry.update(|mut view| {
            for row in rows {
                view.insert(row);
            }
            view
        });
        for id in ids {
            self.announce(id);
        }
    }

    fn probe(&self, row: RegistryRow, depth: ProbeDepth) {
        // A closed receiver means that the process is stopping.
        let _ = self.probes.send(Probe { row, depth });
    }

    fn announce(&self, id: ExperimentId) {
        // A closed receiver means that the process is stopping.
        let _ = self.changed.send(id);
    }
}
