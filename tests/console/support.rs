//! A backend on a free port, and the cast of an experiment.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use switchboard::client::{Bearer, Client, ClientError, ExperimentClient};
use switchboard::clock::Clock;
use switchboard::embedded::{Backend, Location, Options};
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;

pub const ADMIN_TOKEN: &str = "a token that only the tests know, long enough";
pub const CONFIG: &str = "
parallel_variants: 2
evaluation_schema: {score: real, retries: integer}
objective: {expr: score, direction: maximize}
ideation_command: [python, ideate.py]
";

/// A running backend.
pub struct World {
    pub base: String,
    pub admin: Client,
    pub tasks: Tasks,
    pub backend: Backend,
    /// Goes last.
    scratch: Option<tempfile::TempDir>,
}

impl World {
    /// One that keeps nothing.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// One that keeps nothing, set up a little otherwise.
    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut world = Self::with(Location::Scratch(dir.path().to_owned()), change).await;
        world.scratch = Some(dir);
        world
    }

    pub async fn at(location: Location) -> Self {
        Self::with(location, |_| {}).await
    }

    pub async fn with(location: Location, change: impl FnOnce(&mut Options)) -> Self {
        let tasks = Tasks::new();
        let mut options = Options::new(location, ADMIN_TOKEN.into(), Clock::default(), tasks.clone());
        options.subscribe_timeout = Duration::from_secs(2);
        options.heartbeat = Duration::from_millis(200);
        change(&mut options);
        Self::serve(options, tasks).await
    }

    /// One set up as the options say; `tasks` are theirs.
    pub async fn serve(options: Options, tasks: Tasks) -> Self {
        let backend = Backend::open(options).await.expect("the backend opens");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        backend.serve(listener);
        Self {
            admin: admin(&base),
            base,
            tasks,
            backend,
            scratch: None,
        }
    }

    /// Stops it as the program would, and returns how long that took.
    pub async fn stop(self) -> Duration {
        let begin = std::time::Instant::now();
        self.tasks.stop();
        self.tasks.join().await.expect("an orderly end");
        drop(self.backend);
        begin.elapsed()
    }

    pub async fn register(&self, name: &str) -> ExperimentId {
        register(&self.admin, name).await
    }

    pub async fn lab(&self, name: &str) -> Lab {
        Lab::begin(&self.admin, name, Clock::default()).await
    }
}

pub async fn register(admin: &Client, name: &str) -> ExperimentId {
    let request = RegisterExperiment {
        config_uri: "file:///experiment.yaml".to_owned(),
        name: Some(name.to_owned()),
        experiment_id: None,
    };
    let entry = admin.control().register(&request).await.expect("registered");
    entry.experiment_id
}

pub fn admin(base: &str) -> Client {
    Client::new(base, Bearer::new(Actor::Admin, ADMIN_TOKEN.into())).expect("a client")
}

/// An experiment with one worker a role.
pub struct Lab {
    pub id: ExperimentId,
    pub admin: ExperimentClient,
    pub orchestrator: ExperimentClient,
    pub worker: ExperimentClient,
    pub worker_id: WorkerId,
    orchestrator_id: WorkerId,
    clock: Clock,
}

impl Lab {
    /// Registers, seeds and staffs an experiment.
    pub async fn begin(admin: &Client, name: &str, clock: Clock) -> Self {
        let id = register(admin, name).await;
        Self::seed(admin, &id, sha('0'), clock).await
    }

    /// Seeds and staffs an experiment that is registered.
    pub async fn seed(admin: &Client, id: &ExperimentId, base: CommitSha, clock: Clock) -> Self {
        let seed = SeedRequest {
            config: CONFIG.to_owned(),
            base_commit_sha: Some(base),
        };
        admin.control().seed(id, &seed).await.expect("seeded");
        Self::cast(admin.experiment(id), clock).await
    }

    /// A new secret for the orchestrator; the client this lab holds for it stops working.
    pub async fn orchestrator_credential(&self) -> (WorkerId, SecretString) {
        let secret = self.admin.reissue_credential(&self.orchestrator_id).await;
        (self.orchestrator_id.clone(), secret.expect("reissued"))
    }

    /// Staffs an experiment that is hosted.
    pub async fn cast(admin: ExperimentClient, clock: Clock) -> Self {
        let (orchestrator_id, orchestrator) = join(&admin, "orchestrator").await;
        let (worker_id, worker) = join(&admin, "worker").await;
        for name in ["admins", "orchestrators"] {
            let request = RegisterGroup {
                name: Some(name.to_owned()),
                members: vec![(&orchestrator_id).into()],
            };
            admin.register_group(&request).await.expect("a group");
        }
        Self {
            id: admin.id().clone(),
            admin,
            orchestrator,
            worker,
            worker_id,
            orchestrator_id,
            clock,
        }
    }

    pub async fn ideation(&self, id: &str) -> Task {
        let payload = serde_json::json!({ "experiment_id": self.id });
        self.task(id, TaskKind::Ideation, payload).await.expect("created")
    }

