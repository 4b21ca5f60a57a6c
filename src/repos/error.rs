//! Why a repository cannot be had.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::protocol::{CommitSha, Timestamp};

/// Why the settings of repositories cannot be used. What was given is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// This program speaks no TLS.
    #[error(
        "the remote of the repositories is https, and this program is built without TLS: give the http address of the \
         same server within the deployment, or of a proxy beside this program that speaks TLS for it"
    )]
    Https,
    /// Neither http nor a directory.
    #[error(
        "the remote of the repositories cannot be used: it must be http://host/organisation/name.git, or a directory \
         of bare repositories (file:///…)"
    )]
    Remote,
    /// There is nowhere to clone to.
    #[error("a remote of the repositories is given, but no directory for clones of it: give --repo-root too")]
    NoRoot,
    /// The HTTP client cannot be set up.
    #[error("the client of the remote of the repositories cannot be set up: {0}")]
    Client(String),
}

/// Why a repository, or a commit of it, cannot be had now; worded for an operator.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RepoError {
    /// There is no directory for repositories.
    #[error("no directory for repositories is configured: start with --repo-root")]
    Disabled,
    /// The remote that was given cannot be fetched from, ever.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// There is nothing here and nowhere to get it from.
    #[error(
        "there is no repository at {}, and no remote to clone it from: put a bare clone there, or start \
         `switchboard serve` with --forgejo-url",
        .0.display()
    )]
    NotProvisioned(PathBuf),
    /// Somebody is at it, and it takes longer than anybody waits.
    #[error("the repository is still being cloned or read; look again in a moment")]
    Pending,
    /// The remote cannot give it.
    #[error(transparent)]
    Remote(#[from] RemoteFailure),
    /// The directory cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The repository cannot be read.
    #[error("the repository {} cannot be read: {source}", path.display())]
    Git {
        /// Where it is.
        path: PathBuf,
        /// libgit2's fault.
        #[source]
        source: Arc<git2::Error>,
    },
    /// The repository does not hold the commit.
    #[error("{commit} is not in the repository{}", Fetched(*fetched))]
    NoSuchCommit {
        /// The commit.
        commit: CommitSha,
        /// When the repository was last fetched.
        fetched: Option<Timestamp>,
    },
    /// It was given up: the process stops, or a thread died.
    #[error("the work on the repository was broken off; it is taken up again when it is next asked for")]
    Interrupted,
}

struct Fetched(Option<Timestamp>);

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |at| write!(f, ", as it was fetched at {at}"))
    }
}

impl RepoError {
    pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Disk {
            path: path.into(),
            source: Arc::new(source),
        }
    }

    pub(super) fn git(path: &Path) -> impl Fn(git2::Error) -> Self {
        move |source| Self::Git {
            path: path.into(),
            source: Arc::new(source),
        }
    }
}

/// What kept the remote from giving a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteFault {
    /// No connection, no such host, or no answer in time.
    Unreachable,
    /// 401 or 403.
    Refused,
    /// 404, or no such directory.
    NoSuchRepository,
    /// It answers, but not with a repository that can be read.
    Broken,
}

/// What kept the remote from giving a repository, and its own words for it, cut and without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFailure {
    /// The kind.
    pub fault: RemoteFault,
    /// The remote, without user and password.
    pub url: String,
    /// What was said.
    pub words: String,
}

impl fmt::Display for RemoteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, url, words } = self;
        match fault {
            RemoteFault::Unreachable => write!(f, "the remote {url} cannot be reached: {words}"),
            RemoteFault::Refused => write!(f, "the remote {url} refuses this console: {words}"),
            RemoteFault::NoSuchRepository => write!(f, "the remote has no repository {url}: {words}"),
            RemoteFault::Broken => write!(f, "what the remote {url} answers cannot be used: {words}"),
        }
    }
}

impl std::error::Error for RemoteFailure {}

/// At most this many characters of foreign words are shown.
const WORDS: usize = 200;

/// Foreign words fit to be shown: one line, cut, without the user and password of any URL in them, and without
/// `secrets`.
pub(super) fn clean(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[secret]");
    }
    let mut cleaned = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        cleaned.push_str(before);
        let end = after
            .find(|c: char| c == '/' || c.is_whitespace())
            .unwrap_or(after.len());
        let userinfo = after[..end].rfind('@').map_or(0, |at| at + 1);
        rest = &after[userinfo..];
    }
    cleaned.push_str(rest);
    let mut line: String = cleaned
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(WORDS)
        .collect();
    if cleaned.chars().count() > WORDS {
        line.push('…');
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_are_cut_and_lose_their_secrets() {
        let said = "fatal: http://u:p@h/x and https://tok@h\nkey=canary";
        assert_eq!(
            clean(said, &["canary", ""]),
            "fatal: http://h/x and https://h key=[secret]"
        );
        assert_eq!(clean(&"é".repeat(300), &[]).chars().count(), WORDS + 1);
    }
}
