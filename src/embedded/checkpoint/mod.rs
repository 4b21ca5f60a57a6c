//! Checkpoints (`ch10`): a whole experiment as one tar archive, which any EDEN store can import.
//!
//! - The container: `member` names its files, `archive` and `member_indexer` read it, `tar_writer` writes it,
//!   `manifest` is its table of contents, `line_reader` reads its files of one entity per line.
//! - The checks: `archive_index` holds the ids that lines may refer to, `read_entities` and `read_events` fill it,
//!   `references` holds the commits and branches that lines name, `group_cycle` finds a group that contains itself.
//! - The git history: `bundle` and `pack` are its format, `reachability` finds what is missing, `repositories` keeps
//!   the repositories themselves.
//! - The operations: `export` writes an archive. `import` runs the checks of `checked`, chooses a configuration
//!   (`config_choice`) and writes the lines into the database (`line_rewriter`).

mod archive;
mod archive_index;
mod bundle;
mod checked;
mod config_choice;
mod error;
mod export;
mod group_cycle;
mod import;
mod line_reader;
mod line_rewriter;
mod manifest;
mod member;
mod member_indexer;
mod pack;
mod reachability;
mod read_entities;
mod read_events;
mod references;
mod repositories;
mod service;
mod tar_writer;
#[cfg(test)]
mod tests;

pub(super) use error::{CheckpointError, CheckpointResult};
pub(super) use manifest::FORMAT_VERSION;
pub(super) use repositories::RepositoryStore;
pub(super) use service::Checkpoints;

// What several of these modules import.
pub(in crate::embedded::checkpoint) use archive::Archive;
pub(in crate::embedded::checkpoint) use archive_index::{ArchiveIndex, duplicate, require_source};
pub(in crate::embedded::checkpoint) use checked::CheckedArchive;
pub(in crate::embedded::checkpoint) use error::invalid;
pub(in crate::embedded::checkpoint) use line_reader::{LineReader, MAX_LINES};
pub(in crate::embedded::checkpoint) use manifest::{Counts, Manifest};
pub(in crate::embedded::checkpoint) use member::{LINE_MEMBERS, Member, SourceLocation};
pub(in crate::embedded::checkpoint) use references::NamedBranch;
