//! A checkpoint of a large experiment with entities in every state. A third of the tasks is of each kind.

use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};
use switchboard::client::Client;
use switchboard::protocol::{ExperimentId, IdeaState, TaskKind, TaskState, Timestamp, VariantStatus};

use crate::Outcome;

/// Number of workers. Few, so that each has many tasks in a small experiment too.
const WORKERS: usize = 5;
/// Length of the event log: more events than a mirror holds.
const EVENTS: usize = 1000;

const CONFIG: &str = "
parallel_variants: 2
evaluation_schema: {cost: real, score: real}
objective: {expr: score, direction: maximize}
";

/// Imports an experiment with `number` tasks, ideas and variants each, and returns its id.
pub async fn import(admin: &Client, number: usize, name: &str) -> Outcome<ExperimentId> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("archive.tar");
    write(&path, number, name)?;
    let archive = tokio::fs::read(&path).await?;
    Ok(admin.control().import_checkpoint(archive, None).await?.experiment_id)
}

/// The id of the `n`th worker of each of these experiments.
pub fn worker(n: usize) -> String {
    format!("wkr_{:0>26}", n % WORKERS)
}

fn write(path: &Path, number: usize, name: &str) -> Outcome {
    let id = format!("exp_{name:0>26}");
    let begun = at(0)?;
    let mut archive = tar::Builder::new(File::create(path)?);
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, format!("checkpoint/{name}"), bytes)
    };
    let tasks = lines(number, |n| Ok(Some(task(n, &id)?)))?;
    let submissions = lines(number, |n| Ok(submission(n)))?;
    let lists = [
        ("tasks", tasks),
        ("ideas", lines(number, |n| Ok(Some(idea(n, &id)?)))?),
        ("variants", lines(number, |n| Ok(Some(variant(n, &id)?)))?),
        ("submissions", submissions),
        ("events", lines(EVENTS.min(number), |n| Ok(Some(event(n, &id)?)))?),
        (
            "workers",
            lines(WORKERS, |n| {
                Ok(Some(
                    json!({ "worker_id": worker(n), "experiment_id": id, "registered_at": begun }),
                ))
            })?,
        ),
        ("groups", Vec::new()),
    ];
    let file = |name: &str| Value::from(format!("{name}.jsonl"));
    let mut files: serde_json::Map<_, _> = lists.iter().map(|(name, _)| ((*name).to_owned(), file(name))).collect();
    files.extend([
        ("experiment_config".to_owned(), "experiment-config.yaml".into()),
        ("experiment".to_owned(), "experiment.json".into()),
        ("repo_bundle".to_owned(), "repo.bundle".into()),
        ("artifacts_dir".to_owned(), "artifacts/sha256".into()),
    ]);
    let count = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    let counts: serde_json::Map<_, _> = lists
        .iter()
        .map(|(name, text)| ((*name).to_owned(), count(text).into()))
        .collect();
    let manifest = json!({
        "checkpoint_format_version": "1", "spec_version": "v0", "experiment_id": id, "exported_at": begun,
        "requires_credential_reissue": true, "files": files, "counts": counts,
    });
    add("manifest.json", manifest.to_string().as_bytes())?;
    add("experiment-config.yaml", CONFIG.as_bytes())?;
    let experiment = json!({ "experiment_id": id, "state": "running", "created_at": begun, "imported_from": null });
    add("experiment.json", experiment.to_string().as_bytes())?;
    for (name, text) in &lists {
        add(&format!("{name}.jsonl"), text)?;
    }
    add("repo.bundle", b"")?;
    archive.finish()?;
    Ok(())
}

