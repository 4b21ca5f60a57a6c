//! Archives as nobody should write them, and one as everybody should.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, Write};
use std::path::Path;

use git2::{Repository, Signature, Time};
use proptest::prelude::*;
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::archive::{Archive, Member};
use super::bundle::{self, Refs};
use super::{CheckpointError, Repos, import::check, pack};
use crate::protocol::ErrorType;

const SOURCE: &str = "exp_00000000000000000000000001";
const NOW: &str = "2026-01-02T03:04:05.000Z";

/// The members of an archive by name, to be spoiled.
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

/// An experiment in the middle of its life, each kind of entity there.
fn good(dir: &Path) -> Members {
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

/// The words of the refusal, or nothing; any other failure is a fault of ours.
fn refusal(dir: &Path, archive: &[u8]) -> Option<(ErrorType, String)> {
    let repos = Repos::open(dir.join("repos"), false).expect("a directory");
    let outcome = check(on_disk(archive), &repos).map(drop);
    let left = std::fs::read_dir(dir.join("repos")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left behind");
    match outcome {
        Ok(()) => None,
        Err(CheckpointError::Refused(refusal)) => Some((refusal.kind, refusal.detail)),
        Err(CheckpointError::Storage(fault)) => panic!("not the archive's fault: {fault:?}"),
    }
}

#[test]
fn a_good_archive_is_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(refusal(dir.path(), &tar(&good(dir.path()))), None);
}

#[test]
fn each_rule_is_held_and_its_breach_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = good(dir.path());
    let text = |member: &str| String::from_utf8(whole[member].clone()).expect("text");
    let replaced = |member: &str, from: &str, to: &str| {
        let before = text(member);
        assert!(before.contains(from), "{member} has {from}");
        let mut members = whole.clone();
        members.insert(member.to_owned(), before.replacen(from, to, 1).into_bytes());
        refusal(dir.path(), &tar(&members))
    };
    let other = "exp_00000000000000000000000009";
    for (member, from, to, words) in [
        ("manifest.json", "\"tasks\":4", "\"tasks\":5", "counts"),
        ("manifest.json", "\"exported_at\"", "\"exported\"", "exported_at"),
        ("manifest.json", "2026-05-06", "2026-15-06", "exported_at"),
        ("manifest.json", "\"ideas.jsonl\"", "\"../ideas.jsonl\"", "files"),
        ("manifest.json", SOURCE, "an-old-name", "manifest.json"),
        ("manifest.json", "{", "[", "manifest.json"),
        ("experiment.json", SOURCE, other, "another experiment"),
        ("experiment.json", "running", "resting", "experiment.json"),
        (
            "experiment.json",
            "{",
            "{\"dispatch_mode\":{\"integration\":\"later\"},",
            "integration",
        ),
        ("experiment.json", "{", "{\"name\":null,", "name must not be null"),
        ("tasks.jsonl", "\"completed\"", "\"done\"", "tasks.jsonl line 1"),
        ("tasks.jsonl", "\"submitted\"", "\"completed\"", "claim is present"),
        ("tasks.jsonl", "t-2", "t-1", "line 4: t-1 is there twice"),
        ("tasks.jsonl", "i-1", "i-2", "there is no idea \"i-2\""),
        ("tasks.jsonl", "\"v-1\"", "\"v-2\"", "there is no variant \"v-2\""),
        ("tasks.jsonl", SOURCE, other, "tasks.jsonl line 1"),
        ("ideas.jsonl", "\"a\"", "\"A b\"", "slug"),
        ("ideas.jsonl", "file:///x", "no uri", "artifacts_uri"),
        ("ideas.jsonl", SOURCE, other, "belongs to experiment"),
        ("variants.jsonl", "i-1", "i-2", "there is no idea"),
        ("variants.jsonl", "work/v-1", "main", "branch must begin"),
        ("variants.jsonl", "work/v-1", "work/v-2", "branch work/v-2"),
        ("submissions.jsonl", "\"t-1\"", "\"t-9\"", "there is no task \"t-9\""),
        ("submissions.jsonl", "\"t-1\"", "\"t-2\"", "nothing was handed in"),
        ("submissions.jsonl", "\"e-1\"", "\"x-1\"", "is there twice"),
        ("submissions.jsonl", "i-1", "i-9", "there is no idea"),
        ("submissions.jsonl", "\"ideation\"", "\"execution\"", "of kind ideation"),
        (
            "events.jsonl",
            "evt-000002",
            "evt-000001",
            "line 2: evt-000001 is there twice",
        ),
        ("events.jsonl", "\"t-1\"", "\"t-9\"", "there is no task"),
        ("events.jsonl", "\"i-1\"", "\"i-9\"", "there is no idea"),
        ("events.jsonl", "idea.drafted", "Idea.drafted", "type of an event"),
        ("events.jsonl", "\"idea_id\":\"i-1\"", "\"x\":1", "must name its idea"),
        ("events.jsonl", "{", "{ \n{", "line 1"),
        ("events.jsonl", "}\n", "} \n", "line 1: it is empty or ends in a blank"),
        ("events.jsonl", "}\n", "}\n\n", "line 2: it is empty"),
        ("events.jsonl", "{", "[1]\n{", "no JSON object"),
        ("workers.jsonl", "wkr_0", "wkr_i", "workers.jsonl line 1"),
        ("workers.jsonl", "\"one\"", "\" one\"", "workers.jsonl line 1"),
        ("groups.jsonl", "[", "[\"nobody\",", "groups.jsonl line 1"),
        (
            "groups.jsonl",
            "grp_00000000000000000000000002",
            "grp_00000000000000000000000001",
            "contains itself",
        ),
        (
            "groups.jsonl",
            "grp_00000000000000000000000002",
            &worker(1),
            "a member twice",
        ),
    ] {
        let (kind, detail) = replaced(member, from, to).unwrap_or_else(|| panic!("{member}: {to} was taken"));
        assert_eq!(kind, ErrorType::CheckpointInvalid, "{member}: {to}");
        assert!(detail.contains(words), "{member}: {to}: {detail}");
    }
    for (from, to, kind) in [
        ("\"1\"", "\"999\"", ErrorType::UnsupportedCheckpointVersion),
        ("\"v0\"", "\"v99\"", ErrorType::SpecVersionMismatch),
    ] {
        let refused = replaced("manifest.json", from, to).expect("refused");
        assert_eq!(refused.0, kind, "{}", refused.1);
    }
}

