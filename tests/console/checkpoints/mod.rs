//! Checkpoints over the wire: out of one backend, into another, and what is refused on the way.

mod receiving;
mod refusals;
mod travel;

use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use switchboard::client::{Bearer, Client};
use switchboard::clock::Clock;
use switchboard::embedded::{Location, Options};
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;
use tokio::io::AsyncWriteExt;

use crate::support::{ADMIN_TOKEN, CONFIG, Lab, World, eventually, kind_of, states};

/// A backend in a directory that the test can look into.
struct Site {
    dir: tempfile::TempDir,
    world: World,
}

impl Site {
    async fn open() -> Self {
        Self::with(4 * 1024 * 1024).await
    }

    async fn with(max_checkpoint_bytes: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let tasks = Tasks::new();
        let location = Location::Directory(dir.path().to_owned());
        let mut options = Options::new(location, ADMIN_TOKEN.into(), Clock::default(), tasks.clone());
        options.max_checkpoint_bytes = max_checkpoint_bytes;
        Self {
            world: World::serve(options, tasks).await,
            dir,
        }
    }

    fn repo(&self, id: &ExperimentId) -> String {
        let path = self.dir.path().join("repos").join(format!("{id}.git"));
        path.to_string_lossy().into_owned()
    }

    /// What a failure must not leave behind.
    fn litter(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for dir in ["tmp", "repos"] {
            let Ok(entries) = std::fs::read_dir(self.dir.path().join(dir)) else {
                continue;
            };
            names.extend(entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()));
        }
        names
    }

    async fn import(&self, archive: Vec<u8>, id: Option<&ExperimentId>) -> ImportReply {
        let imported = self.world.admin.control().import_checkpoint(archive, id).await;
        imported.expect("imported")
    }

    async fn refused(&self, archive: Vec<u8>, id: Option<&ExperimentId>) -> ErrorType {
        kind_of(self.world.admin.control().import_checkpoint(archive, id).await)
    }

    /// An experiment that is hosted and in which nothing has happened.
    async fn blank(&self, name: &str) -> ExperimentId {
        let id = self.world.register(name).await;
        let seed = SeedRequest {
            config: CONFIG
                .replace("score: real", "speed: real")
                .replace("expr: score", "expr: speed"),
            base_commit_sha: None,
        };
        self.world.admin.control().seed(&id, &seed).await.expect("seeded");
        id
    }
}

fn fresh(digit: char) -> ExperimentId {
    format!("exp_{}", digit.to_string().repeat(26)).parse().expect("an id")
}

async fn export(lab: &Lab) -> Vec<u8> {
    let reply = lab.admin.export_checkpoint().await.expect("exported");
    assert_eq!(reply.headers()["content-type"], "application/x-eden-checkpoint+tar");
    let length: usize = reply.headers()["content-length"]
        .to_str()
        .expect("text")
        .parse()
        .expect("a number");
    let bytes = reply.bytes().await.expect("bytes");
    assert_eq!(bytes.len(), length);
    bytes.into()
}

fn member(archive: &[u8], name: &str) -> String {
    let mut archive = tar::Archive::new(Cursor::new(archive));
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        if entry.path().expect("a path").ends_with(name) {
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            return text;
        }
    }
    panic!("no {name}");
}

/// The bytes of its git history.
fn bundle_of(archive: &[u8]) -> Vec<u8> {
    let mut archive = tar::Archive::new(Cursor::new(archive));
    let mut bytes = Vec::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        if entry.path().expect("a path").ends_with("repo.bundle") {
            entry.read_to_end(&mut bytes).expect("bytes");
        }
    }
    bytes
}

/// The archive with one member replaced.
fn with(archive: &[u8], name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut read = tar::Archive::new(Cursor::new(archive));
    let mut out = tar::Builder::new(Vec::new());
    for entry in read.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let mut header = entry.header().clone();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("bytes");
        if entry.path().expect("a path").ends_with(name) {
            content = bytes.to_vec();
        }
        header.set_size(content.len() as u64);
        header.set_cksum();
        out.append(&header, content.as_slice()).expect("appended");
    }
    out.into_inner().expect("an archive")
}

fn git(args: &[&str]) -> String {
    let run = Command::new("git").args(args).output().expect("git runs");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        run.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    said
}

/// A repository with a seed on `main` and a commit on `work/v-1`; their ids.
fn repository(path: &str) -> (CommitSha, CommitSha) {
    git(&["init", "-q", "--bare", "--initial-branch=main", path]);
    let author = ["-c", "user.name=t", "-c", "user.email=t@t"];
    let empty = git(&["-C", path, "hash-object", "-t", "tree", "-w", "/dev/null"]);
    let commit = |text: &str, parent: &[&str]| {
        let tree = empty.trim();
        let args = [&["-C", path], &author[..], &["commit-tree", tree, "-m", text], parent].concat();
        git(&args).trim().to_owned()
    };
    let seed = commit("seed", &[]);
    let tip = commit("tip", &["-p", &seed]);
    git(&["-C", path, "update-ref", "refs/heads/main", &seed]);
    git(&["-C", path, "update-ref", "refs/heads/work/v-1", &tip]);
    (seed.parse().expect("a commit"), tip.parse().expect("a commit"))
}

/// An experiment in the middle of its life: of each kind of task one that is done, and one that is held.
async fn lived(site: &Site, name: &str) -> Lab {
    let id = site.world.register(name).await;
    let (seed, tip) = repository(&site.repo(&id));
    let lab = Lab::seed(&site.world.admin, &id, seed.clone(), Clock::default()).await;
    let task = |id: &str| -> TaskId { id.parse().expect("an id") };
    lab.ideation("t-1").await;
    lab.claim(&task("t-1")).await;
    let mut idea = lab.idea("i-1");
    idea.parent_commits = vec![seed.clone()];
    idea.extra.insert("updated_at".to_owned(), json!("whenever"));
    lab.worker.create_idea(&idea).await.expect("drafted");
    lab.worker.mark_ready(&idea.idea_id).await.expect("ready");
    let mut proposal = Submission::new(SubmissionStatus::Success);
    proposal.idea_ids = Some(vec![idea.idea_id.clone()]);
    lab.worker.submit(&task("t-1"), proposal).await.expect("submitted");
    lab.orchestrator.accept(&task("t-1")).await.expect("accepted");

    lab.task("x-1", TaskKind::Execution, json!({ "idea_id": "i-1" }))
        .await
        .expect("created");
    lab.claim(&task("x-1")).await;
    let mut variant = lab.variant("v-1", "i-1");
    variant.parent_commits = vec![seed];
    lab.worker.create_variant(&variant).await.expect("started");
    let mut done = Submission::new(SubmissionStatus::Success);
    done.variant_id = Some(variant.variant_id.clone());
    done.commit_sha = Some(tip);
    lab.worker.submit(&task("x-1"), done).await.expect("submitted");
    lab.orchestrator.accept(&task("x-1")).await.expect("accepted");

    lab.task("e-1", TaskKind::Evaluation, json!({ "variant_id": "v-1" }))
        .await
        .expect("created");
    lab.claim(&task("e-1")).await;
    let mut measured = Submission::new(SubmissionStatus::Success);
    measured.variant_id = Some(variant.variant_id);
    measured.evaluation = json!({ "score": 0.5 }).as_object().cloned();
    lab.worker.submit(&task("e-1"), measured).await.expect("submitted");

    lab.ideation("t-2").await;
    lab.claim(&task("t-2")).await;
    lab
}
