//! Sessions that were ended before their time. A cookie cannot be called back, so a copy of one is known by this.
//!
//! Each is an empty file in a directory that replicas share, named by the time at which the session would have ended anyway
//! and by a hash of its id, so that whoever reads the directory learns no id. Without a directory they are kept in memory.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::clock::Clock;
use crate::private_file::{create_private_dir, write_private};
use crate::protocol::Timestamp;

/// How long it is believed that no replica has ended a session. What this process ended it knows at once.
const BELIEVED: Duration = Duration::from_secs(1);
/// Sessions of which it is believed, at most.
const SESSIONS: usize = 4096;

/// The sessions that were signed out.
pub(crate) struct RevokedSessions {
    clock: Clock,
    directory: Option<PathBuf>,
    /// By id, until when they must be known.
    known: Mutex<HashMap<String, Timestamp>>,
    /// By id, when a session was last looked for and not found.
    absent: Cache<String, Timestamp>,
}

impl RevokedSessions {
    pub fn new(clock: Clock, directory: Option<PathBuf>) -> Self {
        Self {
            clock,
            directory,
            known: Mutex::default(),
            absent: Cache::new(SESSIONS),
        }
    }

    /// Ends a session that would have lasted until `end`.
    pub async fn add(&self, id: &str, end: Timestamp) {
        let (name, now) = (name(id, end), self.clock.now());
        self.remember(id, end);
        let Some(directory) = self.directory.clone() else {
            return;
        };
        let shown = directory.display().to_string();
        if let Err(error) = blocking(move || write(&directory, &name, now)).await {
            warn!(
                directory = shown,
                %error, "a signed-out session is known to this process only, until it ends"
            );
        }
    }

    /// Whether a session that lasts until `end` was signed out, here or by another replica.
    pub async fn holds(&self, id: &str, end: Timestamp) -> bool {
        if self.known.lock().contains_key(id) {
            return true;
        }
        let Some(directory) = &self.directory else { return false };
        let now = self.clock.now();
        let is_recent = |at: Timestamp| now.instant().duration_since(at.instant()).unsigned_abs() < BELIEVED;
        if self.absent.get(id).is_some_and(is_recent) {
            return false;
        }
        let path = directory.join(name(id, end));
        match blocking(move || path.try_exists()).await {
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
        let mut known = self.known.lock();
        known.retain(|_, end| *end > now);
        known.insert(id.to_owned(), end);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn name(id: &str, end: Timestamp) -> String {
    let digest: String = Sha256::digest(id.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}-{digest}", end.instant().as_millisecond())
}

/// Writes the marker, and takes away those whose sessions have ended by now.
fn write(directory: &Path, name: &str, now: Timestamp) -> io::Result<()> {
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
    async fn what_one_replica_ends_is_ended_for_all_and_after_a_restart() {
        let scratch = tempfile::tempdir().expect("a directory");
        let directory = scratch.path().join("signed-out");
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        let replica = || RevokedSessions::new(clock.clone(), Some(directory.clone()));
        let (one, other) = (replica(), replica());
        let end = after(&clock, 12);
        assert!(!one.holds("a", end).await && !other.holds("a", end).await);
        one.add("a", end).await;
        assert!(one.holds("a", end).await);
        clock.advance(BELIEVED);
        assert!(other.holds("a", end).await && replica().holds("a", end).await);
        assert!(!other.holds("b", end).await);
        let names: Vec<_> = fs::read_dir(&directory)
            .expect("there")
            .map(|e| e.expect("an entry").file_name())
            .collect();
        assert_eq!(names.len(), 1);
        assert!(
            !names[0].to_string_lossy().contains("-a"),
            "the id is not told: {names:?}"
        );
    }

    #[tokio::test]
    async fn markers_go_when_their_sessions_would_have_ended() {
        let scratch = tempfile::tempdir().expect("a directory");
        fs::write(scratch.path().join("a note"), "kept").expect("written");
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        let ended = RevokedSessions::new(clock.clone(), Some(scratch.path().to_owned()));
        ended.add("a", after(&clock, 12)).await;
        clock.advance(HOUR * 11);
        ended.add("b", after(&clock, 12)).await;
        assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 3);
        clock.advance(HOUR);
        ended.add("c", after(&clock, 12)).await;
        assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 3);
        assert_eq!(ended.known.lock().len(), 2);
    }

    #[tokio::test]
    async fn without_a_directory_memory_serves_and_a_broken_one_lets_nobody_in() {
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        let end = after(&clock, 12);
        let ended = RevokedSessions::new(clock.clone(), None);
        ended.add("a", end).await;
        assert!(ended.holds("a", end).await && !ended.holds("b", end).await);

        let file = tempfile::NamedTempFile::new().expect("a file");
        let broken = RevokedSessions::new(clock, Some(file.path().to_owned()));
        assert!(broken.holds("a", end).await);
    }
}
