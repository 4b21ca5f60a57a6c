//! What a data directory survives. A second process is this test binary again, running [`the_process_that_dies`].

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use switchboard::client::Bearer;
use switchboard::clock::Clock;
use switchboard::embedded::{Backend, Location, OpenError, Options};
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;
use tokio::sync::Notify;

use crate::support::{ADMIN_TOKEN, Lab, World, admin};

const DIRECTORY: &str = "SWITCHBOARD_TEST_DIRECTORY";

#[test]
#[ignore = "the other process of the tests below; it serves until it is killed"]
fn the_process_that_dies() {
    let Ok(dir) = std::env::var(DIRECTORY) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let world = World::at(Location::Directory(dir.into())).await;
        println!("\nserving {}", world.base);
        std::future::pending::<()>().await;
    });
}

struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args([
                "--ignored",
                "--exact",
                "durability::the_process_that_dies",
                "--nocapture",
            ])
            .env(DIRECTORY, dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let base = out
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("serving ").map(str::to_owned))
            .expect("it serves");
        Self { child, base }
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_lose_and_double_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut process = Process::start(dir.path());
    let world_admin = admin(&process.base);
    let (id, bearer) = seeded(&world_admin).await;
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..10 {
        let experiment = admin(&process.base).experiment(&id).with_bearer(bearer.clone());
        // The moment is nobody's choice: the writer runs into the kill wherever it happens to be.
        let begun = Notify::new();
        let writer = async {
            let mut landed = Vec::new();
            for n in 0.. {
                let name = format!("t-{round}-{n}");
                let task: Task = pending(&id, &name);
                if experiment.create_task(&task).await.is_err() {
                    break;
                }
                landed.push(name);
                begun.notify_one();
            }
            landed
        };
        let (landed, ()) = tokio::join!(writer, async {
            begun.notified().await;
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..150))).await;
            process.kill();
        });
        acknowledged.extend(landed);
        process = Process::start(dir.path());
        agrees(&process.base, &id, &acknowledged).await;
    }
    process.kill();
}

/// Every acknowledged task is there, and the log has each task exactly once and in its order.
async fn agrees(base: &str, id: &ExperimentId, acknowledged: &[String]) {
    let experiment = admin(base).experiment(id);
    let listed = experiment.tasks().await.expect("a list");
    let tasks: Vec<_> = listed.items.iter().map(|task| task.task_id.to_string()).collect();
    let log = experiment.events(0, None).await.expect("the log");
    let logged: Vec<_> = log
        .events
        .iter()
        .filter_map(|event| event.data_str("task_id"))
        .collect();
    assert_eq!(tasks, logged, "entities and log tell the same story");
    assert_eq!(log.cursor, log.events.len() as u64);
    for (index, event) in log.events.iter().enumerate() {
        assert_eq!(event.event_id, format!("evt-{:06}", index + 1));
    }
    for name in acknowledged {
        assert!(tasks.contains(name), "{name} was acknowledged and is gone");
    }
}

fn pending(id: &ExperimentId, name: &str) -> Task {
    let now = Clock::default().now();
    serde_json::from_value(serde_json::json!({
        "task_id": name, "kind": "ideation", "state": "pending", "payload": { "experiment_id": id },
        "created_at": now, "updated_at": now,
    }))
    .expect("a task")
}

async fn seeded(admin: &switchboard::client::Client) -> (ExperimentId, Bearer) {
    let lab = Lab::begin(admin, "mortal", Clock::default()).await;
    let (id, secret) = lab.orchestrator_credential().await;
    (lab.id.clone(), Bearer::new(Actor::Worker(id), secret))
}

async fn open(dir: &Path) -> Result<Backend, OpenError> {
    let location = Location::Directory(dir.to_owned());
    let options = Options::new(location, ADMIN_TOKEN.into(), Clock::default(), Tasks::new());
    Backend::open(options).await
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_said_in_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let held = open(dir.path()).await.expect("opens");
    let error = open(dir.path()).await.err().expect("in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(held);

    let garbled = tempfile::tempdir().expect("a directory");
    std::fs::write(
        garbled.path().join("switchboard.db"),
        "no database at all\n".repeat(400),
    )
    .expect("written");
    let error = open(garbled.path()).await.err().expect("damaged");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    assert_eq!(error.to_string().lines().count(), 1);

    let file = garbled.path().join("switchboard.db");
    let error = open(&file.join("below")).await.err().expect("no directory");
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error:?}");
}
