//! A deployment in this process: a backend without a disk whose requests are counted, and a console on it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response};
use secrecy::SecretString;
use switchboard::access::{self, StoreFactory};
use switchboard::client::{Bearer, Client, ExperimentClient};
use switchboard::clock::Clock;
use switchboard::embedded::{self, Backend, Location};
use switchboard::experiment_configs::{self, ConfigSource};
use switchboard::lifecycle::Tasks;
use switchboard::listener;
use switchboard::live::{self, Live};
use switchboard::protocol::*;
use switchboard::web::{self, Web};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::http::sign_in;

const CONFIG: &str = "
parallel_variants: 2
evaluation_schema: {score: real}
objective: {expr: score, direction: maximize}
ideation_command: [python, ideate.py]
";

/// Counts of the console's requests to the backend.
#[derive(Default)]
pub struct Asked {
    /// Requests that are not streams.
    pub requests: AtomicU64,
    /// Streams opened.
    pub streams: AtomicU64,
    /// Requests and streams by `METHOD path`.
    paths: Mutex<BTreeMap<String, u64>>,
}

impl Asked {
    /// Requests of each path since the last call.
    pub fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.paths.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A deployment on its own runtime.
pub struct Deployment {
    tasks: Tasks,
    pub runtime: Runtime,
    pub backend: SocketAddr,
    pub asked: Arc<Asked>,
    token: SecretString,
    /// The last field, so it is removed last.
    _scratch: tempfile::TempDir,
}

/// A console on a deployment, with a session.
pub struct Console {
    pub address: SocketAddr,
    pub cookie: String,
    pub live: Live,
}

impl Console {
    /// Waits until its registry has the experiment.
    pub async fn knows(&self, id: &ExperimentId) {
        let registry = self.live.registry();
        registry
            .wait_until(Duration::from_secs(10), |view| view.rows.contains_key(id))
            .await;
    }
}

impl Deployment {
    pub fn start() -> Outcome<Self> {
        Self::start_without(|_| false)
    }

    /// Starts one whose backend does not push.
    pub fn without_push() -> Outcome<Self> {
        Self::start_without(is_push)
    }

    /// Uses a backend that runs elsewhere. Its requests are not counted.
    pub fn over(backend: SocketAddr, token: &str) -> Outcome<Self> {
        Ok(Self {
            tasks: Tasks::new(),
            runtime: runtime()?,
            backend,
            asked: Arc::default(),
            token: token.into(),
            _scratch: tempfile::tempdir()?,
        })
    }

    /// Starts one whose backend answers 404 to the paths that `lacks` selects.
    fn start_without(lacks: fn(&str) -> bool) -> Outcome<Self> {
        let runtime = runtime()?;
        let tasks = Tasks::new();
        let token: SecretString = format!("{:032x}", rand::random::<u128>()).into();
        let asked = Arc::new(Asked::default());
        let scratch = tempfile::tempdir()?;
        let location = Location::Scratch(scratch.path().to_owned());
        let options = embedded::Options::new(location, token.clone(), Clock::default(), tasks.clone());
        let backend = runtime.block_on(async {
            let backend = Backend::open(options).await?;
            let counter = asked.clone();
            let routes = backend
                .routes()
                .around(move |next, request| count(counter.clone(), lacks, next, request));
            serve(&tasks, routes).await
        })?;
        Ok(Self {
            tasks,
            runtime,
            backend,
            asked,
            token,
            _scratch: scratch,
        })
    }

    /// Serves with the same settings as the program's servers.
    pub fn serve(&self, routes: impl Endpoint + 'static) -> Outcome<SocketAddr> {
        self.runtime.block_on(serve(&self.tasks, routes))
    }

    pub fn admin(&self) -> Outcome<Client> {
        Ok(Client::new(
            &format!("http://{}", self.backend),
            Bearer::new(Actor::Admin, self.token.clone()),
        )?)
    }

    /// A console as the program composes it, with a session.
    pub fn console(&self) -> Outcome<Console> {
        let socket = self.runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        self.console_on(socket, listener::WRITE_TIMEOUT)
    }

