//! The backend with a million events and a hundred thousand tasks.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard::client::Client;
use switchboard::protocol::*;

use crate::binary::Binary;
use crate::load;
use crate::stats::{Sorted, ms, table};
use crate::{Options, Outcome};

/// Events per task: created, claimed, submitted, completed.
const EVENTS_PER_TASK: usize = 4;

pub fn run(options: &Options) -> Outcome {
    let load = load::runtime()?;
    let home = tempfile::tempdir()?;
    let events = options.large_events.max(EVENTS_PER_TASK * 2);
    // Two experiments: one of the size that is listed, and one with the remaining tasks.
    let listed = options.tasks.min(events / EVENTS_PER_TASK - 1);
    let sizes = [listed, events / EVENTS_PER_TASK - listed];

    let binary = Binary::backend(home.path(), 0)?;
    let admin = binary.admin()?;
    let mut rows = Vec::new();
    let mut hosted = Vec::new();
    for (n, tasks) in sizes.into_iter().enumerate() {
        let archive = home.path().join("archive.tar");
        write_archive(&archive, tasks, n)?;
        let size = fs::metadata(&archive)?.len();
        let begin = Instant::now();
        let id = load.block_on(import(&admin, &archive))?;
        let took = begin.elapsed();
        hosted.push(id);
        fs::remove_file(&archive)?;
        let rate = (tasks * EVENTS_PER_TASK) as f64 / took.as_secs_f64();
        rows.push(vec![
            tasks.to_string(),
            (tasks * EVENTS_PER_TASK).to_string(),
            format!("{:.0} MB", size as f64 / 1e6),
            format!("{:.1} s", took.as_secs_f64()),
            format!("{rate:.0}"),
        ]);
    }
    println!("Checkpoints imported:\n");
    table(&["tasks", "events", "archive", "time", "events/s"], &rows);

    let (mut first, mut whole, mut length) = (Vec::new(), Vec::new(), 0);
    for _ in 0..options.starts {
        let begin = Instant::now();
        let (opening, body) = load.block_on(list(&binary, &hosted[0]))?;
        first.push(opening);
        whole.push(begin.elapsed());
        length = body;
    }
    println!(
        "\n{listed} tasks listed, {:.1} MB, {} times:\n",
        length as f64 / 1e6,
        options.starts
    );
    table(
        &["", "min", "median", "max"],
        &[spread("first piece", first), spread("whole list", whole)],
    );
    let rss = binary.rss()?;
    println!("\nresident memory after that: {:.0} MB", rss as f64 / 1024.0);
    binary.stop()?;

    let bytes: u64 = ["switchboard.db", "switchboard.db-wal"]
        .iter()
        .filter_map(|name| fs::metadata(home.path().join(name)).ok())
        .map(|about| about.len())
        .sum();
    let total: usize = sizes.iter().map(|tasks| tasks * EVENTS_PER_TASK).sum();
    println!(
        "on disk: {:.0} MB, {:.0} bytes an event, its share of the task and submission included",
        bytes as f64 / 1e6,
        bytes as f64 / total as f64
    );

    let mut starts = Vec::new();
    for _ in 0..options.starts {
        let begin = Instant::now();
        let binary = Binary::backend(home.path(), 0)?;
        starts.push(begin.elapsed());
        binary.stop()?;
    }
    println!("\nFrom the start of the process to where it listens, on {total} events:\n");
    table(&["", "min", "median", "max"], &[spread("start", starts)]);
    Ok(())
}

fn spread(what: &str, times: Vec<Duration>) -> Vec<String> {
    let times = Sorted::new(times);
    vec![what.to_owned(), ms(times.at(0.0)), ms(times.at(0.5)), ms(times.max())]
}

async fn import(admin: &Client, archive: &Path) -> Outcome<ExperimentId> {
    let file = tokio::fs::read(archive).await?;
    let reply = admin.control().import_checkpoint(file, None).await?;
    Ok(reply.experiment_id)
}