#[test]
fn a_bundle_holds_what_is_named_or_is_not_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = good(dir.path());
    let with = |member: &str, bytes: Vec<u8>| {
        let mut members = whole.clone();
        members.insert(member.to_owned(), bytes);
        refusal(dir.path(), &tar(&members))
    };
    let text = |member: &str| String::from_utf8(whole[member].clone()).expect("text");
    assert_eq!(
        with("repo.bundle", Vec::new()),
        None,
        "without a bundle nothing can be checked"
    );
    for member in ["ideas.jsonl", "variants.jsonl", "experiment.json"] {
        let at = text(member).find("_sha\":\"").map(|at| at + 7);
        let at = at
            .or_else(|| text(member).find("commits\":[\"").map(|at| at + 11))
            .expect("a commit");
        let mut spoiled = text(member);
        spoiled.replace_range(at..at + 40, &"a".repeat(40));
        let (kind, detail) = with(member, spoiled.into_bytes()).expect("refused");
        assert_eq!(kind, ErrorType::CheckpointInvalid);
        assert!(detail.contains("names commit aaaa"), "{member}: {detail}");
    }
    // An executor says its branch before it pushes it.
    let early = text("variants.jsonl")
        .replace("work/v-1", "work/not-yet")
        .replace("\"commit_sha\"", "\"tip\"");
    assert_eq!(with("variants.jsonl", early.into_bytes()), None);

    let bundle = &whole["repo.bundle"];
    let head = bundle.windows(2).position(|pair| pair == b"\n\n").expect("a header") + 2;
    let (head, pack) = bundle.split_at(head);
    let head = String::from_utf8(head.to_vec()).expect("text");
    let rewritten = |from: &str, to: &str| {
        assert!(head.contains(from), "{head} has {from}");
        [head.replacen(from, to, 1).as_bytes(), pack].concat()
    };
    let zeros = "0".repeat(40);
    for (bytes, words) in [
        (rewritten("# v2", "# v9"), "no git bundle"),
        (
            rewritten("bundle\n", &format!("bundle\n-{zeros} missing\n")),
            "not whole",
        ),
        (rewritten("bundle\n", "bundle\n@filter=blob:none\n"), "not supported"),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/x\n")),
            "repo.bundle",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/../../x\n")),
            "name of a ref",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/a\0b\n")),
            "name of a ref",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} config\n")),
            "name of a ref",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/main\n")),
            "there twice",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/main/x\n")),
            "inside another",
        ),
        (bundle[..bundle.len() - 30].to_vec(), "pack"),
        ([head.as_bytes(), b"PACK\0\0\0\x02\xff\xff\xff\xff"].concat(), "objects"),
        (b"# v2 git bundle\n".to_vec(), "ends among its refs"),
        (
            format!("# v2 git bundle\n{}", "x".repeat(10_000)).into_bytes(),
            "too long",
        ),
    ] {
        let (kind, detail) = with("repo.bundle", bytes).unwrap_or_else(|| panic!("taken, not {words}"));
        assert_eq!(kind, ErrorType::CheckpointInvalid);
        assert!(detail.contains(words), "{words}: {detail}");
    }
}