fn lines(number: usize, line: impl Fn(usize) -> Outcome<Option<Value>>) -> Outcome<Vec<u8>> {
    let mut text = Vec::new();
    for n in 0..number {
        if let Some(line) = line(n)? {
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
    }
    Ok(text)
}

fn at(second: usize) -> Outcome<Timestamp> {
    let begun: Timestamp = "2026-01-02T03:04:05.000Z".parse()?;
    let second = jiff::SignedDuration::from_secs(i64::try_from(second)?);
    Ok((begun.instant() + second).into())
}

/// A pseudo-random number below `below`, the same on every run.
fn random(n: usize, below: usize) -> usize {
    n.wrapping_mul(2_654_435_761) % 1_000_003 % below
}

fn kind(n: usize) -> TaskKind {
    TaskKind::ALL[n % TaskKind::ALL.len()]
}

/// One task in ten is claimed, one submitted, one failed, one pending. The rest is completed. An import makes claimed
/// tasks pending, because a claim belongs to a credential of the exporting store.
fn state(n: usize) -> TaskState {
    match random(n, 10) {
        0 => TaskState::Pending,
        1 => TaskState::Claimed,
        2 => TaskState::Submitted,
        3 => TaskState::Failed,
        _ => TaskState::Completed,
    }
}

fn task(n: usize, experiment: &str) -> Outcome<Value> {
    let (state, worker) = (state(n), worker(random(n + 1, WORKERS)));
    let mut task = json!({
        "task_id": format!("task-{n:06}"), "kind": kind(n), "state": state, "payload": match kind(n) {
            TaskKind::Ideation => json!({ "experiment_id": experiment }),
            TaskKind::Execution => json!({ "idea_id": format!("idea-{n:06}") }),
            TaskKind::Evaluation => json!({ "variant_id": format!("variant-{n:06}") }),
        },
        "created_at": at(n)?, "updated_at": at(n + random(n, 5_000))?,
    });
    if matches!(state, TaskState::Claimed | TaskState::Submitted) {
        task["claim"] = json!({ "worker_id": worker, "claimed_at": at(n)? });
    }
    if matches!(state, TaskState::Submitted | TaskState::Completed) {
        task["submitted_by"] = worker.into();
    }
    Ok(task)
}

fn submission(n: usize) -> Option<Value> {
    if !matches!(state(n), TaskState::Submitted | TaskState::Completed) {
        return None;
    }
    let mut submission = json!({ "task_id": format!("task-{n:06}"), "kind": kind(n), "status": "error" });
    match kind(n) {
        TaskKind::Ideation => submission["idea_ids"] = json!([]),
        TaskKind::Execution | TaskKind::Evaluation => submission["variant_id"] = format!("variant-{n:06}").into(),
    }
    Some(submission)
}

fn idea(n: usize, experiment: &str) -> Outcome<Value> {
    let state = match random(n, 10) {
        0 => IdeaState::Drafting,
        1 => IdeaState::Ready,
        2 => IdeaState::Dispatched,
        _ => IdeaState::Completed,
    };
    Ok(json!({
        "idea_id": format!("idea-{n:06}"), "experiment_id": experiment, "slug": format!("idea-number-{n}"),
        "priority": random(n, 100), "parent_commits": [sha(n)], "artifacts_uri": "data:,an%20idea", "state": state,
        "created_at": at(n)?, "created_by": worker(random(n, WORKERS)),
    }))
}

fn variant(n: usize, experiment: &str) -> Outcome<Value> {
    let status = match random(n, 10) {
        0 => VariantStatus::Error,
        1 => VariantStatus::EvaluationError,
        _ => VariantStatus::Success,
    };
    let worker = worker(random(n, WORKERS));
    let mut variant = json!({
        "variant_id": format!("variant-{n:06}"), "experiment_id": experiment, "status": status,
        "idea_id": format!("idea-{n:06}"), "parent_commits": [sha(n)], "commit_sha": sha(n + 1_000_000),
        "started_at": at(n)?, "completed_at": at(n + random(n, 500))?, "executed_by": worker, "evaluated_by": worker,
    });
    if status == VariantStatus::Success {
        let (score, cost) = (random(n, 99_991) as f64 / 1e5, random(n + 7, 1_000) as f64);
        variant["evaluation"] = json!({ "score": score, "cost": cost });
    }
    Ok(variant)
}

fn event(n: usize, experiment: &str) -> Outcome<Value> {
    Ok(json!({
        "event_id": format!("evt-{:06}", n + 1), "type": "task.created", "occurred_at": at(n)?,
        "experiment_id": experiment, "data": { "task_id": format!("task-{n:06}"), "kind": kind(n) },
    }))
}

fn sha(n: usize) -> String {
    format!("{n:040x}")
}
