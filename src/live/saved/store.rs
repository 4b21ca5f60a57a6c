//! The directory with the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::file::{self, File};
use super::saved_snapshot::{SavedSnapshot, SavedSnapshotRef};
use crate::live::registry::{Hosting, RegistryRow};
use crate::live::snapshot::Snapshot;
use crate::private_file::{create_private_dir, remove_abandoned};
use crate::protocol::{Experiment, ExperimentId, RegistryEntry, Timestamp};

/// The directory. Consoles of one deployment may share it: each file is replaced as a whole.
#[derive(Debug, Clone)]
pub(in crate::live) struct SnapshotStore {
    directory: Arc<Path>,
    /// The control plane of the registry that is saved. The registry of another one is not restored.
    control_plane: Option<String>,
}

/// A row of the registry, without what is probed again at each start.
#[derive(Serialize, Deserialize)]
pub(in crate::live) struct SavedRow {
    pub id: ExperimentId,
    pub entry: Option<RegistryEntry>,
    pub hosted: Option<Experiment>,
}

#[derive(Serialize, Deserialize)]
struct SavedRegistry {
    control_plane: Option<String>,
    rows: Vec<SavedRow>,
}

impl SnapshotStore {
    /// Opens the directory, which is created if needed.
    pub(in crate::live) fn open(directory: PathBuf, control_plane: Option<String>) -> io::Result<Self> {
        create_private_dir(&directory)?;
        remove_abandoned(&directory)?;
        Ok(Self {
            directory: directory.into(),
            control_plane,
        })
    }

    fn experiment_path(&self, id: &ExperimentId) -> PathBuf {
        self.directory.join(format!("{id}.json.gz"))
    }

    fn registry_path(&self) -> PathBuf {
        self.directory.join("registry.json.gz")
    }

    /// The snapshot of an experiment, and when its server last answered.
    pub(in crate::live) async fn load_experiment(&self, id: &ExperimentId) -> Option<(SavedSnapshot, Timestamp)> {
        let File { content, heard, .. } = file::read::<SavedSnapshot>(self.experiment_path(id)).await?;
        (content.experiment_id() == id).then_some((content, heard))
    }

    /// The registry's rows, and when the control plane last answered.
    pub(in crate::live) async fn load_registry(&self) -> Option<(Vec<SavedRow>, Timestamp)> {
        let File { content, heard, .. } = file::read::<SavedRegistry>(self.registry_path()).await?;
        (content.control_plane == self.control_plane).then_some((content.rows, heard))
    }

    pub(super) async fn save_experiment(&self, id: &ExperimentId, snapshot: Arc<Snapshot>, heard: Timestamp) {
        file::write(self.experiment_path(id), heard, SavedSnapshotRef(snapshot)).await;
    }

    pub(super) async fn save_registry<'a>(&self, rows: impl Iterator<Item = &'a RegistryRow>, heard: Timestamp) {
        let rows = rows.map(|row| SavedRow {
            id: row.id.clone(),
            entry: row.entry.clone(),
            hosted: match &row.hosting {
                Hosting::Hosted(experiment) => Some(Experiment::clone(experiment)),
                Hosting::NotHosted | Hosting::Elsewhere | Hosting::Unknown(_) => None,
            },
        });
        let content = SavedRegistry {
            control_plane: self.control_plane.clone(),
            rows: rows.collect(),
        };
        file::write(self.registry_path(), heard, content).await;
    }

    /// Removes the snapshots of experiments that the deployment no longer has.
    pub(super) async fn retain(&self, ids: Vec<ExperimentId>) {
        if self.control_plane.is_none() {
            // A console of a single experiment does not know which others share the directory.
            return;
        }
        let directory = self.directory.clone();
        let removed = tokio::task::spawn_blocking(move || {
            for entry in fs::read_dir(&directory)?.flatten() {
                let name = entry.file_name();
                let id = name.to_str().and_then(|name| name.strip_suffix(".json.gz"));
                let id = id.and_then(|id| id.parse::<ExperimentId>().ok());
                if id.is_some_and(|id| !ids.contains(&id)) {
                    fs::remove_file(entry.path())?;
                }
            }
            io::Result::Ok(())
        });
        if let Ok(Err(error)) = removed.await {
            warn!(path = %self.directory.display(), %error, "cannot remove snapshots of experiments that are gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_registry_is_saved_and_loaded_even_if_the_directory_was_removed() {
        let scratch = tempfile::tempdir().expect("a directory");
        let directory = scratch.path().join("snapshots");
        let store = SnapshotStore::open(directory.clone(), None).expect("a store");
        fs::remove_dir(&directory).expect("removed");
        let heard = Timestamp::from_millisecond(1);
        store.save_registry(std::iter::empty(), heard).await;
        let (rows, then) = store.load_registry().await.expect("saved");
        assert_eq!((rows.len(), then), (0, heard));
    }
}
