//! Why a backend does not start.

use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// Why the data directory cannot be used; each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be created or written.
    #[error("cannot write to the data directory {}: {source}", path.display())]
    Unwritable {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error("the data directory {} is in use by another process: stop that one or choose another --data-dir", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It is not a database, or a damaged one.
    #[error("{} is damaged or is no database: restore it from a backup or move it away to begin anew", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// Written by a later version of the program.
    #[error("{} was written by a newer version (schema {found}, this version knows {known}): upgrade the program", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest schema version this program knows.
        known: i64,
    },
    /// The schema of the file is not the one this program wrote under that version.
    #[error("cannot bring {} to the present schema: {source}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What failed.
        #[source]
        source: Box<MigrateError>,
    },
    /// Any other fault of the database.
    #[error("cannot open {}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// Stored content that this program cannot read.
    #[error("{} holds an experiment that cannot be read: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The admin token file is there but not usable.
    #[error("{} holds no usable token: delete it to have a new one made", path.display())]
    Token {
        /// The file.
        path: PathBuf,
    },
}
