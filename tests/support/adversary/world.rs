//! A backend of its own, with an experiment in it that has something of everything. It is called without a socket,
//! so that nothing between the caller and the endpoint can refuse on its behalf.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::{Endpoint, EndpointExt, Response};
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::embedded::{Authentication, Backend, Location, Options};
use switchboard::lifecycle::Tasks;
use switchboard::protocol::CURSOR_HEADER;

use super::judge;
use super::request::Attack;

/// A request that takes longer than this has hung.
const PATIENCE: Duration = Duration::from_secs(30);
/// A world whose log has grown past this, or that was struck so often, is worn out.
const WORN_LOG: u64 = 400;
const WORN_STRIKES: u32 = 4000;

pub const COMMIT: &str = "0000000000000000000000000000000000000000";
pub const NOW: &str = "2026-01-02T03:04:05.000Z";
const CONFIG: &str = "
parallel_variants: 2
evaluation_schema: {score: real, retries: integer, note: text}
objective: {expr: score, direction: maximize}
";

/// The ids that a world's requests may name and be right.
#[derive(Debug, Default)]
pub struct Cast {
    pub experiment: String,
    /// Registered, but hosted by nobody.
    pub unseeded: String,
    pub workers: Vec<String>,
    pub groups: Vec<String>,
    pub deployment_worker: String,
    pub deployment_group: String,
    pub lease: String,
}

/// An answer, read to its end; of an event stream the first frame.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub kind: String,
    cursor: Option<u64>,
    tag: Option<String>,
    pub body: Vec<u8>,
}

/// What changes with anything that is written: the version of the experiment, the revision of the deployment, and
/// the files.
type Traces = (Option<String>, Option<u64>, BTreeSet<PathBuf>);

/// A backend under attack.
pub struct World {
    pub cast: Cast,
    /// Its data directory; everything it writes is below.
    pub dir: PathBuf,
    endpoint: BoxEndpoint<'static, Response>,
    tasks: Tasks,
    strikes: u32,
    /// Whether later requests would meet too much, or too little: in a terminated experiment hardly anything is open.
    pub is_worn: bool,
    /// As the last strike left it.
    traces: Traces,
    /// Goes last.
    _scratch: tempfile::TempDir,
}