    /// The same on `socket`. A client that reads nothing for `patience` is cut off.
    pub fn console_on(&self, socket: TcpListener, patience: Duration) -> Outcome<Console> {
        let base = format!("http://{}", self.backend);
        let credentials = self._scratch.path().join("console");
        let access = access::Options::single_server(&base, self.token.clone(), credentials)?;
        let stores = StoreFactory::new(access, Clock::default(), self.tasks.clone())?;
        let (live, web) = self.runtime.block_on(async {
            let live = Live::start(live::Options {
                stores: stores.clone(),
                configs: ConfigSource::new(experiment_configs::Options::default(), Clock::default()),
                clock: Clock::default(),
                tasks: self.tasks.clone(),
                idle_timeout: Duration::from_secs(3600),
                max_mirrors: 64,
                max_mirror_bytes: 1 << 30,
                max_retry_delay: live::Options::MAX_RETRY_DELAY,
                snapshot_dir: None,
                registry_poll_interval: Duration::from_secs(2),
            });
            let web = Web::new(web::Options {
                live: live.clone(),
                stores,
                clock: Clock::default(),
                tasks: self.tasks.clone(),
                session_key: std::array::from_fn(|_| rand::random()),
                repos: None,
                secure_cookies: false,
                signed_out: Some(self._scratch.path().join("console/signed-out")),
                sign_in_links: true,
                sample_config: "",
                metrics_token: None,
                page_cache_bytes: 32 * 1024 * 1024,
                batch_intervals: web::Options::BATCH_INTERVALS,
            });
            (live, web)
        });
        let address = socket.local_addr()?;
        let stopping = self.tasks.stopping();
        let serving = listener::serve_with_write_timeout(socket, web.routes(), stopping, Tasks::GRACE / 2, patience);
        self.runtime
            .block_on(async { self.tasks.spawn_essential("console", serving) });
        let cookie = self
            .runtime
            .block_on(sign_in(address, &web.issue_sign_in().ok_or("no link")?))?;
        Ok(Console { address, cookie, live })
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.tasks.stop();
        let tasks = self.tasks.clone();
        // Measuring is over, so errors of the tasks do not matter.
        let _ = self.runtime.block_on(tasks.join());
    }
}

async fn serve(tasks: &Tasks, routes: impl Endpoint + 'static) -> Outcome<SocketAddr> {
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let serving = listener::serve(socket, routes, tasks.stopping(), Tasks::GRACE / 2);
    tasks.spawn_essential("server", serving);
    Ok(address)
}

fn runtime() -> Outcome<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.thread_name("server").enable_all().build()?)
}

fn is_push(path: &str) -> bool {
    path.ends_with("/events/stream") || path == "/v0/control/events"
}

async fn count<E: Endpoint>(
    asked: Arc<Asked>,
    lacks: fn(&str) -> bool,
    next: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let path = request.uri().path();
    let counter = if is_push(path) { &asked.streams } else { &asked.requests };
    counter.fetch_add(1, Ordering::Relaxed);
    let line = format!("{} {path}", request.method());
    *asked
        .paths
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(line)
        .or_default() += 1;
    if lacks(path) {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    next.call(request).await.map(IntoResponse::into_response)
}

/// An experiment, and a client that may create tasks in it.
pub struct Lab {
    pub id: ExperimentId,
    pub orchestrator: ExperimentClient,
    pub worker: WorkerId,
    pub secret: SecretString,
}

impl Lab {
    /// Registers and seeds an experiment over HTTP, and creates its orchestrator.
    pub async fn begin(admin: &Client, name: &str) -> Outcome<Self> {
        let request = RegisterExperiment {
            config_uri: "file:///experiment.yaml".to_owned(),
            name: Some(name.to_owned()),
            experiment_id: None,
        };
        let id = admin.control().register(&request).await?.experiment_id;
        let seed = SeedRequest {
            config: CONFIG.to_owned(),
            base_commit_sha: Some("0".repeat(40).parse()?),
        };
        admin.control().seed(&id, &seed).await?;
        Self::staff(admin.experiment(&id)).await
    }

    /// Creates an orchestrator in an experiment that is hosted already.
    pub async fn staff(own: ExperimentClient) -> Outcome<Self> {
        let worker = RegisterWorker {
            name: Some("orchestrator".to_owned()),
            ..RegisterWorker::default()
        };
        let (worker, secret) = own.register_worker(&worker).await?;
        let group = RegisterGroup {
            name: Some("orchestrators".to_owned()),
            members: vec![(&worker.worker_id).into()],
        };
        own.register_group(&group).await?;
        let worker = worker.worker_id;
        let bearer = Bearer::new(Actor::Worker(worker.clone()), secret.clone());
        Ok(Self {
            id: own.id().clone(),
            orchestrator: own.with_credential(bearer),
            worker,
            secret,
        })
    }

    /// Creates one pending task.
    pub async fn create(&self, id: &str) -> Outcome {
        let now = Clock::default().now();
        let payload = serde_json::json!({ "experiment_id": self.id });
        let task = Task {
            task_id: id.parse()?,
            kind: TaskKind::Ideation,
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
        self.orchestrator.create_task(&task).await?;
        Ok(())
    }

    /// Creates `number` tasks over HTTP, 16 at a time, and claims one in five.
    pub async fn fill(&self, number: usize) -> Outcome {
        let one = |index: usize| async move {
            let id = format!("task-{index:06}");
            self.create(&id).await?;
            if index.is_multiple_of(5) {
                self.orchestrator.claim(&id.parse()?, &ClaimRequest::default()).await?;
            }
            Outcome::Ok(())
        };
        stream::iter(0..number)
            .map(one)
            .buffer_unordered(16)
            .try_collect()
            .await
    }
}
