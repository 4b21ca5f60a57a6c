//! The git side (`ch06`): one bare repository for each experiment, without a work tree.
//!
//! Commits are dated by the protocol's own timestamps, so that repeated work after an interruption makes the same
//! commit again.

mod pack;

use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{Commit, ErrorCode, FileMode, Oid, Reference, Repository, RepositoryInitOptions, Signature, Time};

use crate::protocol::{CommitSha, Timestamp};

/// What git could not do.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// libgit2's own fault.
    #[error("the repository at {path} cannot be used")]
    Git {
        /// The bare repository.
        path: PathBuf,
        /// The fault.
        #[source]
        source: git2::Error,
    },
    /// The file is not in the commit, or is not text.
    #[error("{file} of {commit} cannot be read")]
    File {
        /// Its path in the tree.
        file: String,
        /// The commit.
        commit: CommitSha,
    },
    /// The integrator must not overwrite what a worker wrote (`ch06 §3`).
    #[error("{branch} cannot be made: {why}")]
    Integration {
        /// The branch.
        branch: String,
        /// Why not.
        why: &'static str,
    },
}

/// A commit to be made.
pub(super) struct Change {
    /// Without `refs/heads/`.
    pub branch: String,
    pub parents: Vec<CommitSha>,
    /// One file to write over the tree it starts from.
    pub file: String,
    pub text: String,
    pub message: String,
    pub author: String,
    pub at: Timestamp,
}

/// A bare repository on disk. It is opened for each use, since threads may not share a handle.
#[derive(Debug, Clone)]
pub(super) struct Repo {
    path: PathBuf,
}

const MAIN: &str = "refs/heads/main";

impl Repo {
    /// The repository at `path` and the commit of `main`. It is made with one seed commit when it is not there yet.
    pub(super) fn ensure(path: &Path, files: &[(&str, &str)], at: Timestamp) -> Result<(Self, CommitSha), RepoError> {
        let repo = Self { path: path.into() };
        let seed = repo.fault_of(|| {
            let mut options = RepositoryInitOptions::new();
            options.bare(true).mkpath(true).initial_head("main");
            let git = Repository::open_bare(path).or_else(|_| Repository::init_opts(path, &options))?;
            if let Some(main) = find_reference(&git, MAIN)? {
                return Ok(sha(main.peel_to_commit()?.id()));
            }
            let mut tree = git.treebuilder(None)?;
            for (name, text) in files {
                tree.insert(*name, git.blob(text.as_bytes())?, FileMode::Blob.into())?;
            }
            let tree = git.find_tree(tree.write()?)?;
            let signature = signature("switchboard", at)?;
            let message = "Lay down the problem and where to start\n";
            let seed = git.commit(Some(MAIN), &signature, &signature, message, &tree, &[])?;
            Ok(sha(seed))
        })?;
        Ok((repo, seed))
    }

