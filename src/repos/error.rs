//! Why a repository cannot be had.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::protocol::{CommitSha, Timestamp};

/// Why the settings of repositories cannot be used. The messages do not repeat the settings, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// This program has no TLS.
    #[error(
        "the remote of the repositories is https, and this program is built without TLS: give the http address of the \
         same server within the deployment, or of a proxy beside this program that speaks TLS for it"
    )]
    Https,
    /// It is neither http nor a directory.
    #[error(
        "the remote of the repositories cannot be used: it must be http://host/organisation/name.git, or a directory \
         of bare repositories (file:///…)"
    )]
    Remote,
    /// There is no directory to clone to.
    #[error("a remote of the repositories is given, but no directory for clones of it: give --repo-root too")]
    NoRoot,
    /// The HTTP client cannot be set up.
    #[error("the client of the remote of the repositories cannot be set up: {0}")]
    Client(String),
}

/// Why a repository, or a commit of it, is not available. The messages are for operators.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RepoError {
    /// There is no directory for repositories.
    #[error("no directory for repositories is configured: start with --repo-root")]
    Disabled,
    /// The configured remote cannot be used at all.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// There is no clone, and no remote to clone from.
    #[error(
        "there is no repository at {}, and no remote to clone it from: put a bare clone there, or start \
         `switchboard serve` with --forgejo-url",
        .0.display()
    )]
    NotProvisioned(PathBuf),
    /// It is being fetched or read, and the caller's wait is over.
    #[error("the repository is still being cloned or read; look again in a moment")]
    Pending,
    /// The remote failed.
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
    /// The work ended without a result: the process stops, or a thread panicked.
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

/// The kind of a remote's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteFault {
    /// No connection, no such host, or no answer in time.
    Unreachable,
    /// 401 or 403.
    Refused,
    /// 404, or no such directory.
    NoSuchRepository,
    /// It answers, but with no repository that can be read.
    Broken,
}

/// A failure of the remote, with its own message, shortened and without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFailure {
    /// The kind.
    pub fault: RemoteFault,
    /// The remote, without user and password.
    pub url: String,
    /// The message.
    pub message: String,
}

impl fmt::Display for RemoteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, url, message } = self;
        match fault {
            RemoteFault::Unreachable => write!(f, "the remote {url} cannot be reached: {message}"),
            RemoteFault::Refused => write!(f, "the remote {url} refuses this console: {message}"),
            RemoteFault::NoSuchRepository => write!(f, "the remote has no repository {url}: {message}"),
            RemoteFault::Broken => write!(f, "what the remote {url} answers cannot be used: {message}"),
        }
    }
}

impl std::error::Error for RemoteFailure {}

/// The maximum length of a foreign message, in characters.
const MAX_MESSAGE: usize = 200;

/// A foreign message made safe to show: one line, shortened, without the user and password of any URL in it, and
/// without `secrets`.
pub(super) fn sanitize(text: &str, secrets: &[&str]) -> String {
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
        .take(MAX_MESSAGE)
        .collect();
    if cleaned.chars().count() > MAX_MESSAGE {
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
            sanitize(said, &["canary", ""]),
            "fatal: http://h/x and https://h key=[secret]"
        );
        assert_eq!(sanitize(&"é".repeat(300), &[]).chars().count(), MAX_MESSAGE + 1);
    }
}
