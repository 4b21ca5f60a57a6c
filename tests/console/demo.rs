//! The demo against a real backend: what it says of itself is computed again here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use git2::{Oid, Repository};
use switchboard::client::Client;
use switchboard::clock::Clock;
use switchboard::demo;
use switchboard::embedded::Location;
use switchboard::protocol::*;

use crate::support::{World, join};

async fn begin(dir: &Path) -> World {
    let world = World::at(Location::Directory(dir.into())).await;
    let options = demo::Options {
        client: world.admin.clone(),
        data_dir: dir.into(),
        clock: Clock::default(),
        tasks: world.tasks.clone(),
    };
    demo::start(options).await.expect("the demo starts");
    world
}

async fn named(client: &Client, uri: &str) -> Option<RegistryEntry> {
    let mut entries = client.control().experiments().await.expect("a list");
    entries.retain(|entry| entry.config_uri == uri);
    assert!(entries.len() < 2, "{uri} is registered twice");
    entries.pop()
}

/// Asks until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn seed(client: &Client, id: &ExperimentId, config: String) {
    let request = SeedRequest {
        config,
        base_commit_sha: None,
    };
    client.control().seed(id, &request).await.expect("seeded");
}

/// The sample, in a hurry.
fn hasty_sample() -> String {
    let sample = demo::sample_config().replace("pace_ms: 900 ", "pace_ms: 1\n  drop_one_in: 15\n  claim_seconds: 1");
    assert!(sample.contains("claim_seconds"));
    sample
}

pub async fn integrated(client: &Client, id: &ExperimentId) -> Vec<Variant> {
    let mut variants = client.experiment(id).variants().await.expect("a list").items;
    variants.retain(|variant| variant.variant_commit_sha.is_some());
    variants
}

fn text(git: &Repository, commit: &CommitSha, file: &str) -> String {
    let tree = git.find_commit(oid(commit)).expect("a commit").tree().expect("a tree");
    let blob = git.find_blob(tree.get_path(Path::new(file)).expect("a file").id());
    String::from_utf8(blob.expect("a blob").content().to_vec()).expect("text")
}

fn oid(commit: &CommitSha) -> Oid {
    commit.as_str().parse().expect("an object name")
}

fn files(git: &Repository, commit: &CommitSha) -> BTreeMap<String, Oid> {
    let tree = git.find_commit(oid(commit)).expect("a commit").tree().expect("a tree");
    let mut files = BTreeMap::new();
    tree.walk(git2::TreeWalkMode::PreOrder, |dir, entry| {
        if entry.kind() == Some(git2::ObjectType::Blob) {
            files.insert(format!("{dir}{}", entry.name().expect("a name")), entry.id());
        }
        git2::TreeWalkResult::Ok
    })
    .expect("walked");
    files
}