impl World {
    /// Opens a backend and peoples it. The same calls lead to the same ids.
    pub async fn start() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let dir = scratch.path().join("data");
        let tasks = Tasks::new();
        let endpoint = open(&dir, tasks.clone()).await;
        let mut world = Self {
            cast: Cast::default(),
            dir,
            endpoint,
            tasks,
            strikes: 0,
            is_worn: false,
            traces: Traces::default(),
            _scratch: scratch,
        };
        world.people().await;
        world.traces = world.traces().await;
        world
    }

    async fn people(&mut self) {
        let register = json!({ "config_uri": "file:///experiment.yaml", "name": "here" });
        let id_of = |reply: &Value, key: &str| reply[key].as_str().expect("an id").to_owned();
        let here = self.made("/v0/control/experiments", "", register.clone()).await;
        self.cast.experiment = id_of(&here, "experiment_id");
        let there = self.made("/v0/control/experiments", "", register).await;
        self.cast.unseeded = id_of(&there, "experiment_id");
        let seed = format!("/_switchboard/experiments/{}/seed", self.cast.experiment);
        self.made(&seed, "", json!({ "config": CONFIG, "base_commit_sha": COMMIT }))
            .await;
        let base = format!("/v0/experiments/{}", self.cast.experiment);
        for _ in 0..2 {
            let worker = self
                .made(&format!("{base}/workers"), "", json!({ "name": "worker" }))
                .await;
            self.cast.workers.push(id_of(&worker, "worker_id"));
        }
        let by = self.cast.workers[0].clone();
        for name in [json!({ "name": "admins" }), json!({ "members": [by] })] {
            let group = self.made(&format!("{base}/groups"), "", name).await;
            self.cast.groups.push(id_of(&group, "group_id"));
        }
        let control = "/v0/control";
        let worker = self.made(&format!("{control}/workers"), "", json!({})).await;
        self.cast.deployment_worker = id_of(&worker, "worker_id");
        let members = json!({ "name": "orchestrators", "members": [self.cast.deployment_worker] });
        let group = self.made(&format!("{control}/groups"), "", members).await;
        self.cast.deployment_group = id_of(&group, "group_id");
        let lease = format!("{control}/experiments/{}/leases", self.cast.unseeded);
        let holder = json!({ "holder": self.cast.deployment_worker, "holder_instance": "one" });
        let lease = self.made(&lease, "", holder).await;
        self.cast.lease = id_of(&lease, "lease_id");
        self.work(&base, &by).await;
    }

    /// Tasks, ideas and variants in every state that has a way out.
    async fn work(&self, base: &str, by: &str) {
        for n in 1..=3 {
            self.made(&format!("{base}/ideas"), by, self.cast.idea(&format!("idea-{n}")))
                .await;
        }
        for n in 2..=3 {
            self.made(&format!("{base}/ideas/idea-{n}/mark-ready"), by, Value::Null)
                .await;
        }
        let subject = |key: &str, id: &str| json!({ key: id });
        let tasks = [
            ("task-1", "ideation", subject("experiment_id", &self.cast.experiment)),
            ("task-2", "ideation", subject("experiment_id", &self.cast.experiment)),
            ("task-3", "execution", subject("idea_id", "idea-3")),
            ("task-4", "evaluation", subject("variant_id", "variant-1")),
        ];
        let variant = self.cast.variant("variant-1", "idea-3");
        self.made(&format!("{base}/variants"), by, variant).await;
        let mut baseline = self.cast.variant("baseline", "idea-3");
        baseline["kind"] = json!("baseline");
        baseline["status"] = json!("success");
        baseline["evaluation"] = json!({ "score": 1.5 });
        self.made(&format!("{base}/variants"), by, baseline).await;
        for (id, kind, payload) in tasks {
            self.made(&format!("{base}/tasks"), by, self.cast.task(id, kind, payload))
                .await;
        }
        for id in ["task-2", "task-3", "task-4"] {
            self.made(&format!("{base}/tasks/{id}/claim"), by, json!({})).await;
        }
        let done = json!({ "status": "success", "variant_id": "variant-1", "evaluation": { "score": 2 } });
        self.made(&format!("{base}/tasks/task-4/submit"), by, json!({ "payload": done }))
            .await;
    }

    /// The reply to a good request by a worker, or by the admin if `by` is nobody.
    async fn made(&self, path: &str, by: &str, body: Value) -> Value {
        let reply = self.call(self.cast.plain("POST", path, by, Some(&body))).await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(reply.status < 300, "{path}: {} {text}", reply.status);
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Sends a request and holds its answer to what every answer must be; a refusal must leave nothing behind.
    /// Returns the status.
    pub async fn strike(&mut self, attack: Attack) -> u16 {
        self.strikes += 1;
        let told = format!("{attack:?}");
        let is_reference = attack.target.starts_with("/_reference/");
        let is_head = attack.method == "HEAD";
        let reply = self.call(attack).await;
        if let Err(fault) = judge::judge(&reply, is_head, is_reference) {
            let body = String::from_utf8_lossy(&reply.body[..reply.body.len().min(2000)]);
            panic!("{fault}\nto {told}\n{} {} {body}", reply.status, reply.kind);
        }
        let after = self.traces().await;
        let before = std::mem::replace(&mut self.traces, after);
        if reply.status >= 400 {
            assert_eq!(self.traces, before, "a refusal left something behind: {told}");
        }
        if self.traces != before {
            self.is_worn = self.strikes > WORN_STRIKES || self.has_ended_or_grown().await;
        }
        reply.status
    }

    async fn call(&self, attack: Attack) -> Reply {
        let answered = tokio::time::timeout(PATIENCE, async {
            let mut response = match self.endpoint.call(attack.into_request()).await {
                Ok(response) => response,
                Err(error) => error.into_response(),
            };
            let header = |name: &str| response.header(name).map(str::to_owned);
            let (kind, tag) = (header("content-type").unwrap_or_default(), header("etag"));
            let cursor = header(CURSOR_HEADER).and_then(|cursor| cursor.parse().ok());
            let body = match kind.as_str() {
                "text/event-stream" => first_frame(response.take_body()).await,
                _ => response.take_body().into_vec().await.expect("a whole body"),
            };
            Reply {
                status: response.status().as_u16(),
                kind,
                cursor,
                tag,
                body,
            }
        });
        answered.await.expect("an answer in time")
    }

    async fn traces(&self) -> Traces {
        let of = |path: String| self.call(self.cast.plain("GET", &path, "", None));
        let version = of(format!("/v0/experiments/{}/groups?name=none", self.cast.experiment)).await;
        let revision = of("/v0/control/experiments?name=none".to_owned()).await;
        assert!(version.tag.is_some() && revision.cursor.is_some(), "versions are told");
        (version.tag, revision.cursor, files(&self.dir))
    }

    /// Everything that can be read, as it is read.
    pub async fn memory(&self) -> Vec<(String, String)> {
        let mut paths: Vec<_> = [
            "",
            "/dispatch_mode",
            "/tasks",
            "/ideas",
            "/variants",
            "/workers",
            "/groups",
            "/events",
            "/config",
        ]
        .map(|path| format!("/v0/experiments/{}{path}", self.cast.experiment))
        .into();
        paths.extend(["/experiments", "/workers", "/groups"].map(|path| format!("/v0/control{path}")));
        let mut memory = Vec::new();
        for path in paths {
            let reply = self.call(self.cast.plain("GET", &path, "", None)).await;
            assert_eq!(
                (reply.status, judge::judge(&reply, false, false)),
                (200, Ok(())),
                "{path}"
            );
            memory.push((path, String::from_utf8(reply.body).expect("text")));
        }
        memory
    }

    async fn has_ended_or_grown(&self) -> bool {
        let of = |path: &str| {
            let path = format!("/v0/experiments/{}{path}", self.cast.experiment);
            async move { self.call(self.cast.plain("GET", &path, "", None)).await }
        };
        let state = of("/state").await;
        state.body != br#"{"state":"running"}"# || of("/config").await.cursor > Some(WORN_LOG)
    }

    /// Ends the backend and opens its directory again, as a restart would.
    pub async fn restart(self) -> Self {
        self.tasks.stop();
        self.tasks.clone().join().await.expect("an orderly end");
        drop(self.endpoint);
        let tasks = Tasks::new();
        let endpoint = open(&self.dir, tasks.clone()).await;
        Self {
            endpoint,
            tasks,
            ..self
        }
    }
}

async fn open(dir: &Path, tasks: Tasks) -> BoxEndpoint<'static, Response> {
    let clock = Clock::manual(NOW.parse().expect("an instant"));
    let mut options = Options::new(Location::Scratch(dir.to_owned()), "".into(), clock, tasks);
    options.authentication = Authentication::Off;
    options.subscribe_timeout = Duration::ZERO;
    options.repo_root = Some(dir.join("repos"));
    options.artifacts_dir = Some(dir.join("shared"));
    options.max_artifact_bytes = 64 * 1024;
    options.max_checkpoint_bytes = 1024 * 1024;
    options.id_seed = Some(1);
    let backend = Backend::open(options).await.expect("the backend opens");
    backend.routes().map_to_response().boxed()
}

async fn first_frame(body: poem::Body) -> Vec<u8> {
    use futures_util::StreamExt;
    let mut frames = body.into_bytes_stream();
    let frame = frames.next().await.transpose().expect("no fault");
    frame.unwrap_or_default().into()
}

/// Every file below a directory, by name. What SQLite keeps beside its database comes and goes.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path.clone());
            }
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with("switchboard.db-") {
                found.insert(path);
            }
        }
    }
    found
}
