//! The git side (`ch06`): one bare repository an experiment, without a work tree.
//!
//! Commits are dated by the protocol's own timestamps, so that work repeated after an interruption makes
//! the same commit again.

use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{Commit, ErrorCode, FileMode, Oid, Repository, RepositoryInitOptions, Signature, Time};

use crate::protocol::{CommitSha, Timestamp};

/// What git could not do.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepoError {
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
    /// The integrator must not overwrite what a worker put there (`ch06 §3`).
    #[error("{branch} cannot be made: {why}")]
    Integration {
        /// The branch.
        branch: String,
        /// What stands in the way.
        why: String,
    },
}

/// Who commits, and when.
pub(super) struct Author<'a> {
    pub name: &'a str,
    pub at: Timestamp,
}

/// A commit to be made.
pub(super) struct Change<'a> {
    /// Without `refs/heads/`.
    pub branch: &'a str,
    pub parents: &'a [CommitSha],
    /// One file to write over the tree it starts from.
    pub file: &'a str,
    pub text: &'a str,
    pub message: &'a str,
    pub author: Author<'a>,
}

/// A bare repository on disk. It is opened for each use, since a handle may not be shared by threads.
#[derive(Debug, Clone)]
pub(super) struct Repo {
    path: PathBuf,
}

const MAIN: &str = "refs/heads/main";

impl Repo {
    /// The repository at `path`, made with one seed commit on `main` when it is not there yet, and that
    /// commit.
    pub(super) fn ensure(
        path: &Path,
        files: &[(&str, &str)],
        author: &Author<'_>,
    ) -> Result<(Self, CommitSha), RepoError> {
        let repo = Self { path: path.into() };
        let seed = repo.wrap(|| {
            let git = match Repository::open_bare(path) {
                Ok(git) => git,
                Err(_) => Repository::init_opts(
                    path,
                    RepositoryInitOptions::new()
                        .bare(true)
                        .mkpath(true)
                        .initial_head("main"),
                )?,
            };
            let existing = match git.find_reference(MAIN) {
                Ok(main) => Some(main.peel_to_commit()?.id()),
                Err(fault) if fault.code() == ErrorCode::NotFound => None,
                Err(fault) => return Err(fault),
            };
            if let Some(seed) = existing {
                return Ok(seed);
            }
            let mut tree = git.treebuilder(None)?;
            for (name, text) in files {
                tree.insert(*name, git.blob(text.as_bytes())?, FileMode::Blob.into())?;
            }
            let tree = git.find_tree(tree.write()?)?;
            let signature = signature(author)?;
            git.commit(
                Some(MAIN),
                &signature,
                &signature,
                "Lay down the problem and where to start\n",
                &tree,
                &[],
            )
        })?;
        let seed = sha(seed);
        Ok((repo, seed))
    }

    /// A text file of a commit.
    pub(super) fn read(&self, commit: &CommitSha, file: &str) -> Result<String, RepoError> {
        let bytes = self.wrap(|| {
            let git = Repository::open_bare(&self.path)?;
            let entry = find(&git, commit)?.tree()?.get_path(Path::new(file))?;
            Ok(git.find_blob(entry.id())?.content().to_vec())
        });
        bytes
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| RepoError::File {
                file: file.into(),
                commit: commit.clone(),
            })
    }

    /// Commits a change to its first parent's tree and points the branch at it. A branch that was left
    /// by an interruption is taken over.
    pub(super) fn commit(&self, change: &Change<'_>) -> Result<CommitSha, RepoError> {
        self.wrap(|| {
            let git = Repository::open_bare(&self.path)?;
            let id = build(&git, change, change.parents.first())?;
            git.reference(&reference(change.branch), id, true, "commit")?;
            Ok(sha(id))
        })
    }

    /// What is wrong with `commit` as a variant of `parents`, if anything: it must descend from all of
    /// them and differ from each (`ch03 §3.3`).
    pub(super) fn fault(&self, commit: &CommitSha, parents: &[CommitSha]) -> Result<Option<String>, RepoError> {
        self.wrap(|| {
            let git = Repository::open_bare(&self.path)?;
            let Ok(tip) = find(&git, commit) else {
                return Ok(Some(format!("{commit} is not in the repository")));
            };
            let mut same = 0;
            for parent in parents {
                let from = find(&git, parent)?;
                if !git.graph_descendant_of(tip.id(), from.id())? {
                    return Ok(Some(format!("{commit} does not descend from {parent}")));
                }
                same += usize::from(from.tree_id() == tip.tree_id());
            }
            Ok((same == parents.len()).then(|| format!("{commit} changes nothing")))
        })
    }

    /// Squashes the tree of `worker` with one more file onto the change's own branch, which is written
    /// once and never again. The same squash may be asked for twice.
    pub(super) fn squash(&self, worker: &CommitSha, change: &Change<'_>) -> Result<CommitSha, RepoError> {
        let refuse = |why: &str| RepoError::Integration {
            branch: change.branch.into(),
            why: why.into(),
        };
        let occupied = self.wrap(|| {
            let git = Repository::open_bare(&self.path)?;
            let tree = find(&git, worker)?.tree()?;
            Ok(tree.get_path(Path::new(change.file)).is_ok())
        })?;
        if occupied {
            return Err(refuse("the worker's tree has the manifest already"));
        }
        let (id, standing) = self.wrap(|| {
            let git = Repository::open_bare(&self.path)?;
            let id = build(&git, change, Some(worker))?;
            let standing = git.find_reference(&reference(change.branch)).ok();
            let standing = standing.and_then(|r| r.target());
            if standing.is_none() {
                git.reference(&reference(change.branch), id, false, "integrate")?;
            }
            Ok((id, standing))
        })?;
        match standing {
            Some(other) if other != id => Err(refuse("it stands at another commit")),
            _ => Ok(sha(id)),
        }
    }

    /// Removes a branch; one that is not there is as good as removed.
    pub(super) fn remove_branch(&self, branch: &str) -> Result<(), RepoError> {
        self.wrap(|| {
            let git = Repository::open_bare(&self.path)?;
            match git.find_reference(&reference(branch)) {
                Ok(mut found) => found.delete(),
                Err(fault) if fault.code() == ErrorCode::NotFound => Ok(()),
                Err(fault) => Err(fault),
            }
        })
    }

    /// Puts loose objects into a pack and loose branches into one file, so that a repository that grows by
    /// the thousand stays small. Readers may go on meanwhile: an object is in the pack before its file goes.
    pub(super) fn tidy(&self) -> Result<usize, RepoError> {
        self.wrap(|| {
            let git = Repository::open_bare(&self.path)?;
            let objects = self.path.join("objects");
            let loose = loose_objects(&objects);
            if loose.is_empty() {
                return Ok(0);
            }
            let mut pack = git.packbuilder()?;
            for (id, _) in &loose {
                pack.insert_object(*id, None)?;
            }
            pack.write(&objects.join("pack"), 0o444)?;
            for (_, file) in &loose {
                // One that stays takes room and does no harm.
                let _ = std::fs::remove_file(file);
            }
            git.refdb()?.compress()?;
            Ok(loose.len())
        })
    }

    fn wrap<T>(&self, work: impl FnOnce() -> Result<T, git2::Error>) -> Result<T, RepoError> {
        work().map_err(|source| RepoError::Git {
            path: self.path.clone(),
            source,
        })
    }
}