    /// A text file of a commit.
    pub(super) fn read(&self, commit: &CommitSha, file: &str) -> Result<String, RepoError> {
        let bytes = self.open(|git| {
            let entry = find_commit(git, commit)?.tree()?.get_path(Path::new(file))?;
            Ok(git.find_blob(entry.id())?.content().to_vec())
        });
        let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| RepoError::File {
            file: file.into(),
            commit: commit.clone(),
        })
    }

    /// Commits a change to its first parent's tree and points the branch at it. A branch that an interruption left
    /// behind is moved.
    pub(super) fn commit(&self, change: &Change) -> Result<CommitSha, RepoError> {
        self.open(|git| {
            let id = write_commit(git, change, change.parents.first())?;
            git.reference(&reference(&change.branch), id, true, "commit")?;
            Ok(sha(id))
        })
    }

    /// What is wrong with `commit` as a variant of `parents`, if anything: it must descend from all of them and differ
    /// from at least one (`ch03 §3.3`).
    pub(super) fn fault(&self, commit: &CommitSha, parents: &[CommitSha]) -> Result<Option<String>, RepoError> {
        self.open(|git| {
            let Ok(tip) = find_commit(git, commit) else {
                return Ok(Some(format!("{commit} is not in the repository")));
            };
            let mut same = 0;
            for parent in parents {
                let from = find_commit(git, parent)?;
                if !git.graph_descendant_of(tip.id(), from.id())? {
                    return Ok(Some(format!("{commit} does not descend from {parent}")));
                }
                same += usize::from(from.tree_id() == tip.tree_id());
            }
            Ok((same == parents.len()).then(|| format!("{commit} changes nothing")))
        })
    }

    /// Squashes the tree of `worker` with one more file onto the change's own branch, which is written once and never
    /// again. The same squash may be repeated.
    pub(super) fn squash(&self, worker: &CommitSha, change: &Change) -> Result<CommitSha, RepoError> {
        let squashed = self.open(|git| {
            let tree = find_commit(git, worker)?.tree()?;
            if tree.get_path(Path::new(&change.file)).is_ok() {
                return Ok(Err("the worker's tree has the manifest already"));
            }
            let id = write_commit(git, change, Some(worker))?;
            let branch = reference(&change.branch);
            let target = git.find_reference(&branch).ok().and_then(|found| found.target());
            match target {
                Some(other) if other != id => return Ok(Err("it stands at another commit")),
                Some(_) => {}
                None => {
                    git.reference(&branch, id, false, "integrate")?;
                }
            }
            Ok(Ok(sha(id)))
        })?;
        squashed.map_err(|why| RepoError::Integration {
            branch: change.branch.clone(),
            why,
        })
    }

    /// Removes a branch, if it is there.
    pub(super) fn remove_branch(&self, branch: &str) -> Result<(), RepoError> {
        self.open(|git| match find_reference(git, &reference(branch))? {
            Some(mut found) => found.delete(),
            None => Ok(()),
        })
    }

    /// Packs loose objects and loose branches, so that a repository of thousands of commits stays small. Returns the
    /// number of objects.
    pub(super) fn pack(&self) -> Result<usize, RepoError> {
        self.open(pack::pack_loose)
    }

    fn open<T>(&self, work: impl FnOnce(&Repository) -> Result<T, git2::Error>) -> Result<T, RepoError> {
        self.fault_of(|| work(&Repository::open_bare(&self.path)?))
    }

    fn fault_of<T>(&self, work: impl FnOnce() -> Result<T, git2::Error>) -> Result<T, RepoError> {
        work().map_err(|source| RepoError::Git {
            path: self.path.clone(),
            source,
        })
    }
}

fn write_commit(git: &Repository, change: &Change, base: Option<&CommitSha>) -> Result<Oid, git2::Error> {
    let parents = change.parents.iter().map(|parent| find_commit(git, parent));
    let parents = parents.collect::<Result<Vec<_>, _>>()?;
    let base = base.ok_or_else(|| git2::Error::from_str("a variant has at least one parent"))?;
    let blob = git.blob(change.text.as_bytes())?;
    let tree = TreeUpdateBuilder::new()
        .upsert(change.file.as_str(), blob, FileMode::Blob)
        .create_updated(git, &find_commit(git, base)?.tree()?)?;
    let tree = git.find_tree(tree)?;
    let signature = signature(&change.author, change.at)?;
    let parents: Vec<_> = parents.iter().collect();
    git.commit(None, &signature, &signature, &change.message, &tree, &parents)
}

fn find_commit<'a>(git: &'a Repository, commit: &CommitSha) -> Result<Commit<'a>, git2::Error> {
    git.find_commit(Oid::from_str(commit.as_str())?)
}

fn find_reference<'a>(git: &'a Repository, name: &str) -> Result<Option<Reference<'a>>, git2::Error> {
    match git.find_reference(name) {
        Ok(found) => Ok(Some(found)),
        Err(fault) if fault.code() == ErrorCode::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

fn signature(name: &str, at: Timestamp) -> Result<Signature<'static>, git2::Error> {
    let time = Time::new(at.instant().as_second(), 0);
    Signature::new(name, &format!("{name}@switchboard.invalid"), &time)
}

