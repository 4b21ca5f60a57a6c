//! Checkpoints over the wire: out of one backend, into another, and what is refused on the way.

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

const SHAPE: [&str; 8] = [
    "checkpoint_format_version",
    "counts",
    "experiment_id",
    "exported_at",
    "exporter",
    "files",
    "requires_credential_reissue",
    "spec_version",
];

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

/// Puts one id in the place of another, in whatever is compared.
fn renamed<T: serde::Serialize>(what: &T, from: &ExperimentId, to: &ExperimentId) -> Value {
    let text = serde_json::to_string(what).expect("JSON");
    serde_json::from_str(&text.replace(from.as_str(), to.as_str())).expect("JSON")
}

#[tokio::test]
async fn an_experiment_goes_on_in_another_backend() {
    let (here, there) = (Site::open().await, Site::open().await);
    let lab = lived(&here, "moving").await;
    let archive = export(&lab).await;

    let manifest: Value = serde_json::from_str(&member(&archive, "manifest.json")).expect("JSON");
    let keys: Vec<_> = manifest
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, SHAPE);
    let counts = json!({
        "tasks": 4, "ideas": 1, "variants": 1, "submissions": 3, "events": lab.admin.events(0, None).await
            .expect("events").cursor, "workers": 2, "groups": 2,
    });
    assert_eq!(manifest["counts"], counts);
    assert_eq!(manifest["experiment_id"], lab.id.as_str());
    assert_eq!(member(&archive, "experiment-config.yaml"), CONFIG, "verbatim");

    let reply = there.import(archive.clone(), None).await;
    let id = reply.experiment_id;
    assert_ne!(id, lab.id, "an id of the receiver's own");
    let told = reply.warnings.iter().find(|warning| warning.contains("reissue"));
    assert!(
        told.is_some_and(|warning| warning.contains(lab.worker_id.as_str())),
        "{:?}",
        reply.warnings
    );
    assert!(
        there.litter().iter().all(|name| *name == format!("{id}.git")),
        "{:?}",
        there.litter()
    );

    let copy = there.world.admin.experiment(&id);
    let (source, target) = (lab.admin.read().await.expect("read"), copy.read().await.expect("read"));
    assert_eq!((source.state, source.created_at), (target.state, target.created_at));
    assert_eq!(source.base_commit_sha, target.base_commit_sha);
    assert_eq!(source.imported_from, None);
    let provenance = json!({
        "checkpoint_exported_at": manifest["exported_at"], "checkpoint_format_version": "1",
        "source_experiment_id": lab.id,
    });
    assert_eq!(target.imported_from, Some(provenance));
    assert_eq!(
        renamed(&lab.admin.dispatch_mode().await.expect("read"), &lab.id, &id),
        json!(copy.dispatch_mode().await.expect("read"))
    );
    for (source, target) in [
        (
            json!(lab.admin.ideas().await.expect("ideas").items),
            json!(copy.ideas().await.expect("ideas").items),
        ),
        (
            json!(lab.admin.variants().await.expect("variants").items),
            json!(copy.variants().await.expect("variants").items),
        ),
        (
            json!(lab.admin.workers().await.expect("workers")),
            json!(copy.workers().await.expect("workers")),
        ),
        (
            json!(lab.admin.groups().await.expect("groups")),
            json!(copy.groups().await.expect("groups")),
        ),
        (
            json!(lab.admin.events(0, None).await.expect("events")),
            json!(copy.events(0, None).await.expect("events")),
        ),
    ] {
        assert_eq!(renamed(&source, &lab.id, &id), target);
    }
    let tasks = lab
        .admin
        .tasks()
        .await
        .expect("tasks")
        .items
        .into_iter()
        .map(|mut task| {
            if task.state == TaskState::Claimed {
                task.state = TaskState::Pending;
                task.claim = None;
            }
            task
        });
    let tasks: Vec<Task> = tasks.collect();
    assert_eq!(
        renamed(&tasks, &lab.id, &id),
        json!(copy.tasks().await.expect("tasks").items)
    );
    for task in &tasks {
        let stored = lab.admin.submission(&task.task_id).await.expect("read");
        assert_eq!(
            stored,
            copy.submission(&task.task_id).await.expect("read"),
            "{}",
            task.task_id
        );
    }

    // Its registry knows it, under the id it has there.
    let entries = there.world.admin.control().experiments().await.expect("entries");
    let entry = entries
        .iter()
        .find(|entry| entry.experiment_id == id)
        .expect("registered");
    assert_eq!(entry.config_uri, format!("eden-checkpoint:{}", lab.id));
    assert_eq!(entry.name, source.name);

    // Git takes what was written, and has the same history.
    let bundle = here.dir.path().join("repo.bundle");
    std::fs::write(&bundle, bundle_of(&archive)).expect("written");
    let clone = here.dir.path().join("clone");
    git(&[
        "-C",
        &here.repo(&lab.id),
        "bundle",
        "verify",
        "-q",
        &bundle.to_string_lossy(),
    ]);
    git(&["clone", "-q", &bundle.to_string_lossy(), &clone.to_string_lossy()]);
    let refs = |path: &str| git(&["-C", path, "for-each-ref", "--format=%(objectname) %(refname)"]);
    assert_eq!(refs(&here.repo(&lab.id)), refs(&there.repo(&id)));
    git(&["-C", &there.repo(&id), "fsck", "--strict"]);
    assert_eq!(
        git(&["-C", &there.repo(&id), "symbolic-ref", "HEAD"]).trim(),
        "refs/heads/main"
    );

    go_on(&there, &lab, &copy).await;
}

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

