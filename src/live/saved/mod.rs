//! Saves what is known over a restart: snapshots of experiments and the registry's rows, as files. They are caches. A
//! missing or unreadable file costs a list and nothing else; what was restored is stale until the feed has answered.

mod file;
mod saved_snapshot;
mod saver;
mod store;

pub(super) use saved_snapshot::SavedSnapshot;
pub(super) use saver::SnapshotSaver;
pub(super) use store::{SavedRow, SnapshotStore};
