//! Sessions that were revoked before they expired. A cookie cannot be taken back, so copies of it are refused by this
//! list.
//!
//! Each is an empty marker file in a directory that replicas share, named by the time at which the session expires and
//! by a hash of its id, so that the directory holds no session ids. Without a directory the list is kept in memory
//! only.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use tracing::warn;

use crate::clock::Clock;
use crate::private_file::{create_private_dir, write_private};
use crate::protocol::Timestamp;
use crate::web::assets::hex;

/// How long the answer "no replica has revoked it" is cached. What this process revoked it knows at once.
const ABSENCE_TTL: Duration = Duration::from_secs(1);
/// Sessions whose absence is cached, at most.
const MAX_ABSENT: usize = 4096;

/// The sessions that were signed out.
pub(crate) struct RevokedSessions {
    clock: Clock,
    directory: Option<PathBuf>,
    /// By id, when each session expires; after that, its entry is dropped.
    revoked: Mutex<HashMap<String, Timestamp>>,
    /// By id, when a session was last looked up and not found.
    absent: Cache<String, Timestamp>,
}

impl RevokedSessions {
    pub fn new(clock: Clock, directory: Option<PathBuf>) -> Self {
        Self {
            clock,
            directory,
            revoked: Mutex::default(),
            absent: Cache::new(MAX_ABSENT),
        }
    }

    /// Revokes a session that expires at `end`.
    pub async fn add(&self, id: &str, end: Timestamp) {
        let (name, now) = (marker_name(id, end), self.clock.now());
        self.remember(id, end);
        let Some(directory) = self.directory.clone() else {
            return;
        };
        let shown = directory.display().to_string();
        if let Err(error) = run_blocking(move || write_marker(&directory, &name, now)).await {
            warn!(
                directory = shown,
                %error, "a signed-out session is known to this process only, until it ends"
            );
        }
    }

    /// Whether a session that expires at `end` was revoked, here or by another replica. Refuses when that cannot be
    /// read.
    pub async fn contains(&self, id: &str, end: Timestamp) -> bool {
        if self.revoked.lock().contains_key(id) {
            return true;
        }
        let Some(directory) = &self.directory else { return false };
        let now = self.clock.now();
        let is_recent = |at: Timestamp| now.instant().duration_since(at.instant()).unsigned_abs() < ABSENCE_TTL;
        if self.absent.get(id).is_some_and(is_recent) {
            return false;
        }
        let path = directory.join(marker_name(id, end));
        match run_blocking(move || path.try_exists()).await {
            Ok(false) => {
                self.absent.insert(id.to_owned(), now);
                false
            }
            Ok(true) => {
                self.remember(id, end);
                true
            }
            Err(error) => {
                warn!(directory = %directory.display(), %error, "cannot tell which sessions were signed out; refusing them");
                true
            }
        }
    }

    fn remember(&self, id: &str, end: Timestamp) {
        let now = self.clock.now();
        let mut revoked = self.revoked.lock();
        revoked.retain(|_, end| *end > now);
        revoked.insert(id.to_owned(), end);
    }
}

async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn marker_name(id: &str, end: Timestamp) -> String {
    format!("{}-{}", end.instant().as_millisecond(), hex(id.as_bytes(), 32))
}

/// Writes the marker, and deletes those of sessions that have expired.
fn write_marker(directory: &Path, name: &str, now: Timestamp) -> io::Result<()> {
    create_private_dir(directory)?;
    write_private(&directory.join(name), b"")?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let end = entry
            .file_name()
            .to_str()
            .and_then(|name| name.split_once('-')?.0.parse().ok());
        if end.is_some_and(|end: i64| end <= now.instant().as_millisecond()) {
            // Another replica may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn after(clock: &Clock, hours: i64) -> Timestamp {
        (clock.now().instant() + jiff::SignedDuration::from_hours(hours)).into()
    }

    #[tokio::test]
    async fn a_revocation_reaches_all_replicas_and_survives_a_restart() {
        let scratch = tempfile::tempdir().expect("a directory");
        let directory = scratch.path().join("signed-out");
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        let replica = || RevokedSessions::new(clock.clone(), Some(directory.clone()));
        let (one, other) = (replica(), replica());
        let end = after(&clock, 12);
        assert!(!one.contains("a", end).await && !other.contains("a", end).await);
        one.add("a", end).await;
        assert!(one.contains("a", end).await);
        clock.advance(ABSENCE_TTL);
        assert!(other.contains("a", end).await && replica().contains("a", end).await);
        assert!(!other.contains("b", end).await);
        let names: Vec<_> = fs::read_dir(&directory)
            .expect("there")
            .map(|e| e.expect("an entry").file_name())
            .collect();
        assert_eq!(names.len(), 1);
        assert!(
            !names[0].to_string_lossy().contains("-a"),
            "the id is not written: {names:?}"
        );
    }

    #[tokio::test]
    async fn markers_are_deleted_when_their_sessions_have_expired() {
        let scratch = tempfile::tempdir().expect("a directory");
        fs::write(scratch.path().join("a note"), "kept").expect("written");
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        let revoked = RevokedSessions::new(clock.clone(), Some(scratch.path().to_owned()));
        revoked.add("a", after(&clock, 12)).await;
        clock.advance(HOUR * 11);
        revoked.add("b", after(&clock, 12)).await;
        assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 3);
        clock.advance(HOUR);
        revoked.add("c", after(&clock, 12)).await;
        assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 3);
        assert_eq!(revoked.revoked.lock().len(), 2);
    }

    #[tokio::test]
    async fn without_a_directory_the_list_is_in_memory_and_with_a_broken_one_all_are_refused() {
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        let end = after(&clock, 12);
        let revoked = RevokedSessions::new(clock.clone(), None);
        revoked.add("a", end).await;
        assert!(revoked.contains("a", end).await && !revoked.contains("b", end).await);

        let file = tempfile::NamedTempFile::new().expect("a file");
        let broken = RevokedSessions::new(clock, Some(file.path().to_owned()));
        assert!(broken.contains("a", end).await);
    }
}