/// Nobody comes in with the old secret; with a new one the work goes on where it was, in one log.
async fn go_on(there: &Site, lab: &Lab, copy: &switchboard::client::ExperimentClient) {
    let old = lab
        .admin
        .reissue_credential(&lab.worker_id)
        .await
        .expect("reissued at the source");
    let bearer = Bearer::new(Actor::Worker(lab.worker_id.clone()), old);
    let old = Client::new(&there.world.base, bearer)
        .expect("a client")
        .experiment(copy.id());
    assert_eq!(kind_of(old.whoami().await), ErrorType::Unauthorized);
    let mut clients = Vec::new();
    for worker in copy.workers().await.expect("workers") {
        let secret = copy.reissue_credential(&worker.worker_id).await.expect("reissued");
        clients.push(copy.with_bearer(Bearer::new(Actor::Worker(worker.worker_id), secret)));
    }
    let [orchestrator, worker] = clients.as_slice() else {
        panic!("two workers");
    };
    let before = copy.events(0, None).await.expect("events").events;
    let id: TaskId = "t-2".parse().expect("an id");
    worker.claim(&id, &ClaimRequest::default()).await.expect("claimed anew");
    let mut again = Submission::new(SubmissionStatus::Success);
    again.variant_id = Some("v-1".parse().expect("an id"));
    again.evaluation = json!({ "score": 0.5 }).as_object().cloned();
    let e1: TaskId = "e-1".parse().expect("an id");
    worker.submit(&e1, again).await.expect("still the claimant's to repeat");
    orchestrator
        .accept(&e1)
        .await
        .expect("its group came with it, and the metrics are of its schema");
    let after = copy.events(0, None).await.expect("events").events;
    assert_eq!(after[..before.len()], before[..]);
    let ids: std::collections::BTreeSet<_> = after.iter().map(|event| &event.event_id).collect();
    assert_eq!(ids.len(), after.len(), "no id comes twice");
    let kinds: Vec<_> = after[before.len()..].iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["task.claimed", "task.completed", "variant.succeeded"]);
}

