//! A task store and control plane that goes and comes back where it was, and a console that looks at it through a line
//! that breaks.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response};
use switchboard::access;
use switchboard::clock::Clock;
use switchboard::embedded::{self, Location};
use switchboard::lifecycle::Tasks;
use switchboard::listener;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::console::{Console, Setup};
use crate::proxy::Proxy;
use crate::support::{ADMIN_TOKEN, admin};

/// What a server does not know: the paths that it answers with 404.
pub type Lacks = fn(&str) -> bool;

/// One that does all that ours does.
pub fn nothing(_: &str) -> bool {
    false
}

/// One that does not push, as EDEN does not ask of it.
pub fn push(path: &str) -> bool {
    push_of_logs(path) || path == "/v0/control/events"
}

/// One whose control plane pushes, and whose task store does not.
pub fn push_of_logs(path: &str) -> bool {
    path.ends_with("/events/stream")
}

/// The server; it ends when this is dropped.
pub struct Server {
    directory: TempDir,
    address: SocketAddr,
    lacks: Lacks,
    asked: Arc<Mutex<Vec<String>>>,
    tasks: Tasks,
}

impl Server {
    pub async fn start(lacks: Lacks) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::default();
        let tasks = serve(directory.path(), listener, lacks, &asked).await;
        Self {
            directory,
            address,
            lacks,
            asked,
            tasks,
        }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether a stream of its own carries the experiments' logs.
    pub fn pushes_logs(&self) -> bool {
        !(self.lacks)("/events/stream")
    }

    /// Goes; nobody listens there any more.
    pub async fn go(&self) {
        self.tasks.stop();
        self.tasks.clone().join().await.expect("an orderly end");
    }

    /// Comes back on the same port, with what it knew.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("its own port");
        self.tasks = serve(self.directory.path(), listener, self.lacks, &self.asked).await;
    }

    /// `METHOD path` of all that arrived since the last time of asking.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn serve(directory: &Path, listener: TcpListener, lacks: Lacks, asked: &Arc<Mutex<Vec<String>>>) -> Tasks {
    let tasks = Tasks::new();
    let location = Location::Scratch(directory.to_owned());
    let mut options = embedded::Options::new(location, ADMIN_TOKEN.into(), Clock::default(), tasks.clone());
    options.heartbeat = Duration::from_millis(50);
    let backend = embedded::Backend::open(options).await.expect("the backend opens");
    let asked = asked.clone();
    let routes = backend
        .routes()
        .around(move |next, request| unless_lacking(lacks, asked.clone(), next, request));
    let serving = listener::serve(listener, routes, tasks.stopping(), Tasks::GRACE / 2);
    tasks.spawn_essential("backend", serving);
    tasks
}

async fn unless_lacking<E: Endpoint>(
    lacks: Lacks,
    asked: Arc<Mutex<Vec<String>>>,
    next: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let line = format!("{} {target}", request.method());
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    if lacks(request.uri().path()) {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    next.call(request).await.map(IntoResponse::into_response)
}

/// `console - line - server`; the administrator goes straight to the server.
pub struct Scene {
    pub console: Console,
    pub line: Proxy,
    pub server: Server,
    credentials: TempDir,
}

impl Scene {
    /// A console on `server`, set up a little otherwise than usual.
    pub async fn set_up(server: Server, clock: Clock, change: impl FnOnce(&mut Setup)) -> Self {
        let tasks = Tasks::new();
        let line = Proxy::before(server.address, &tasks).await;
        let credentials = tempfile::tempdir().expect("a directory");
        let mut setup = Setup::of(seen_at(&line.base(), &credentials));
        change(&mut setup);
        let scratch = tempfile::tempdir().expect("a directory");
        let console = Console::over(setup, admin(&server.base()), tasks, clock, scratch).await;
        Self {
            console,
            line,
            server,
            credentials,
        }
    }

    /// Another console, which sees the server as it is.
    pub async fn beside(&self) -> Console {
        let access = seen_at(&self.server.base(), &self.credentials);
        self.console.beside(|setup| setup.access = access).await
    }
}

fn seen_at(base: &str, credentials: &TempDir) -> access::Options {
    access::Options::single_server(base, ADMIN_TOKEN.into(), credentials.path().join("console")).expect("an address")
}
