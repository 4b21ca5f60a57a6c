//! Summaries of commits, for pages. All functions block.

use std::path::Path;

use git2::{Commit, Delta, DiffOptions, ErrorCode, Oid, Patch, Repository};

use super::error::RepoError;
use crate::protocol::{CommitSha, Timestamp};

/// The maximum number of files in a summary.
const MAX_FILES: usize = 50;
/// Files of more bytes are not compared line by line.
const MAX_COMPARED: i64 = 512 * 1024;
/// The maximum length of a summary or path, in characters.
const MAX_TEXT: usize = 300;

/// A summary of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSummary {
    /// The first line of its message.
    pub summary: String,
    /// Who wrote it.
    pub author: String,
    /// When, by the author's clock; `None` when that is no valid time.
    pub authored_at: Option<Timestamp>,
    /// The parent it was compared with: the first that was given, or else its own; `None` for a root commit.
    pub against: Option<CommitSha>,
    /// The files that differ, by path, at most 50.
    pub files: Vec<ChangedFile>,
    /// How many more differ.
    pub more_files: usize,
}

/// A file that a commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path.
    pub path: String,
    /// What happened to it.
    pub change: FileChange,
    /// Lines added and removed; `None` when it is binary or too large to be compared.
    pub lines: Option<(usize, usize)>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// It has other content, or another mode.
    Modified,
}

/// Whether a repository has a commit.
pub(super) fn has(path: &Path, commit: &CommitSha) -> Result<bool, RepoError> {
    let wrap = RepoError::git(path);
    let git = Repository::open(path).map_err(&wrap)?;
    match find(&git, commit) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(wrap(error)),
    }
}

/// Summarizes a commit, compared with the first of `parents`.
pub(super) fn read(path: &Path, commit: &CommitSha, parents: &[CommitSha]) -> Result<CommitSummary, RepoError> {
    for named in parents.iter().take(1).chain([commit]) {
        if !has(path, named)? {
            return Err(RepoError::NoSuchCommit {
                commit: named.clone(),
                fetched: None,
            });
        }
    }
    summarize(path, commit, parents).map_err(RepoError::git(path))
}

fn summarize(path: &Path, commit: &CommitSha, parents: &[CommitSha]) -> Result<CommitSummary, git2::Error> {
    let git = Repository::open(path)?;
    let found = find(&git, commit)?;
    let parent = match parents.first() {
        Some(parent) => Some(find(&git, parent)?),
        None if found.parent_count() > 0 => Some(found.parent(0)?),
        None => None,
    };
    let (before, after) = (parent.as_ref().map(Commit::tree).transpose()?, found.tree()?);
    let mut options = DiffOptions::new();
    options.max_size(MAX_COMPARED).context_lines(0);
    let diff = git.diff_tree_to_tree(before.as_ref(), Some(&after), Some(&mut options))?;
    let total = diff.deltas().len();
    let mut files = Vec::new();
    for (at, delta) in diff.deltas().enumerate().take(MAX_FILES) {
        let change = match delta.status() {
            Delta::Added => FileChange::Added,
            Delta::Deleted => FileChange::Deleted,
            _ => FileChange::Modified,
        };
        let name = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes());
        let patch = Patch::from_diff(&diff, at)?;
        let lines = match patch {
            Some(patch) if !patch.delta().flags().is_binary() => {
                let (_, added, removed) = patch.line_stats()?;
                Some((added, removed))
            }
            _ => None,
        };
        files.push(ChangedFile {
            path: shortened(name.unwrap_or_default()),
            change,
            lines,
        });
    }
    let author = found.author();
    Ok(CommitSummary {
        summary: shortened(found.summary_bytes().unwrap_or_default()),
        author: shortened(author.name_bytes()),
        authored_at: jiff::Timestamp::from_second(author.when().seconds())
            .ok()
            .map(Timestamp::from),
        against: parent.and_then(|parent| parent.id().to_string().parse().ok()),
        files,
        more_files: total.saturating_sub(MAX_FILES),
    })
}

fn find<'a>(git: &'a Repository, commit: &CommitSha) -> Result<Commit<'a>, git2::Error> {
    git.find_commit(Oid::from_str(commit.as_str())?)
}

fn shortened(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut cut: String = text.chars().take(MAX_TEXT).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
