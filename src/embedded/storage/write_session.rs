//! Writing: changes that are committed whole or not at all, and announced after that.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::group_commit::Announcement;
use super::{Session, StorageResult, WriterGuard};
use crate::embedded::{HostedExperiment, Scope, ScopeKey};
use crate::protocol::*;

/// A session with exclusive use of the writing connection. It reads what it wrote. Dropped without
/// [`WriteSession::commit`], its changes are rolled back.
#[derive(Debug)]
pub(crate) struct WriteSession {
    session: Session,
    announcements: Vec<Announcement>,
}

impl Deref for WriteSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for WriteSession {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl WriteSession {
    pub(super) fn new(guard: WriterGuard, scope: ScopeKey) -> Self {
        Self {
            session: Session::writer(guard, scope),
            announcements: Vec::new(),
        }
    }

    /// Commits. Readers are told in the order of commits.
    pub(crate) async fn commit(self) -> StorageResult {
        match self.session.into_writer() {
            Some(guard) => guard.commit(self.announcements).await,
            None => Ok(()),
        }
    }

    /// After the commit the experiment is hosted, or hosted under this configuration, with a log of this length.
    pub(super) fn announce_hosted(&mut self, hosted: Arc<HostedExperiment>, log_length: u64) {
        self.announcements.push(Announcement::Hosted(hosted.clone()));
        self.announcements.push(Announcement::LogLength(hosted, log_length));
    }

    /// After the commit the log of the experiment has this length.
    pub(super) fn announce_log_length(&mut self, hosted: &Arc<HostedExperiment>, length: u64) {
        self.announcements.push(Announcement::LogLength(hosted.clone(), length));
    }

    /// Tells the readers of a scope after the commit.
    pub(super) fn announce_notice(&mut self, scope: &Arc<Scope>, notice: Notice) {
        self.announcements.push(Announcement::Notice(scope.clone(), notice));
    }
}