    pub async fn task(&self, id: &str, kind: TaskKind, payload: serde_json::Value) -> Result<Task, ClientError> {
        let now = self.clock.now();
        let task = Task {
            task_id: id.parse().expect("an id"),
            kind,
            state: TaskState::Pending,
            payload: payload.as_object().cloned().unwrap_or_default(),
            target: None,
            created_by: None,
            submitted_by: None,
            claim: None,
            created_at: now,
            updated_at: now,
            extra: Extra::new(),
        };
        self.orchestrator.create_task(&task).await
    }

    pub async fn claim(&self, id: &TaskId) {
        let request = ClaimRequest::default();
        self.worker.claim(id, &request).await.expect("claimed");
    }

    pub fn idea(&self, id: &str) -> Idea {
        Idea {
            idea_id: id.parse().expect("an id"),
            experiment_id: self.id.clone(),
            slug: "steeper".to_owned(),
            priority: 1.0,
            parent_commits: vec![sha('0')],
            artifacts_uri: "eden://artifacts/0".to_owned(),
            state: IdeaState::Drafting,
            created_at: self.clock.now(),
            created_by: None,
            intended_executor: None,
            intended_evaluator: None,
            extra: Extra::new(),
        }
    }

    pub fn variant(&self, id: &str, idea: &str) -> Variant {
        Variant {
            variant_id: id.parse().expect("an id"),
            experiment_id: self.id.clone(),
            kind: None,
            status: VariantStatus::Starting,
            idea_id: Some(idea.parse().expect("an id")),
            parent_commits: vec![sha('0')],
            branch: Some(format!("work/{id}")),
            commit_sha: None,
            variant_commit_sha: None,
            description: None,
            evaluation: None,
            artifacts_uri: None,
            executor_artifacts_uri: None,
            started_at: self.clock.now(),
            completed_at: None,
            executed_by: None,
            evaluated_by: None,
            extra: Extra::new(),
        }
    }
}

/// Registers a worker and returns the experiment through its eyes.
pub async fn join(admin: &ExperimentClient, name: &str) -> (WorkerId, ExperimentClient) {
    let request = RegisterWorker {
        name: Some(name.to_owned()),
        ..RegisterWorker::default()
    };
    let (worker, secret) = admin.register_worker(&request).await.expect("a worker");
    let bearer = Bearer::new(Actor::Worker(worker.worker_id.clone()), secret);
    (worker.worker_id, admin.with_credential(bearer))
}

pub fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().expect("a commit")
}

pub fn kind_of<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> ErrorType {
    let error = outcome.expect_err("refused");
    error
        .error_type()
        .unwrap_or_else(|| panic!("no problem document: {error}"))
}

/// Waits until a condition holds that the server brings about by itself, such as the end of a body that broke off.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let patience = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), patience).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Every entity's state, by id.
pub type States = BTreeMap<String, String>;

/// The state of every task, idea and variant, as the lists tell it.
pub async fn states(experiment: &ExperimentClient) -> States {
    let tasks = experiment.tasks().await.expect("tasks").items;
    let ideas = experiment.ideas().await.expect("ideas").items;
    let variants = experiment.variants().await.expect("variants").items;
    tasks
        .iter()
        .map(|task| (task.task_id.to_string(), task.state.to_string()))
        .chain(
            ideas
                .iter()
                .map(|idea| (idea.idea_id.to_string(), idea.state.to_string())),
        )
        .chain(
            variants
                .iter()
                .map(|variant| (variant.variant_id.to_string(), variant.status.to_string())),
        )
        .collect()
}

/// Reads the log and every entity until both are of one moment, and compares each state with the log's last word.
pub async fn log_that_agrees(experiment: &ExperimentClient) -> Vec<Event> {
    loop {
        let log = experiment.events(0, None).await.expect("the log").events;
        let states = states(experiment).await;
        if experiment.events(0, None).await.expect("the log").events.len() != log.len() {
            continue;
        }
        let ids: std::collections::BTreeSet<_> = log.iter().map(|event| &event.event_id).collect();
        assert_eq!(ids.len(), log.len(), "no event is doubled");
        let said = last_words(&log);
        assert_eq!(states, said);
        return log;
    }
}

/// The state that the log says each entity is in.
fn last_words(log: &[Event]) -> States {
    let mut said = BTreeMap::new();
    for event in log {
        let (family, verb) = event.kind.split_once('.').expect("a dotted type");
        let state = match (family, verb) {
            ("task", "created" | "reclaimed") => "pending",
            ("task", "reassigned") | ("variant", "integrated") | ("experiment", _) => continue,
            ("idea", "drafted") => "drafting",
            ("variant", "started") => "starting",
            ("variant", "succeeded") => "success",
            ("variant", "errored") => "error",
            ("variant", "evaluation_errored") => "evaluation_error",
            (_, verb) => verb,
        };
        let id = event
            .data_str(&format!("{family}_id"))
            .expect("the id of what it is about");
        said.insert(id.to_owned(), state.to_owned());
    }
    said
}
