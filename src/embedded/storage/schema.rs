//! The schema of the database, and how a file is brought up to date.

use std::io;
use std::path::Path;

use crate::embedded::OpenError;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqliteConnection};

fn migrator() -> Migrator {
    let steps = [
        (1, "first", include_str!("migrations/0001_first.sql")),
        (2, "whole protocol", include_str!("migrations/0002_whole_protocol.sql")),
    ];
    let simple = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(steps.into_iter().map(simple).collect())
}

/// Reads the header, so that a file that is no database fails here, and runs the migrations.
pub(super) async fn prepare(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    sqlx::query("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| classify(path, e))?;
    let migrator = migrator();
    let known = migrator.iter().map(|m| m.version).max().unwrap_or_default();
    migrator.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) if found > known => OpenError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        },
        MigrateError::Execute(source) => classify(path, source),
        source => OpenError::Schema {
            path: path.to_owned(),
            source: Box::new(source),
        },
    })
}

pub(super) fn classify(path: &Path, source: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    let code = source
        .as_database_error()
        .and_then(|e| e.code())
        .map(|c| c.into_owned());
    // The primary result code is the low byte of the extended one.
    match code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
        Some(11 | 26) => OpenError::Corrupt { path, source },
        Some(8 | 14) => OpenError::Unwritable {
            path,
            source: io::Error::other(source),
        },
        _ => OpenError::Database { path, source },
    }
}