#[tokio::test]
async fn an_id_in_use_is_not_imported_into() {
    let site = Site::open().await;
    let lab = lived(&site, "first").await;
    let archive = export(&lab).await;
    assert_eq!(
        site.refused(archive.clone(), Some(&lab.id)).await,
        ErrorType::ExperimentIdConflict
    );

    let other = Site::open().await;
    let chosen = fresh('7');
    assert_eq!(other.import(archive.clone(), Some(&chosen)).await.experiment_id, chosen);
    let before = states(&other.world.admin.experiment(&chosen)).await;
    assert_eq!(
        other.refused(archive.clone(), Some(&chosen)).await,
        ErrorType::ExperimentIdConflict
    );
    assert_eq!(states(&other.world.admin.experiment(&chosen)).await, before);
    let minted = other.import(archive.clone(), None).await.experiment_id;
    assert_ne!(minted, chosen, "without an id another one is minted");
    assert_eq!(other.litter().len(), 2, "a repository each: {:?}", other.litter());

    // A repository that is not ours to overwrite, and one that an import left when the process died.
    let guarded = fresh('8');
    repository(&other.repo(&guarded));
    assert_eq!(
        other.refused(archive.clone(), Some(&guarded)).await,
        ErrorType::ExperimentIdConflict
    );
    let unseen = other.world.admin.experiment(&guarded).read().await;
    assert_eq!(
        kind_of(unseen),
        ErrorType::NotFound,
        "the repository refused, and nothing was committed"
    );
    let abandoned = Path::new(&other.repo(&guarded)).join("uncommitted-import");
    std::fs::write(&abandoned, "").expect("written");
    other.import(archive, Some(&guarded)).await;
    assert!(!abandoned.exists());
    assert!(git(&["-C", &other.repo(&guarded), "for-each-ref"]).contains("work/v-1"));
}

#[tokio::test]
async fn a_blank_experiment_becomes_what_the_archive_holds() {
    let (here, there) = (Site::open().await, Site::open().await);
    let lab = lived(&here, "source").await;
    lab.orchestrator.terminate("enough").await.expect("terminated");
    let archive = export(&lab).await;
    let blank = there.blank("blank").await;
    let client = there.world.admin.experiment(&blank);

    // Who waits for its log is woken, though its configuration changes.
    let waiting = long_poll(&there.world.base, &blank, 0);
    let both = async { tokio::join!(waiting, there.import(archive.clone(), None)) };
    let (seen, reply) = tokio::time::timeout(Duration::from_secs(30), both)
        .await
        .expect("it is woken");
    assert_eq!(reply.experiment_id, blank, "the only one hosted, and blank");
    assert_eq!(seen, lab.admin.events(0, None).await.expect("events").cursor);
    let schema = client.config().await.expect("a config").evaluation_schema;
    assert!(
        schema.contains_key("score") && !schema.contains_key("speed"),
        "{schema:?}"
    );
    assert_eq!(client.read().await.expect("read").state, ExperimentState::Terminated);
    let entry = there.world.admin.control().experiment(&blank).await.expect("an entry");
    assert_eq!(entry.last_known_state, ExperimentState::Terminated);
    assert_eq!(entry.config_uri, "file:///experiment.yaml", "its own");
    assert_eq!(
        there.refused(archive.clone(), Some(&blank)).await,
        ErrorType::ExperimentIdConflict
    );

    // An archive whose configuration is none: the receiver's stays, or one is made of what was measured.
    let junk = with(&archive, "experiment-config.yaml", b"x\n");
    let blank = there.blank("another").await;
    let reply = there.import(junk.clone(), Some(&blank)).await;
    assert!(
        reply
            .warnings
            .iter()
            .any(|warning| warning.contains("of the receiver stays")),
        "{:?}",
        reply.warnings
    );
    let config = there.world.admin.experiment(&blank).config().await.expect("a config");
    assert!(config.evaluation_schema.contains_key("speed"));
    let reply = there.import(junk, Some(&fresh('6'))).await;
    assert!(
        reply.warnings.iter().any(|warning| warning.contains("one was made")),
        "{:?}",
        reply.warnings
    );
    let made = there.world.admin.experiment(&fresh('6'));
    let schema = made.config().await.expect("a config").evaluation_schema;
    assert_eq!(schema.get("score"), Some(&MetricType::Real));

    // All of it is there after a restart.
    let before = (states(&made).await, made.events(0, None).await.expect("events").cursor);
    let Site { dir, world } = there;
    world.stop().await;
    let world = World::at(Location::Directory(dir.path().to_owned())).await;
    let made = world.admin.experiment(&fresh('6'));
    assert_eq!(
        (states(&made).await, made.events(0, None).await.expect("events").cursor),
        before
    );
}

