//! The only SQL. A [`Session`] reads one consistent snapshot. A [`WriteSession`] has exclusive use of the one writing
//! connection, and its changes are committed whole or not at all. Readers never block the writer, nor it them (WAL).
//!
//! `store` is the database and `open` opens it (`schema` brings the tables up to date). `session` reads and
//! `write_session` writes. Their queries are in one file per subject: `read_entities`, `write_entities`, `artifacts`,
//! `leases`, `log`, `registry` and `archive`. `group_commit` shares one commit among the writes that wait, and tells
//! the readers afterwards.

mod archive;
mod artifacts;
mod error;
mod group_commit;
mod leases;
mod log;
mod open;
mod read_entities;
mod registry;
mod schema;
mod session;
mod store;
mod write_entities;
mod write_session;

pub(super) use archive::{ArchiveTable, Row, RowBatch};
pub(super) use artifacts::Artifact;
pub(super) use error::{StorageError, StorageResult};
pub(super) use log::ScopeVersion;
pub(super) use read_entities::{Filter, Page, Position, Table};
pub(super) use session::Session;
pub(super) use store::Store;
pub(super) use write_session::WriteSession;

// What several of these modules import.
pub(in crate::embedded::storage) use group_commit::{WriteQueue, WriterGuard};