/// A zlib stream of this many zeros.
fn deflated(size: u64, begin: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(begin).expect("written");
    std::io::copy(&mut std::io::repeat(0).take(size), &mut out).expect("written");
    out.finish().expect("finished")
}

/// A pack entry: three bits of kind, a size, and its data.
fn object(kind: u8, mut size: u64, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(kind << 4) | (size & 0x0f) as u8];
    size >>= 4;
    while size > 0 {
        *bytes.last_mut().expect("never empty") |= 0x80;
        bytes.push((size & 0x7f) as u8);
        size >>= 7;
    }
    bytes.extend(data);
    bytes
}

#[test]
fn what_a_pack_says_of_sizes_is_held_to_the_truth() {
    let of = |object: &[u8]| {
        let pack = [b"PACK\0\0\0\x02\0\0\0\x01", object].concat();
        pack::survey(&mut Cursor::new(pack))
    };
    assert_eq!(of(&object(3, 100, &deflated(100, b""))), Ok(()));
    let fault = |object: &[u8]| of(object).expect_err("refused");
    assert!(fault(&object(3, 99, &deflated(100, b""))).contains("larger than it says"));
    assert!(fault(&object(3, 101, &deflated(100, b""))).contains("smaller than it says"));
    assert!(fault(&object(3, 50_000_000, &deflated(50_000, b""))).contains("smaller"));
    let bomb = pack::LARGEST_OBJECT + 1;
    assert!(fault(&object(3, bomb, &deflated(0, b""))).contains("more than"));
    // A delta on an object of ten bytes that claims to make one of many gigabytes.
    let delta = [10, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let base = [[0_u8; 20].as_slice(), &deflated(0, &delta)].concat();
    assert!(fault(&object(7, delta.len() as u64, &base)).contains("more than"));
    assert!(fault(&object(5, 1, &deflated(1, b""))).contains("unknown kind"));
    assert!(fault(&[0xff; 20]).contains("impossible size"));
    assert!(fault(b"").contains("middle"));
}

#[test]
fn archive_tricks_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = good(dir.path());
    let with = |add: &dyn Fn(&mut Vec<u8>)| {
        let mut archive = Vec::new();
        add(&mut archive);
        archive.extend(tar(&whole));
        refusal(dir.path(), &archive).map(|(kind, detail)| {
            assert_eq!(kind, ErrorType::CheckpointInvalid);
            detail
        })
    };
    let file = |name: &'static [u8]| with(&move |out| entry(out, name, EntryType::Regular, b"x"));
    assert_eq!(with(&|out| entry(out, b"top/", EntryType::Directory, b"")), None);
    assert_eq!(
        with(&|out| entry(out, b"top/artifacts/sha256/", EntryType::Directory, b"")),
        None
    );
    assert_eq!(file(b"top/artifacts/sha256/abc"), None);
    for (name, words) in [
        (&b"/etc/passwd"[..], "no plain path"),
        (b"../x", "no plain path"),
        (b"top/../../x", "no plain path"),
        (b"top/./tasks.jsonl", "no plain path"),
        (b"top//tasks.jsonl", "no plain path"),
        (b"other/tasks.jsonl", "not in the one directory"),
        (b"top/tasks.jsonl", "there twice"),
        (b"top/more.jsonl", "no business"),
        (b"top/artifacts/sha256/a/b", "no business"),
        (b"top/\xff\xfe", "UTF-8"),
        (b"top", "no business"),
    ] {
        let detail = with(&move |out| entry(out, name, EntryType::Regular, b"x"));
        let detail = detail.unwrap_or_else(|| panic!("{:?} was taken", String::from_utf8_lossy(name)));
        assert!(detail.contains(words), "{detail}");
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::Continuous,
    ] {
        let detail = with(&move |out| entry(out, b"top/artifacts/x", kind, b"")).expect("refused");
        assert!(detail.contains("neither a file nor a directory"), "{kind:?}: {detail}");
    }
    for (records, words) in [
        (&b"27 path=top/artifacts/xyzw\n"[..], ""),
        (b"18 path=/etc/passwd\n", "malformed"),
        (b"20 path=/etc/passwd\n", "no plain path"),
        (b"10 size=1\n", "moves a member"),
        (b"22 GNU.sparse.major=1\n", "sparse"),
        (b"99999999999999999999 a=b\n", "malformed"),
        (b"no record", "malformed"),
        (b"3 \n", "malformed"),
        (b"0 a=b\n", "malformed"),
    ] {
        let detail = with(&move |out| {
            entry(out, b"top/pax", EntryType::XHeader, records);
            entry(out, b"top/artifacts/x", EntryType::Regular, b"x");
        });
        let detail = detail.unwrap_or_default();
        assert_eq!(detail.is_empty(), words.is_empty(), "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
    let long = vec![b'a'; 100_000];
    let detail = with(&|out| entry(out, b"top/pax", EntryType::XHeader, &long)).expect("refused");
    assert!(detail.contains("too long"), "{detail}");

    // A header that lies about the size of what follows.
    let mut lie = tar(&whole);
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..12].copy_from_slice(b"top/whatever");
    header.set_entry_type(EntryType::Regular);
    header.set_size(u64::MAX / 2);
    header.set_cksum();
    lie.splice(0..0, header.as_bytes().iter().copied());
    assert!(refusal(dir.path(), &lie).is_some());
    let archive = tar(&whole);
    for cut in [0, 1, 511, 512, 700, archive.len() / 2, archive.len() - 1536] {
        let refused = refusal(dir.path(), &archive[..cut]);
        assert!(refused.is_some(), "cut at {cut}");
    }
}

#[test]
fn a_line_has_an_end_to_its_length() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut whole = good(dir.path());
    whole.insert("workers.jsonl".to_owned(), vec![b'x'; 9 * 1024 * 1024]);
    let (_, detail) = refusal(dir.path(), &tar(&whole)).expect("refused");
    assert!(detail.contains("workers.jsonl line 1: longer than"), "{detail}");
    whole.insert(
        "workers.jsonl".to_owned(),
        format!("{}\n", "[".repeat(100_000)).into_bytes(),
    );
    let (_, detail) = refusal(dir.path(), &tar(&whole)).expect("refused");
    assert!(detail.contains("workers.jsonl line 1"), "{detail}");
}