/// The cursor after a wait for the log to grow past this one.
async fn long_poll(base: &str, id: &ExperimentId, cursor: u64) -> u64 {
    let reply = reqwest::Client::new()
        .get(format!(
            "{base}/v0/experiments/{id}/events/subscribe?cursor={cursor}&timeout=60"
        ))
        .header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"))
        .header(EXPERIMENT_HEADER, id.as_str())
        .send()
        .await
        .expect("an answer");
    reply.json::<EventBatch>().await.expect("a batch").cursor
}

/// An import request beneath the typed client.
struct Request<'a> {
    site: &'a Site,
    bearer: Option<String>,
    header: Option<String>,
    query: &'static str,
}

impl<'a> Request<'a> {
    fn new(site: &'a Site) -> Self {
        Self {
            site,
            bearer: Some(format!("admin:{ADMIN_TOKEN}")),
            header: None,
            query: "",
        }
    }

    async fn send(self, body: Vec<u8>) -> (StatusCode, ErrorType, String) {
        let url = format!("{}/v0/checkpoints/import{}", self.site.world.base, self.query);
        let mut request = reqwest::Client::new().post(url).body(body);
        if let Some(bearer) = self.bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some(header) = self.header {
            request = request.header(EXPERIMENT_HEADER, header);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        let problem: Problem = response.json().await.expect("a problem document");
        (status, problem.error_type().expect("of the vocabulary"), problem.detail)
    }
}

#[tokio::test]
async fn refusals_come_in_the_order_of_the_wire() {
    let site = Site::open().await;
    let lab = lived(&site, "order").await;
    let archive = export(&lab).await;
    let junk = || b"this is not a tar".to_vec();
    let spoiled = |from: &str, to: &str| {
        let manifest = member(&archive, "manifest.json");
        assert!(manifest.contains(from), "{manifest}");
        with(&archive, "manifest.json", manifest.replace(from, to).as_bytes())
    };
    let expect = |what: &'static str, (status, kind, detail): (StatusCode, ErrorType, String), wanted: ErrorType| {
        assert_eq!(kind, wanted, "{what}: {detail}");
        assert_eq!(status.as_u16(), wanted.status(), "{what}");
    };
    let own = lab.id.to_string();

