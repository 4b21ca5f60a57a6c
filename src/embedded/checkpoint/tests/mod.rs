//! Tests of what makes an archive valid or invalid, on a valid archive that each test changes.

mod archives;
mod bundles;
mod damage;
mod permits;
mod repos;
mod rules;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, Write};
use std::path::Path;

use git2::{Repository, Signature, Time};
use serde_json::{Value, json};
use tar::{EntryType, Header};
use tokio_util::sync::CancellationToken;

use super::archive::Archive;
use super::bundle::{self, Refs};
use super::checked::check;
use super::member::Member;
use super::{CheckpointError, RepositoryStore, pack};
use crate::embedded::Durability;
use crate::protocol::ErrorType;

const SOURCE: &str = "exp_00000000000000000000000001";
const NOW: &str = "2026-01-02T03:04:05.000Z";

/// The members of an archive by name, for tests to change.
type Members = BTreeMap<String, Vec<u8>>;

fn worker(n: u8) -> String {
    format!("wkr_{n:0>26}")
}

/// A repository with a commit on `main`, one on `work/v-1` on top of it, and a tag, and its bundle.
fn repository(dir: &Path) -> (Vec<u8>, String, String) {
    let repo = Repository::init_bare(dir.join("source.git")).expect("a repository");
    let author = Signature::new("t", "t@t", &Time::new(0, 0)).expect("a signature");
    let commit = |branch: &str, text: &str, parent: Option<git2::Oid>| {
        let blob = repo.blob(text.repeat(200).as_bytes()).expect("a blob");
        let mut tree = repo.treebuilder(None).expect("a tree");
        tree.insert("a.txt", blob, 0o100_644).expect("an entry");
        let tree = repo.find_tree(tree.write().expect("written")).expect("a tree");
        let parent = parent.map(|id| repo.find_commit(id).expect("a parent"));
        let parents: Vec<_> = parent.iter().collect();
        repo.commit(
            Some(&format!("refs/heads/{branch}")),
            &author,
            &author,
            text,
            &tree,
            &parents,
        )
        .expect("a commit")
    };
    let seed = commit("main", "one\n", None);
    let tip = commit("work/v-1", "one\ntwo\n", Some(seed));
    let seed_object = repo.find_object(seed, None).expect("there");
    repo.tag("v1", &seed_object, &author, "a tag", false).expect("a tag");
    repo.set_head("refs/heads/main").expect("head");
    let mut out = Vec::new();
    bundle::write(&repo, &mut out).expect("bundled");
    (out, seed.to_string(), tip.to_string())
}

fn lines(rows: &[Value]) -> Vec<u8> {
    rows.iter().flat_map(|row| format!("{row}\n").into_bytes()).collect()
}