/// Weight and value of every item, from the table in the README.
fn items(readme: &str) -> BTreeMap<String, (u64, u64)> {
    let rows = readme.lines().filter(|line| line.starts_with("| item-"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let number = |cell: &str| cell.parse().expect("a number");
        (cells[1].to_owned(), (number(cells[2]), number(cells[3])))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_seeded_experiment_evolves_and_its_numbers_are_true() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = begin(dir.path()).await;
    let entry = named(&world.admin, "switchboard-demo:///knapsack").await;
    let id = entry.expect("registered").experiment_id;
    let experiment = world.admin.experiment(&id);
    assert!(experiment.config().await.expect_err("unseeded").is_not_found());
    seed(&world.admin, &id, hasty_sample()).await;
    let variants = until("many variants are integrated", async || {
        let variants = integrated(&world.admin, &id).await;
        (variants.len() >= 40).then_some(variants)
    })
    .await;

    let git = Repository::open_bare(dir.path().join(format!("repos/{id}.git"))).expect("a repository");
    let mut best = 0;
    for variant in &variants {
        let commit = variant.commit_sha.as_ref().expect("a commit");
        let items = items(&text(&git, commit, "README.md"));
        let load = text(&git, commit, "load.txt");
        let packed = load.lines().map(|name| items[name]);
        let (weight, value) = packed.fold((0, 0), |sum, item| (sum.0 + item.0, sum.1 + item.1));
        let evaluation = variant.evaluation.as_ref().expect("measured");
        assert_eq!(evaluation["value"], value, "{}", variant.variant_id);
        assert_eq!(evaluation["weight"], weight, "{}", variant.variant_id);
        best = best.max(value);

        let squash = variant.variant_commit_sha.as_ref().expect("integrated");
        let made = git.find_commit(oid(squash)).expect("a commit");
        let parents: Vec<Oid> = variant.parent_commits.iter().map(oid).collect();
        assert_eq!(made.parent_ids().collect::<Vec<_>>(), parents);
        let manifest = format!(".eden/variants/{}/evaluation.json", variant.variant_id);
        let mut expected = files(&git, commit);
        expected.insert(manifest.clone(), files(&git, squash)[&manifest]);
        assert_eq!(files(&git, squash), expected);
        let manifest: serde_json::Value = serde_json::from_str(&text(&git, squash, &manifest)).expect("JSON");
        assert_eq!(manifest["evaluation"], serde_json::json!(evaluation));
        assert_eq!(manifest["completed_at"], serde_json::json!(variant.completed_at));
        for parent in &parents {
            assert!(git.graph_descendant_of(oid(commit), *parent).expect("an answer"));
        }
        let branch = made
            .summary()
            .expect("text")
            .expect("a subject")
            .strip_prefix("variant: ")
            .expect("the form")
            .replace(' ', "-");
        let branch = git
            .find_reference(&format!("refs/heads/variant/{branch}"))
            .expect("a branch");
        assert_eq!(branch.target(), Some(oid(squash)));
    }
    let all = experiment.variants().await.expect("a list").items;
    let baseline = all.iter().find(|variant| variant.is_baseline()).expect("a baseline");
    let start = baseline.evaluation.as_ref().expect("measured")["value"].as_u64();
    assert!(best > start.expect("a number"), "{best} is no better than {start:?}");

    // Claims that were dropped come back, and the experiment goes on.
    until("an expired claim is taken back", async || {
        let log = experiment.events(0, None).await.expect("the log").events;
        let back = log.iter().any(|event| event.data_str("cause") == Some("expired"));
        back.then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_anywhere_it_goes_on_without_doubling_anything() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut registered: Option<Vec<ExperimentId>> = None;
    let mut workers: Option<BTreeSet<WorkerId>> = None;
    let mut had = 0;
    for cut in 0..6_u64 {
        let world = begin(dir.path()).await;
        let entries = world.admin.control().experiments().await.expect("a list");
        let ids: Vec<ExperimentId> = entries.into_iter().map(|entry| entry.experiment_id).collect();
        assert_eq!(registered.get_or_insert_with(|| ids.clone()), &ids);
        let entry = named(&world.admin, "switchboard-demo:///knapsack").await;
        let id = entry.expect("registered").experiment_id;
        if cut == 0 {
            seed(&world.admin, &id, hasty_sample()).await;
        }
        had = until("more variants are integrated", async || {
            let now = integrated(&world.admin, &id).await.len();
            (now > had).then_some(now)
        })
        .await;
        let experiment = world.admin.experiment(&id);
        let now = experiment.workers().await.expect("a list");
        let now: BTreeSet<WorkerId> = now.into_iter().map(|worker| worker.worker_id).collect();
        assert_eq!(workers.get_or_insert_with(|| now.clone()), &now);
        // Not at the same point of a round each time.
        tokio::time::sleep(Duration::from_millis(37 * cut)).await;
        if cut < 5 {
            world.stop().await;
            continue;
        }
        let variants = integrated(&world.admin, &id).await;
        let commits: BTreeSet<_> = variants.iter().map(|v| v.variant_commit_sha.clone()).collect();
        assert_eq!(commits.len(), variants.len());
        // The pilot goes on meanwhile, so the log is read up to where the list is true.
        let listed = experiment.variants().await.expect("a list");
        let log = experiment.events(0, listed.cursor).await.expect("the log").events;
        let count = |kind: &str| log.iter().filter(|event| event.kind == kind).count();
        assert_eq!(count("variant.started"), listed.items.len());
        let baselines = log.iter().filter(|event| event.data_str("kind") == Some("baseline"));
        assert_eq!(baselines.count(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_termination_policy_ends_it_and_what_succeeded_is_integrated() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = begin(dir.path()).await;
    let request = RegisterExperiment {
        config_uri: "file:///mine.yaml".into(),
        name: None,
        experiment_id: None,
    };
    let id = world
        .admin
        .control()
        .register(&request)
        .await
        .expect("registered")
        .experiment_id;
    let config = hasty_sample().replace("termination: manual", "termination: auto")
        + "termination_policy: {kind: max_variants, target: 7}\n";
    seed(&world.admin, &id, config).await;
    let experiment = world.admin.experiment(&id);
    until("it has ended and is settled", async || {
        let ended = experiment.read().await.expect("there").state == ExperimentState::Terminated;
        let variants = experiment.variants().await.expect("a list").items;
        let settled = variants.iter().all(|variant| {
            variant.is_baseline() || variant.status != VariantStatus::Success || variant.variant_commit_sha.is_some()
        });
        let claimed = experiment.tasks_in_state(TaskState::Claimed).await.expect("a list");
        let submitted = experiment.tasks_in_state(TaskState::Submitted).await.expect("a list");
        (ended && settled && variants.len() >= 8 && claimed.is_empty() && submitted.is_empty()).then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_run_is_followed_by_the_next_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = begin(dir.path()).await;
    let first = named(&world.admin, "switchboard-demo:///quiet-pulse/1").await;
    let first = world.admin.experiment(&first.expect("registered").experiment_id);
    let (operator, client) = join(&first, "operator").await;
    let admins = until("the groups are there", async || {
        first.groups_named("admins").await.expect("a list").pop()
    })
    .await;
    first
        .add_member(&admins.group_id, (&operator).into())
        .await
        .expect("added");
    client.terminate("by hand").await.expect("ended");
    let second = until("the next run is hosted", async || {
        let entry = named(&world.admin, "switchboard-demo:///quiet-pulse/2").await?;
        world.admin.experiment(&entry.experiment_id).read().await.ok()
    })
    .await;
    assert_eq!(second.state, ExperimentState::Running);
    world.stop().await;
    let world = begin(dir.path()).await;
    let second = named(&world.admin, "switchboard-demo:///quiet-pulse/2").await;
    assert!(second.is_some());
    assert_eq!(named(&world.admin, "switchboard-demo:///quiet-pulse/3").await, None);
    world.stop().await;
}