    let mut request = Request::new(&site);
    request.bearer = None;
    request.query = "?as_experiment_id=nonsense";
    expect("no bearer", request.send(Vec::new()).await, ErrorType::Unauthorized);
    let group = RegisterWorker::default();
    let worker: Credentialed = reqwest::Client::new()
        .post(format!("{}/v0/control/workers", site.world.base))
        .header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"))
        .json(&group)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a worker");
    let mut request = Request::new(&site);
    request.bearer = Some(format!("{}:{}", worker.worker.worker_id, worker.registration_token));
    expect("a worker", request.send(Vec::new()).await, ErrorType::Forbidden);
    let mut request = Request::new(&site);
    request.header = Some(fresh('9').to_string());
    expect("an empty body", request.send(Vec::new()).await, ErrorType::BadRequest);
    let mut request = Request::new(&site);
    request.query = "?as_experiment_id=nonsense";
    expect("an ill-formed id", request.send(junk()).await, ErrorType::BadRequest);
    for header in [fresh('9').to_string(), "nonsense".to_owned(), String::new()] {
        let mut request = Request::new(&site);
        request.header = Some(header);
        expect(
            "another header",
            request.send(junk()).await,
            ErrorType::ExperimentIdMismatch,
        );
    }
    let mut request = Request::new(&site);
    (request.header, request.query) = (Some(own.clone()), "?as_experiment_id=exp_00000000000000000000000077");
    expect(
        "header and query disagree",
        request.send(junk()).await,
        ErrorType::ExperimentIdMismatch,
    );
    let mut request = Request::new(&site);
    request.header = Some(own.clone());
    expect("no archive", request.send(junk()).await, ErrorType::CheckpointInvalid);
    for (what, body, wanted) in [
        (
            "a manifest of no shape",
            spoiled("counts", "count"),
            ErrorType::CheckpointInvalid,
        ),
        (
            "a format to come",
            with(&spoiled("\"1\"", "\"999\""), "tasks.jsonl", b"junk"),
            ErrorType::UnsupportedCheckpointVersion,
        ),
        (
            "a protocol to come",
            with(&spoiled("\"v0\"", "\"v99\""), "tasks.jsonl", b"junk"),
            ErrorType::SpecVersionMismatch,
        ),
        (
            "junk for tasks",
            with(&archive, "tasks.jsonl", b"junk\n"),
            ErrorType::CheckpointInvalid,
        ),
        (
            "junk for a bundle",
            with(&archive, "repo.bundle", b"junk\n"),
            ErrorType::CheckpointInvalid,
        ),
        ("an id in use", archive.clone(), ErrorType::ExperimentIdConflict),
    ] {
        let mut request = Request::new(&site);
        request.header = Some(own.clone());
        expect(what, request.send(body).await, wanted);
    }
    assert_eq!(site.litter(), [format!("{own}.git")]);
    let entries = site.world.admin.control().experiments().await.expect("entries");
    assert_eq!(entries.len(), 1, "nothing else was registered");
    let refused = lab.worker.export_checkpoint().await;
    assert_eq!(kind_of(refused), ErrorType::Forbidden);
    for (version, status) in [("1", StatusCode::OK), ("2", StatusCode::BAD_REQUEST)] {
        let reply = reqwest::Client::new()
            .post(format!(
                "{}/v0/experiments/{own}/checkpoint?format_version={version}",
                site.world.base
            ))
            .header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"))
            .header(EXPERIMENT_HEADER, &own)
            .send()
            .await
            .expect("an answer");
        assert_eq!(reply.status(), status, "{version}");
    }
}

#[tokio::test]
async fn uploads_that_are_too_large_or_cut_off_leave_nothing() {
    let site = Site::with(50_000).await;
    let lab = lived(&site, "limits").await;
    let archive = export(&lab).await;
    assert!(archive.len() < 50_000);
    let padded = [archive.clone(), vec![0; 50_001 - archive.len()]].concat();
    assert_eq!(site.refused(padded, None).await, ErrorType::PayloadTooLarge);
    assert_eq!(
        site.refused(vec![b'x'; 2_000_000], None).await,
        ErrorType::PayloadTooLarge
    );
    let before = site.litter();
    assert_eq!(before.len(), 1, "the repository of the source: {before:?}");

    let address = site.world.base.strip_prefix("http://").expect("http");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "POST /v0/checkpoints/import HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer \
         admin:{ADMIN_TOKEN}\r\ncontent-length: 40000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&archive[..1000]).await.expect("sent");
    eventually("the file is begun", || site.litter().len() == 2).await;
    drop(stream);
    eventually("the file is gone", || site.litter().len() == 1).await;
    let reply = site.import(archive, None).await;
    assert!(site.world.admin.experiment(&reply.experiment_id).read().await.is_ok());
}

#[tokio::test]
async fn of_imports_that_race_for_an_id_one_lands() {
    let (here, there) = (Site::open().await, Site::open().await);
    let archive = export(&lived(&here, "raced for").await).await;
    let id = fresh('5');
    let control = there.world.admin.control();
    let race = (0..6).map(|_| control.import_checkpoint(archive.clone(), Some(&id)));
    let outcomes = futures_util::future::join_all(race).await;
    let (landed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(landed.len(), 1);
    for outcome in refused {
        assert_eq!(kind_of(outcome), ErrorType::ExperimentIdConflict);
    }
    assert_eq!(there.litter(), [format!("{id}.git")]);
    let copy = there.world.admin.experiment(&id);
    assert_eq!(states(&copy).await.len(), 6, "four tasks, an idea and a variant");
}
