//! Repositories on disk: submodules, missing objects, and imports that were not committed.

use super::*;
use crate::embedded::storage::StorageError;
use crate::protocol::ExperimentId;

/// A commit on `main` whose tree has a file, a submodule and a directory with the same file.
fn with_submodule(path: &Path) -> (Repository, git2::Oid, git2::Oid) {
    let repo = Repository::init_bare(path).expect("a repository");
    let author = Signature::new("t", "t@t", &Time::new(0, 0)).expect("a signature");
    let elsewhere: git2::Oid = "1".repeat(40).parse().expect("an id");
    let blob = repo.blob(b"text\n").expect("a blob");
    let tree = |entries: &[(&str, git2::Oid, i32)]| {
        let mut tree = repo.treebuilder(None).expect("a tree");
        for (name, id, mode) in entries {
            tree.insert(name, *id, *mode).expect("an entry");
        }
        tree.write().expect("written")
    };
    let inner = tree(&[("a.txt", blob, 0o100_644)]);
    let outer = tree(&[
        ("a.txt", blob, 0o100_755),
        ("dir", inner, 0o040_000),
        ("library", elsewhere, 0o160_000),
    ]);
    let tip = {
        let tree = repo.find_tree(outer).expect("a tree");
        repo.commit(Some("refs/heads/main"), &author, &author, "tip", &tree, &[])
            .expect("a commit")
    };
    (repo, tip, blob)
}

/// A bundle of only these objects, whatever they refer to.
fn bundle_of(repo: &Repository, tip: git2::Oid, objects: &[git2::Oid]) -> Vec<u8> {
    let mut pack = repo.packbuilder().expect("a pack");
    for id in objects {
        pack.insert_object(*id, None).expect("there");
    }
    let mut bytes = git2::Buf::new();
    pack.write_buf(&mut bytes).expect("written");
    [
        format!("# v2 git bundle\n{tip} refs/heads/main\n\n").as_bytes(),
        bytes.as_ref(),
    ]
    .concat()
}

#[test]
fn only_the_commits_of_submodules_may_be_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (repo, tip, blob) = with_submodule(&dir.path().join("modules.git"));
    let mut members = valid_members(dir.path());
    // An archive that names no commit of the other repository.
    for member in ["tasks", "ideas", "variants", "submissions", "events"] {
        members.insert(format!("{member}.jsonl"), Vec::new());
    }
    let experiment =
        json!({ "experiment_id": SOURCE, "state": "running", "created_at": NOW, "base_commit_sha": tip.to_string() });
    members.insert("experiment.json".to_owned(), experiment.to_string().into_bytes());
    let mut manifest: Value = serde_json::from_slice(&members["manifest.json"]).expect("JSON");
    for count in ["tasks", "ideas", "variants", "submissions", "events"] {
        manifest["counts"][count] = json!(0);
    }
    members.insert("manifest.json".to_owned(), manifest.to_string().into_bytes());
    let mut with = |bundle: Vec<u8>| {
        members.insert("repo.bundle".to_owned(), bundle);
        refusal(dir.path(), &tar(&members))
    };

    let mut ours = Vec::new();
    bundle::write(&repo, &mut ours).expect("bundled");
    assert_eq!(with(ours), None, "a bundle that we wrote");
    let theirs = dir.path().join("theirs.bundle");
    let git = std::process::Command::new("git")
        .arg("-C")
        .arg(repo.path())
        .args(["bundle", "create", "-q"])
        .arg(&theirs)
        .arg("--all")
        .status()
        .expect("git runs");
    assert!(git.success());
    assert_eq!(
        with(std::fs::read(theirs).expect("read")),
        None,
        "a bundle that git wrote"
    );

    let commit = repo.find_commit(tip).expect("a commit");
    let (outer, inner) = {
        let tree = commit.tree().expect("a tree");
        (tree.id(), tree.get_name("dir").expect("an entry").id())
    };
    assert_eq!(with(bundle_of(&repo, tip, &[tip, outer, inner, blob])), None);
    for (hole, rest) in [
        (outer, [tip, inner, blob]),
        (inner, [tip, outer, blob]),
        (blob, [tip, outer, inner]),
        (tip, [outer, inner, blob]),
    ] {
        let (kind, detail) = with(bundle_of(&repo, tip, &rest)).expect("refused");
        assert_eq!(kind, ErrorType::CheckpointInvalid);
        assert!(detail.contains(&format!("object {hole} is missing")), "{detail}");
    }
}