/// Objects that are files of their own, with those files.
fn loose_objects(objects: &Path) -> Vec<(Oid, PathBuf)> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries(objects)
        .flat_map(|fan| {
            let prefix = fan.file_name().to_string_lossy().into_owned();
            entries(&fan.path())
                .filter_map(move |file| {
                    let name = format!("{prefix}{}", file.file_name().to_string_lossy());
                    let id = Oid::from_str(&name)
                        .ok()
                        .filter(|_| prefix.len() == 2 && name.len() == 40)?;
                    Some((id, file.path()))
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn build(git: &Repository, change: &Change<'_>, base: Option<&CommitSha>) -> Result<Oid, git2::Error> {
    let parents = change
        .parents
        .iter()
        .map(|parent| find(git, parent))
        .collect::<Result<Vec<_>, _>>()?;
    let base = base.ok_or_else(|| git2::Error::from_str("a variant has at least one parent"))?;
    let blob = git.blob(change.text.as_bytes())?;
    let tree = TreeUpdateBuilder::new()
        .upsert(change.file, blob, FileMode::Blob)
        .create_updated(git, &find(git, base)?.tree()?)?;
    let signature = signature(&change.author)?;
    git.commit(
        None,
        &signature,
        &signature,
        change.message,
        &git.find_tree(tree)?,
        &parents.iter().collect::<Vec<_>>(),
    )
}

fn find<'a>(git: &'a Repository, commit: &CommitSha) -> Result<Commit<'a>, git2::Error> {
    git.find_commit(Oid::from_str(commit.as_str())?)
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

fn signature(author: &Author<'_>) -> Result<Signature<'static>, git2::Error> {
    let time = Time::new(author.at.instant().as_second(), 0);
    Signature::new(author.name, &format!("{}@switchboard.invalid", author.name), &time)
}

#[expect(clippy::expect_used, reason = "git prints its object names as lowercase hex")]
fn sha(id: Oid) -> CommitSha {
    id.to_string().parse().expect("an object name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str) -> Author<'_> {
        Author {
            name,
            at: "2026-01-02T03:04:05.000Z".parse().expect("an instant"),
        }
    }

    fn change<'a>(branch: &'a str, parents: &'a [CommitSha], file: &'a str, text: &'a str) -> Change<'a> {
        Change {
            branch,
            parents,
            file,
            text,
            message: "try\n",
            author: author("executor-1"),
        }
    }

    #[test]
    fn a_repository_is_made_once_and_work_descends_from_its_seed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a/b.git");
        let ensure = || Repo::ensure(&path, &[("g.txt", "1\n")], &author("seed")).expect("a repository");
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
    fn a_tidy_repository_holds_the_same_in_less() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.git");
        let (repo, seed) = Repo::ensure(&path, &[("g.txt", "1\n")], &author("seed")).expect("a repository");
        let parents = [seed];
        let commit = |name: &str| repo.commit(&change(name, &parents, "g.txt", name)).expect("a commit");
        let tips: Vec<CommitSha> = ["work/a", "work/b"].into_iter().map(commit).collect();
        assert_eq!(repo.tidy().expect("tidied"), 9);
        assert_eq!(repo.tidy().expect("tidy already"), 0);
        assert!(loose_objects(&path.join("objects")).is_empty());
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
        let (repo, seed) = Repo::ensure(&path, &[("g.txt", "1\n")], &author("seed")).expect("a repository");
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
        let made = find(&git, &commit).expect("a commit");
        assert_eq!(made.parent_ids().map(sha).collect::<Vec<_>>(), parents);
        repo.remove_branch("variant/v-1-a").expect("removed");
        repo.remove_branch("variant/v-1-a").expect("removed already");
        assert_ne!(squash("{ }").expect("free again"), commit);
        let next = [commit.clone()];
        let over = repo.squash(&commit, &change("variant/v-2-b", &next, manifest, "{}"));
        assert!(matches!(over, Err(RepoError::Integration { .. })));
    }
}