#[expect(clippy::expect_used, reason = "git prints its object names as lowercase hex")]
fn sha(id: Oid) -> CommitSha {
    id.to_string().parse().expect("an object name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-01-02T03:04:05.000Z".parse().expect("an instant")
    }

    fn change(branch: &str, parents: &[CommitSha], file: &str, text: &str) -> Change {
        Change {
            branch: branch.into(),
            parents: parents.into(),
            file: file.into(),
            text: text.into(),
            message: "try\n".into(),
            author: "executor-1".into(),
            at: at(),
        }
    }

    #[test]
    fn a_repository_is_made_once_and_work_descends_from_its_seed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a/b.git");
        let ensure = || Repo::ensure(&path, &[("g.txt", "1\n")], at()).expect("a repository");
        let (repo, seed) = ensure();
        assert_eq!(ensure().1, seed);
        let parents = [seed.clone()];
        let tip = repo
            .commit(&change("work/v-1-a", &parents, "g.txt", "2\n"))
            .expect("a commit");
        assert_eq!(repo.read(&tip, "g.txt").expect("text"), "2\n");
        assert_eq!(repo.fault(&tip, &parents).expect("an answer"), None);
        let same = repo
            .commit(&change("work/v-2-a", &parents, "g.txt", "1\n"))
            .expect("a commit");
        assert!(repo.fault(&same, &parents).expect("an answer").is_some());
        assert!(repo.fault(&seed, &[tip]).expect("an answer").is_some());
    }

    #[test]
    fn a_packed_repository_has_the_same_objects_and_branches() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.git");
        let (repo, seed) = Repo::ensure(&path, &[("g.txt", "1\n")], at()).expect("a repository");
        let parents = [seed];
        let commit = |name: &str| repo.commit(&change(name, &parents, "g.txt", name)).expect("a commit");
        let tips: Vec<CommitSha> = ["work/a", "work/b"].into_iter().map(commit).collect();
        assert_eq!(repo.pack().expect("packed"), 9);
        assert_eq!(repo.pack().expect("packed already"), 0);
        assert!(pack::loose_objects(&path.join("objects")).is_empty());
        for (name, tip) in ["work/a", "work/b"].into_iter().zip(&tips) {
            assert_eq!(repo.read(tip, "g.txt").expect("text"), name);
            assert_eq!(&commit(name), tip);
        }
        repo.remove_branch("work/a").expect("removed, packed as it is");
        let git = Repository::open_bare(&path).expect("a repository");
        assert!(git.find_reference("refs/heads/work/a").is_err());
        assert!(git.find_reference("refs/heads/work/b").is_ok());
    }

    #[test]
    fn a_squash_is_repeatable_and_never_rewritten() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("b.git");
        let (repo, seed) = Repo::ensure(&path, &[("g.txt", "1\n")], at()).expect("a repository");
        let parents = [seed];
        let tip = repo
            .commit(&change("work/v-1-a", &parents, "g.txt", "2\n"))
            .expect("a commit");
        let manifest = ".eden/variants/v-1/evaluation.json";
        let squash = |text| repo.squash(&tip, &change("variant/v-1-a", &parents, manifest, text));
        let commit = squash("{}").expect("a squash");
        assert_eq!(squash("{}").expect("the same"), commit);
        assert!(matches!(squash("{ }"), Err(RepoError::Integration { .. })));
        assert_eq!(repo.read(&commit, "g.txt").expect("text"), "2\n");
        assert_eq!(repo.read(&commit, manifest).expect("text"), "{}");
        let git = Repository::open_bare(&path).expect("a repository");
        let made = find_commit(&git, &commit).expect("a commit");
        assert_eq!(made.parent_ids().map(sha).collect::<Vec<_>>(), parents);
        repo.remove_branch("variant/v-1-a").expect("removed");
        repo.remove_branch("variant/v-1-a").expect("removed already");
        assert_ne!(squash("{ }").expect("free again"), commit);
        let next = [commit.clone()];
        let over = repo.squash(&commit, &change("variant/v-2-b", &next, manifest, "{}"));
        assert!(matches!(over, Err(RepoError::Integration { .. })));
    }
}
