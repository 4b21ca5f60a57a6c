//! Real repositories, real remotes, on this machine.

mod bounds;
mod remotes;
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::{CommitSha, ExperimentId};
use support::{Server, Source, id};

const LONG: Duration = Duration::from_secs(60);

struct World {
    dir: tempfile::TempDir,
    clock: Clock,
    tasks: Tasks,
}

impl World {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory"),
            clock: Clock::manual("2026-01-02T03:04:05Z".parse().expect("an instant")),
            tasks: Tasks::new(),
        }
    }

    /// Where clones are.
    fn root(&self) -> PathBuf {
        self.dir.path().join("clones")
    }

    /// Where remotes are.
    fn sources(&self) -> PathBuf {
        self.dir.path().join("sources")
    }

    fn clone_of(&self, id: &ExperimentId) -> PathBuf {
        self.root().join(format!("{id}.git"))
    }

    fn source(&self, id: &ExperimentId) -> Source {
        Source::new(&self.sources(), id)
    }

    async fn server(&self) -> Server {
        Server::start(&self.sources(), &self.tasks).await
    }

    fn options(&self, remote: Option<&str>) -> Options {
        let mut options = Options::at(Some(self.root()));
        options.remote = remote.map(|remote| Remote::parse(remote).expect("a remote"));
        // Nothing here waits for time to pass; a busy machine is given what it needs.
        options.wait_timeout = LONG;
        options
    }

    fn repos(&self, options: Options) -> RepoMaterializer {
        RepoMaterializer::new(options, self.clock.clone(), self.tasks.clone()).expect("set up")
    }

    /// Over the directory of remotes.
    fn local(&self) -> RepoMaterializer {
        self.repos(self.options(Some(&format!("file://{}/any.git", self.sources().display()))))
    }
}

async fn fault(repos: &RepoMaterializer, id: &ExperimentId) -> RemoteFault {
    match repos.open(id).await {
        Err(RepoError::Remote(failure)) => failure.fault,
        other => panic!("no failure of the remote: {other:?}"),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
