//! The registry's rows: what the control plane says of an experiment, and what looking at its task store brought to light.

use std::sync::Arc;

use imbl::OrdMap;

use super::freshness::Freshness;
use super::probe::{Depth, Look};
use super::registry::{Hosting, RegistryRow, RegistryView};
use super::registry_feed::{RegistryFeed, SPELL};
use super::saved::KeptRow;
use super::unavailability::{Server, Unavailability};
use crate::protocol::{ExperimentId, RegistryEntry, Timestamp};

impl RegistryFeed {
    /// Shows what the control plane says of an experiment, and has its task store asked.
    pub(super) fn tell_of(&self, id: ExperimentId, entry: Option<RegistryEntry>) {
        let row = self.known(id, entry);
        self.put(row.clone());
        self.look(row, Depth::Anew);
    }

    /// Looks again at what is on disk, and, while anybody looks, at what the task stores did not have or say.
    pub(super) fn ask_again(&self) {
        let is_watched = self.registry.is_watched(&self.clock, SPELL);
        for row in self.registry.view().rows.values() {
            let is_known = matches!(row.hosting, Hosting::Hosted(_)) && row.tells_config.is_some();
            match (is_known, is_watched) {
                (true, _) => self.look(RegistryRow::clone(row), Depth::Disk),
                (false, true) => self.look(RegistryRow::clone(row), Depth::Store),
                (false, false) => {}
            }
        }
    }

    pub(super) fn look(&self, row: RegistryRow, depth: Depth) {
        // A receiver that is gone means the process is stopping.
        let _ = self.looks.send((row, depth));
    }

    /// What a look has brought to light, unless the experiment is gone meanwhile. What the control plane says of it may
    /// be newer than the look.
    pub(super) fn found(&self, (found, depth): Look) {
        let view = self.registry.view();
        let Some(held) = view.rows.get(&found.id) else { return };
        if depth == Depth::Disk && (&found.hosting, found.tells_config) != (&held.hosting, held.tells_config) {
            // It was looked for what the task store has taken back meanwhile.
            return;
        }
        let entry = held.entry.clone();
        self.put(RegistryRow { entry, ..found });
    }

    /// A row as far as it is known.
    fn known(&self, id: ExperimentId, entry: Option<RegistryEntry>) -> RegistryRow {
        match self.registry.view().rows.get(&id) {
            Some(held) => RegistryRow {
                entry,
                ..RegistryRow::clone(held)
            },
            None => {
                let credential = self.stores.credential_state(&id);
                RegistryRow::unasked(id, entry, credential)
            }
        }
    }

    pub(super) fn put(&self, row: RegistryRow) {
        let view = self.registry.view();
        if view.rows.get(&row.id).map(Arc::as_ref) != Some(&row) {
            let id = row.id.clone();
            self.registry.set(|mut view| {
                view.rows.insert(row.id.clone(), Arc::new(row));
                view
            });
            let _ = self.changed.send(id);
        }
    }

    /// Shows the list of an earlier life, as old as it is.
    pub(super) fn restore(&self, rows: Vec<KeptRow>, heard: Timestamp) {
        let rows = rows.into_iter().map(|KeptRow { id, entry, hosted }| {
            let credential = self.stores.credential_state(&id);
            let row = RegistryRow::kept(id, entry, hosted, credential);
            (row.id.clone(), Arc::new(row))
        });
        self.registry.heard_at(heard);
        self.registry.set(|view| RegistryView {
            listed: true,
            rows: rows.collect(),
            freshness: Freshness::Stale {
                since: heard,
                cause: Unavailability::not_yet_contacted(Server::ControlPlane),
            },
            ..view
        });
    }

    /// Swaps in a whole list, if it is another: every entry, and the default experiment even if it is not registered.
    /// Task stores are asked about what is told otherwise than before, and about the rest as far as `depth`.
    pub(super) fn list(&self, entries: Vec<RegistryEntry>, depth: Depth) {
        let default = self.stores.default_experiment();
        let unregistered = default.filter(|id| entries.iter().all(|entry| entry.experiment_id != **id));
        let entries = entries
            .into_iter()
            .map(|entry| (entry.experiment_id.clone(), Some(entry)));
        let rows: OrdMap<_, _> = entries
            .chain(unregistered.map(|id| (id.clone(), None)))
            .map(|(id, entry)| (id.clone(), Arc::new(self.known(id, entry))))
            .collect();
        let view = self.registry.view();
        let is_same = |id: &ExperimentId| view.rows.get(id) == rows.get(id);
        for (id, row) in &rows {
            let depth = if is_same(id) { depth } else { Depth::Anew };
            self.look(RegistryRow::clone(row), depth);
        }
        for id in view.rows.keys().chain(rows.keys()).filter(|id| !is_same(id)) {
            let _ = self.changed.send(id.clone());
        }
        if !view.listed || view.rows != rows {
            self.registry.set(|view| RegistryView {
                listed: true,
                rows,
                ..view
            });
        }
    }
}
