//! Checkpoints (`ch10`): a whole experiment as one tar archive, which any EDEN store can take over.
//!
//! `archive` and `writer` read and write the container, `manifest` is its table of contents, `lines` its files of one
//! entity a line, `ledger` and `log` what these must agree on, `names` what they name, `bundle` and `pack` the form
//! git histories travel in, `history` what they hold, `repos` the repositories themselves. `export` writes all of it;
//! `import` checks all of it, `configuration` chooses the rules it goes on under, and `rewrite` takes it over.

mod archive;
mod bundle;
mod configuration;
mod export;
mod history;
mod import;
mod ledger;
mod lines;
mod log;
mod manifest;
mod names;
mod pack;
mod repos;
mod rewrite;
#[cfg(test)]
mod tests;
mod writer;

use std::io;

use super::storage::StorageError;
use super::transition::Refusal;
use crate::protocol::ErrorType;

pub(super) use export::export;
pub(super) use import::{ImportTurn, import};
pub(super) use manifest::FORMAT_VERSION;
pub(super) use repos::Repos;

/// Why a checkpoint is not written or not taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    /// The wire says no, and in which words.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database or a file failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<io::Error> for CheckpointError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// A fault of a repository of ours; the bundle of an archive fails with [`invalid`].
impl From<git2::Error> for CheckpointError {
    fn from(error: git2::Error) -> Self {
        Self::Storage(io::Error::other(error).into())
    }
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorType::CheckpointInvalid, detail)
}
