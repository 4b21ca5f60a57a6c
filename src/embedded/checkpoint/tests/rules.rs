//! The rules for the lines of an archive, alone and together.

use super::*;

#[test]
fn each_broken_rule_is_reported() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = valid_members(dir.path());
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
        (
            "manifest.json",
            "\"tasks\":4",
            "\"tasks\":5",
            "counts say 5 tasks, and tasks.jsonl has 4",
        ),
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
        (
            "events.jsonl",
            "\"idea_id\":\"i-1\"",
            "\"x\":1",
            "must have data.idea_id",
        ),
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
fn lines_that_are_too_long_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut whole = valid_members(dir.path());
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

/// The archive with more lines in a file, and its count adjusted.
fn extended(whole: &Members, file: &str, more: &[Value]) -> Members {
    let mut members = whole.clone();
    let name = format!("{file}.jsonl");
    members.get_mut(&name).expect("a file").extend(lines(more));
    let mut manifest: Value = serde_json::from_slice(&members["manifest.json"]).expect("JSON");
    let count = manifest["counts"][file].as_u64().expect("a count") + more.len() as u64;
    manifest["counts"][file] = json!(count);
    members.insert("manifest.json".to_owned(), manifest.to_string().into_bytes());
    members
}

#[test]
fn impossible_states_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = valid_members(dir.path());
    let refused = |members: &Members| {
        refusal(dir.path(), &tar(members)).map(|(kind, detail)| {
            assert_eq!(kind, ErrorType::CheckpointInvalid);
            detail
        })
    };
    let task = |id: &str, kind: &str, state: &str, payload: Value| json!({ "task_id": id, "kind": kind, "state": state, "payload": payload, "created_at": NOW, "updated_at": NOW });
    let idea = json!({ "idea_id": "i-1" });
    let first = task("x-2", "execution", "pending", idea.clone());
    assert_eq!(refused(&extended(&whole, "tasks", std::slice::from_ref(&first))), None);
    // A failed task need not have a submission.
    let failed = task("x-2", "execution", "failed", idea.clone());
    assert_eq!(
        refused(&extended(
            &whole,
            "tasks",
            &[failed, task("x-3", "execution", "pending", idea.clone())]
        )),
        None
    );
    let variant = |id: &str, branch: &str| {
        let seed = "a".repeat(40);
        json!({
            "variant_id": id, "experiment_id": SOURCE, "idea_id": "i-1", "status": "error",
            "parent_commits": [seed], "branch": branch, "started_at": NOW, "completed_at": NOW,
        })
    };
    let event = |kind: &str, data: Value| json!({ "event_id": "evt-9", "type": kind, "occurred_at": NOW, "experiment_id": SOURCE, "data": data });
    let end = event(
        "experiment.terminated",
        json!({ "reason": "enough", "terminated_by": "admin" }),
    );
    for (file, more, words) in [
        (
            "tasks",
            vec![first.clone(), task("x-3", "execution", "pending", idea.clone())],
            "tasks.jsonl line 6: i-1 has another execution task that is not done",
        ),
        (
            "tasks",
            vec![task("e-2", "evaluation", "pending", json!({ "variant_id": "v-1" }))],
            "v-1 has another evaluation task",
        ),
        (
            "tasks",
            vec![task("x-2", "execution", "completed", idea)],
            "task x-2 is completed, but submissions.jsonl lacks it",
        ),
        (
            "variants",
            vec![variant("v-2", "work/v-1")],
            "branch work/v-1 belongs to the variant of variants.jsonl line 1",
        ),
        (
            "events",
            vec![end.clone()],
            "events.jsonl line 5 says that it was terminated",
        ),
        (
            "events",
            vec![event("task.created", json!({ "task_id": "t-1", "kind": "leisure" }))],
            "events.jsonl line 5: an event of type task.created must have data.kind",
        ),
    ] {
        let detail = refused(&extended(&whole, file, &more)).unwrap_or_else(|| panic!("taken: {words}"));
        assert!(detail.contains(words), "{words}: {detail}");
    }
    let mut over = extended(&whole, "events", &[end]);
    let experiment = String::from_utf8(over["experiment.json"].clone()).expect("text");
    over.insert(
        "experiment.json".to_owned(),
        experiment.replace("running", "terminated").into_bytes(),
    );
    assert_eq!(refused(&over), None);
    for added in ["", ",\"evaluation\":{\"score\":1}"] {
        let mut members = whole.clone();
        let variants = String::from_utf8(members["variants.jsonl"].clone()).expect("text");
        let variants = match added {
            "" => variants.replace("\"starting\"", "\"success\""),
            added => variants
                .replace("\"starting\"", &format!("\"success\"{added}"))
                .replace("\"commit_sha\"", "\"tip\""),
        };
        members.insert("variants.jsonl".to_owned(), variants.into_bytes());
        let detail = refused(&members).expect("refused");
        assert!(
            detail.contains("a successful variant has a commit and an evaluation"),
            "{detail}"
        );
    }
}