/// Reads the list of tasks. Returns the time to the first chunk, and the total bytes.
async fn list(binary: &Binary, id: &ExperimentId) -> Outcome<(Duration, usize)> {
    let url = format!("http://{}/v0/experiments/{id}/tasks", binary.backend);
    let begin = Instant::now();
    let mut reply = reqwest::Client::new()
        .get(url)
        .header("authorization", format!("Bearer admin:{}", binary.token))
        .header(EXPERIMENT_HEADER, id.as_str())
        .send()
        .await?
        .error_for_status()?;
    let (mut opening, mut length) = (None, 0);
    while let Some(piece) = reply.chunk().await? {
        opening.get_or_insert_with(|| begin.elapsed());
        length += piece.len();
    }
    Ok((opening.ok_or("an empty list")?, length))
}

/// Writes an archive of an experiment whose tasks are all completed.
fn write_archive(path: &Path, tasks: usize, n: usize) -> Outcome {
    let id = format!("exp_{n:0>26}");
    let worker = format!("wkr_{n:0>26}");
    let at = "2026-01-02T03:04:05.000Z";
    let mut archive = tar::Builder::new(File::create(path)?);
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, format!("checkpoint/{name}"), bytes)
    };
    let names = [
        "tasks",
        "ideas",
        "variants",
        "submissions",
        "events",
        "workers",
        "groups",
    ];
    let file = |name: &str| Value::from(format!("{name}.jsonl"));
    let mut files: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), file(name))).collect();
    files.extend([
        ("experiment_config".to_owned(), "experiment-config.yaml".into()),
        ("experiment".to_owned(), "experiment.json".into()),
        ("repo_bundle".to_owned(), "repo.bundle".into()),
        ("artifacts_dir".to_owned(), "artifacts/sha256".into()),
    ]);
    let manifest = json!({
        "checkpoint_format_version": "1", "spec_version": "v0", "experiment_id": id, "exported_at": at,
        "requires_credential_reissue": true, "files": files,
        "counts": {
            "tasks": tasks, "ideas": 0, "variants": 0, "submissions": tasks, "events": tasks * EVENTS_PER_TASK,
            "workers": 1, "groups": 0,
        },
    });
    add("manifest.json", manifest.to_string().as_bytes())?;
    let config =
        "parallel_variants: 2\nevaluation_schema: {score: real}\nobjective: {expr: score, direction: maximize}\n";
    add("experiment-config.yaml", config.as_bytes())?;
    let experiment = json!({ "experiment_id": id, "state": "running", "created_at": at, "imported_from": null });
    add("experiment.json", experiment.to_string().as_bytes())?;
    let lines = |line: &dyn Fn(usize, &mut Vec<u8>) -> Outcome| {
        let mut text = Vec::new();
        for index in 0..tasks {
            line(index, &mut text)?;
        }
        Outcome::Ok(text)
    };
    let text = lines(&|index, text| {
        let task = json!({
            "task_id": format!("ideate-{index}"), "kind": "ideation", "state": "completed",
            "payload": { "experiment_id": id }, "created_by": worker, "submitted_by": worker, "created_at": at,
            "updated_at": at,
        });
        Ok(writeln!(text, "{task}")?)
    })?;
    add("tasks.jsonl", &text)?;
    for empty in ["ideas.jsonl", "variants.jsonl", "groups.jsonl", "repo.bundle"] {
        add(empty, b"")?;
    }
    let text = lines(&|index, text| {
        let task = format!("ideate-{index}");
        let submission = json!({ "task_id": task, "kind": "ideation", "status": "success", "idea_ids": [] });
        Ok(writeln!(text, "{submission}")?)
    })?;
    add("submissions.jsonl", &text)?;
    let text = lines(&|index, text| {
        for (step, kind) in ["created", "claimed", "submitted", "completed"].into_iter().enumerate() {
            let mut data = json!({ "task_id": format!("ideate-{index}") });
            match kind {
                "created" => data["kind"] = "ideation".into(),
                _ => data["worker_id"] = worker.as_str().into(),
            }
            let event = json!({
                "event_id": format!("evt-{:06}", index * EVENTS_PER_TASK + step + 1), "type": format!("task.{kind}"),
                "occurred_at": at, "experiment_id": id, "data": data,
            });
            writeln!(text, "{event}")?;
        }
        Ok(())
    })?;
    add("events.jsonl", &text)?;
    let line = json!({ "worker_id": worker, "experiment_id": id, "registered_at": at });
    add("workers.jsonl", format!("{line}\n").as_bytes())?;
    archive.finish()?;
    Ok(())
}