/// A running experiment with every kind of entity.
fn valid_members(dir: &Path) -> Members {
    let (bundle, seed, tip) = repository(dir);
    let task = |id: &str, kind: &str, state: &str, payload: Value| {
        let mut task = json!({
            "task_id": id, "kind": kind, "state": state, "payload": payload, "created_at": NOW, "updated_at": NOW,
        });
        if matches!(state, "claimed" | "submitted") {
            task["claim"] = json!({ "worker_id": worker(1), "claimed_at": NOW });
        }
        task
    };
    let event = |number: u32, kind: &str, data: Value| {
        json!({
            "event_id": format!("evt-{number:06}"), "type": kind, "occurred_at": NOW, "experiment_id": SOURCE,
            "data": data,
        })
    };
    let rows = [
        (
            Member::Tasks,
            vec![
                task("t-1", "ideation", "completed", json!({ "experiment_id": SOURCE })),
                task("x-1", "execution", "completed", json!({ "idea_id": "i-1" })),
                task("e-1", "evaluation", "submitted", json!({ "variant_id": "v-1" })),
                task("t-2", "ideation", "claimed", json!({ "experiment_id": SOURCE })),
            ],
        ),
        (
            Member::Ideas,
            vec![json!({
                "idea_id": "i-1", "experiment_id": SOURCE, "slug": "a", "priority": 1, "parent_commits": [seed],
                "artifacts_uri": "file:///x", "state": "completed", "created_at": NOW,
            })],
        ),
        (
            Member::Variants,
            vec![json!({
                "variant_id": "v-1", "experiment_id": SOURCE, "idea_id": "i-1", "status": "starting",
                "parent_commits": [seed], "branch": "work/v-1", "commit_sha": tip, "started_at": NOW,
            })],
        ),
        (
            Member::Submissions,
            vec![
                json!({ "task_id": "t-1", "kind": "ideation", "status": "success", "idea_ids": ["i-1"] }),
                json!({
                    "task_id": "x-1", "kind": "execution", "status": "success", "variant_id": "v-1", "commit_sha": tip,
                }),
                json!({
                    "task_id": "e-1", "kind": "evaluation", "status": "success", "variant_id": "v-1",
                    "evaluation": { "score": 0.5 },
                }),
            ],
        ),
        (
            Member::Events,
            vec![
                event(1, "task.created", json!({ "task_id": "t-1", "kind": "ideation" })),
                event(2, "idea.drafted", json!({ "idea_id": "i-1" })),
                event(3, "variant.started", json!({ "variant_id": "v-1", "idea_id": "i-1" })),
                event(4, "x_somebody.noted", json!({ "task_id": "of another kind" })),
            ],
        ),
        (
            Member::Workers,
            vec![json!({ "worker_id": worker(1), "experiment_id": SOURCE, "name": "one", "registered_at": NOW })],
        ),
        (
            Member::Groups,
            vec![json!({
                "group_id": "grp_00000000000000000000000001", "experiment_id": SOURCE, "name": "admins",
                "members": [worker(1), "grp_00000000000000000000000002"], "created_at": NOW,
            })],
        ),
    ];
    let count = |member: Member| {
        rows.iter()
            .find(|(of, _)| *of == member)
            .map_or(0, |(_, rows)| rows.len())
    };
    let manifest = json!({
        "checkpoint_format_version": "1", "spec_version": "v0", "experiment_id": SOURCE,
        "exported_at": "2026-05-06T15:00:00Z", "requires_credential_reissue": true,
        "counts": {
            "tasks": count(Member::Tasks), "ideas": count(Member::Ideas), "variants": count(Member::Variants),
            "submissions": count(Member::Submissions), "events": count(Member::Events),
            "workers": count(Member::Workers), "groups": count(Member::Groups),
        },
        "files": {
            "experiment_config": "experiment-config.yaml", "experiment": "experiment.json", "tasks": "tasks.jsonl",
            "ideas": "ideas.jsonl", "variants": "variants.jsonl", "submissions": "submissions.jsonl",
            "events": "events.jsonl", "workers": "workers.jsonl", "groups": "groups.jsonl",
            "repo_bundle": "repo.bundle", "artifacts_dir": "artifacts/sha256",
        },
    });
    let experiment = json!({ "experiment_id": SOURCE, "state": "running", "created_at": NOW, "base_commit_sha": seed });
    let mut members: Members = rows
        .iter()
        .map(|(member, rows)| (member.name().to_owned(), lines(rows)))
        .collect();
    members.insert(Member::Manifest.name().to_owned(), manifest.to_string().into_bytes());
    members.insert(
        Member::Experiment.name().to_owned(),
        experiment.to_string().into_bytes(),
    );
    members.insert(Member::Config.name().to_owned(), b"x\n".to_vec());
    members.insert(Member::Bundle.name().to_owned(), bundle);
    members
}

fn entry(out: &mut Vec<u8>, name: &[u8], kind: EntryType, bytes: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    out.extend(header.as_bytes());
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
}

fn tar(members: &Members) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in members {
        entry(&mut out, format!("top/{name}").as_bytes(), EntryType::Regular, bytes);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn on_disk(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file.rewind().expect("at its beginning");
    file
}

/// Why the archive is refused, or `None` when it is valid. Any other failure is a fault of ours.
fn refusal(dir: &Path, archive: &[u8]) -> Option<(ErrorType, String)> {
    let repositories = RepositoryStore::open(dir.join("repos"), Durability::Unsynced).expect("a directory");
    let result = check(on_disk(archive), CancellationToken::new(), &repositories).map(drop);
    let left = std::fs::read_dir(dir.join("repos")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left behind");
    match result {
        Ok(()) => None,
        Err(CheckpointError::Protocol(error)) => Some((error.kind, error.detail)),
        Err(CheckpointError::Storage(fault)) => panic!("not the archive's fault: {fault:?}"),
    }
}

#[test]
fn a_valid_archive_is_accepted() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(refusal(dir.path(), &tar(&valid_members(dir.path()))), None);
}