#[test]
fn a_cancelled_check_stops_reading() {
    let dir = tempfile::tempdir().expect("a directory");
    let repositories = RepositoryStore::open(dir.path().join("repos"), Durability::Unsynced).expect("a directory");
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let result = check(on_disk(&tar(&valid_members(dir.path()))), cancelled, &repositories).map(drop);
    let Err(CheckpointError::Protocol(error)) = result else {
        panic!("{result:?}");
    };
    assert!(error.detail.contains("nobody waits"), "{}", error.detail);
}

#[test]
fn the_repository_of_an_uncommitted_import_is_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("repos");
    let repositories = RepositoryStore::open(root.clone(), Durability::Unsynced).expect("a directory");
    let ids: [ExperimentId; 3] =
        ["1", "2", "3"].map(|digit| format!("exp_{}", digit.repeat(26)).parse().expect("an id"));
    for id in &ids {
        with_submodule(&root.join(format!("{id}.git")));
    }
    let [committed, lost, own] = &ids;
    for id in [committed, lost] {
        std::fs::write(root.join(format!("{id}.git/uncommitted-import")), "").expect("written");
    }
    let mut unsettled = repositories.unsettled_imports().expect("listed");
    unsettled.sort();
    assert_eq!(unsettled, [committed.clone(), lost.clone()]);
    let bundled = |id, is_imported| {
        let mut out = Vec::new();
        repositories.write_bundle(id, is_imported, &mut out).expect("bundled");
        !out.is_empty()
    };
    assert!(!bundled(lost, false), "it does not belong to the experiment");
    assert!(bundled(committed, true) && bundled(own, false) && bundled(own, true));
    for (id, is_committed) in [(committed, true), (lost, false), (own, false)] {
        repositories.settle_import(id, is_committed).expect("settled");
    }
    assert_eq!(repositories.unsettled_imports().expect("listed"), []);
    assert!(bundled(committed, false), "kept, and settled");
    assert!(bundled(own, false), "never part of an import");
    assert!(!root.join(format!("{lost}.git")).exists());
}

#[test]
fn an_incomplete_repository_is_not_exported() {
    let dir = tempfile::tempdir().expect("a directory");
    let repositories = RepositoryStore::open(dir.path().join("repos"), Durability::Unsynced).expect("a directory");
    let id: ExperimentId = format!("exp_{}", "4".repeat(26)).parse().expect("an id");
    let path = dir.path().join("repos").join(format!("{id}.git"));
    let (_, tip, blob) = with_submodule(&path);
    let fault = || {
        let result = repositories.write_bundle(&id, false, &mut Vec::new());
        let Err(CheckpointError::Storage(StorageError::File(fault))) = result else {
            panic!("{result:?}");
        };
        fault.to_string()
    };
    repositories
        .write_bundle(&id, false, &mut Vec::new())
        .expect("complete");

    std::fs::write(path.join("shallow"), format!("{tip}\n")).expect("written");
    assert!(fault().contains("unshallow"), "{}", fault());
    std::fs::remove_file(path.join("shallow")).expect("removed");

    let blob = blob.to_string();
    std::fs::remove_file(path.join("objects").join(&blob[..2]).join(&blob[2..])).expect("removed");
    assert!(fault().contains("cannot be exported"), "{}", fault());
}