#[test]
fn a_history_goes_through_a_bundle_unchanged() {
    let dir = tempfile::tempdir().expect("a directory");
    let (bundle, seed, tip) = repository(dir.path());
    let mut reader = BufReader::new(bundle.as_slice());
    let refs = Refs::read(&mut reader).expect("read");
    let named: Vec<_> = refs.refs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, ["refs/heads/main", "refs/heads/work/v-1", "refs/tags/v1"]);
    assert_eq!(refs.branch(), Some("refs/heads/main"));
    assert_eq!(refs.refs[0].1.to_string(), seed);
    assert_eq!(refs.refs[1].1.to_string(), tip);
    pack::survey(&mut reader).expect("sound");

    let empty = Repository::init_bare(dir.path().join("empty.git")).expect("a repository");
    let mut nothing = Vec::new();
    bundle::write(&empty, &mut nothing).expect("written");
    assert_eq!(nothing.len(), 0);
}

#[test]
fn members_are_found_wherever_they_lie() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = good(dir.path());
    let archive = Archive::index(on_disk(&tar(&whole))).expect("found");
    archive.is_complete().expect("complete");
    for member in Member::ALL {
        let mut bytes = Vec::new();
        archive.read(member).read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes, whole[member.name()], "{}", member.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_becomes_of_an_archive_it_is_taken_or_refused(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut archive = tar(&good(dir.path()));
        for (at, byte, mends) in hits {
            let at = at.index(archive.len());
            archive[at] = byte;
            if mends {
                // So that what lies behind the checksum is met as well.
                mend(&mut archive, at);
            }
        }
        if let Some(cut) = cut {
            archive.truncate(cut.index(archive.len()));
        }
        if let Some((kind, detail)) = refusal(dir.path(), &archive) {
            prop_assert!(matches!(
                kind,
                ErrorType::CheckpointInvalid
                    | ErrorType::UnsupportedCheckpointVersion
                    | ErrorType::SpecVersionMismatch
            ));
            prop_assert!(!detail.is_empty());
        }
    }

    #[test]
    fn whatever_a_bundle_begins_with_it_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        // No panic is all that is asked.
        let _ = Refs::read(&mut bytes.as_slice());
        let with_head = [b"# v2 git bundle\n".as_slice(), &bytes].concat();
        let _ = Refs::read(&mut with_head.as_slice());
        let with_head = [b"PACK\0\0\0\x02\0\0\0\x09".as_slice(), &bytes].concat();
        let _ = pack::survey(&mut with_head.as_slice());
    }
}

/// Makes the checksum right again of the block that a byte is in, if that is a header.
fn mend(archive: &mut [u8], at: usize) {
    let begin = at / 512 * 512;
    if let Some(block) = archive.get_mut(begin..begin + 512)
        && block.starts_with(b"top/")
    {
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}
