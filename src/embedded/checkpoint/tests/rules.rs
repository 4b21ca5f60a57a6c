//! What the lines of an archive must be, and must agree on.

use super::*;

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
