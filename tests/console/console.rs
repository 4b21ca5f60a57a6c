//! The console over a backend, through a socket, with ids and times that are the same on every run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard::access::{self, CredentialState, StoreFactory};
use switchboard::client::Client;
use switchboard::clock::Clock;
use switchboard::embedded::{Backend, Location, Options};
use switchboard::experiment_configs::{self, ConfigSource};
use switchboard::lifecycle::Tasks;
use switchboard::listener;
use switchboard::live::{self, Hosting, Live};
use switchboard::protocol::ExperimentId;
use switchboard::repos::{self, RepoMaterializer};
use switchboard::web::{self, Web};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};

use crate::proxy::Proxy;
use crate::support::{ADMIN_TOKEN, admin};

/// What a monitoring system shows.
pub const METRICS_TOKEN: &str = "what a monitoring system shows";

/// A backend and a console on it, each with its own life, so that one can go while the other stays.
pub struct Console {
    /// The deployment's administrator.
    pub admin: Client,
    /// What moves when a test says so.
    pub clock: Clock,
    /// What the console knows.
    pub live: Live,
    access: access::Options,
    backend: Tasks,
    console: Tasks,
    base: String,
    web: Web,
    browser: reqwest::Client,
    /// The backend's, which goes last.
    _scratch: TempDir,
}

/// How a console is set up.
pub struct Setup {
    pub access: access::Options,
    pub configs: experiment_configs::Options,
    pub repos: Option<RepoMaterializer>,
    /// `serve` lets nobody in by a link.
    pub sign_in_links: bool,
    /// Where what is known is kept.
    pub snapshots: Option<PathBuf>,
    /// What all mirrors together may weigh.
    pub mirror_bytes: u64,
    /// The longest wait before a broken feed is tried again.
    pub retry_cap: Duration,
}

impl Setup {
    /// With this access, and everything else as it usually is.
    pub fn of(access: access::Options) -> Self {
        Self {
            access,
            configs: experiment_configs::Options::default(),
            repos: None,
            sign_in_links: true,
            snapshots: None,
            mirror_bytes: u64::MAX,
            retry_cap: Duration::from_millis(100),
        }
    }
}

/// An answer, read whole.
pub struct Page {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Page {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The texts of what a selector finds.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let selector = scraper::Selector::parse(selector).expect("a selector");
        let document = scraper::Html::parse_document(&self.body);
        let text = |element: scraper::ElementRef<'_>| element.text().collect::<String>().trim().to_owned();
        document.select(&selector).map(text).collect()
    }

    /// One attribute of each element that a selector finds.
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let selector = scraper::Selector::parse(selector).expect("a selector");
        let document = scraper::Html::parse_document(&self.body);
        document
            .select(&selector)
            .filter_map(|element| element.attr(name).map(str::to_owned))
            .collect()
    }
}

impl Console {
    /// Both, with nothing in them. Nobody is signed in.
    pub async fn start() -> Self {
        let (tasks, clock) = (Tasks::new(), fixed_clock());
        let scratch = tempfile::tempdir().expect("a directory");
        let address = backend(&scratch, &tasks, &clock).await;
        Self::of_one(&address, &address, None, tasks, clock, scratch).await
    }

    /// The same with repositories below `root`.
    pub async fn with_repositories(root: &Path) -> Self {
        let (tasks, clock) = (Tasks::new(), fixed_clock());
        let scratch = tempfile::tempdir().expect("a directory");
        let address = backend(&scratch, &tasks, &clock).await;
        let repos = RepoMaterializer::new(repos::Options::at(Some(root.into())), clock.clone(), tasks.clone());
        let repos = repos.expect("set up");
        Self::of_one(&address, &address, Some(repos), tasks, clock, scratch).await
    }

    /// The same with a proxy between console and backend; the administrator goes past it.
    pub async fn behind_a_proxy() -> (Self, Proxy) {
        let (tasks, clock) = (Tasks::new(), fixed_clock());
        let scratch = tempfile::tempdir().expect("a directory");
        let address = backend(&scratch, &tasks, &clock).await;
        let proxy = Proxy::before(address_of(&address), &tasks).await;
        (
            Self::of_one(&address, &proxy.base(), None, tasks, clock, scratch).await,
            proxy,
        )
    }

    /// The same on a console whose mirrors may weigh no more than `bytes` together.
    pub async fn with_mirrors_of(bytes: u64) -> Self {
        let (tasks, clock) = (Tasks::new(), fixed_clock());
        let scratch = tempfile::tempdir().expect("a directory");
        let address = backend(&scratch, &tasks, &clock).await;
        let credentials = scratch.path().join("console");
        let access = access::Options::single_server(&address, ADMIN_TOKEN.into(), credentials).expect("an address");
        let setup = Setup {
            mirror_bytes: bytes,
            ..Setup::of(access)
        };
        Self::over(setup, admin(&address), tasks, clock, scratch).await
    }

    /// The same with the console's access to it set up otherwise.
    pub async fn start_with(change: impl FnOnce(&mut access::Options)) -> Self {
        let (tasks, clock) = (Tasks::new(), fixed_clock());
        let scratch = tempfile::tempdir().expect("a directory");
        let address = backend(&scratch, &tasks, &clock).await;
        let credentials = scratch.path().join("console");
        let mut access = access::Options::single_server(&address, ADMIN_TOKEN.into(), credentials).expect("an address");
        change(&mut access);
        Self::over(Setup::of(access), admin(&address), tasks, clock, scratch).await
    }

    /// A console whose backend was never there.
    pub async fn without_backend() -> Self {
        // Bound and never listened on, and kept, so that nobody else comes to listen there.
        let silent = TcpSocket::new_v4().expect("a socket");
        silent
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("a free port");
        let base = format!("http://{}", silent.local_addr().expect("bound"));
        std::mem::forget(silent);
        let scratch = tempfile::tempdir().expect("a directory");
        Self::of_one(&base, &base, None, Tasks::new(), fixed_clock(), scratch).await
    }

    /// A console that knows its backend as `seen`; the administrator goes straight there.
    async fn of_one(
        there: &str,
        seen: &str,
        repos: Option<RepoMaterializer>,
        backend: Tasks,
        clock: Clock,
        scratch: TempDir,
    ) -> Self {
        let credentials = scratch.path().join("console");
        let access = access::Options::single_server(seen, ADMIN_TOKEN.into(), credentials).expect("an address");
        let setup = Setup {
            repos,
            ..Setup::of(access)
        };
        Self::over(setup, admin(there), backend, clock, scratch).await
    }

    /// A replica: another process on the same credential directory and session key, set up a little otherwise.
    pub async fn beside(&self, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::of(self.access.clone());
        change(&mut setup);
        let scratch = tempfile::tempdir().expect("a directory");
        Self::over(setup, self.admin.clone(), Tasks::new(), self.clock.clone(), scratch).await
    }

    /// A console of this set-up; `backend` are the tasks of the servers that it is for, whose administrator is `admin`.
    pub async fn over(setup: Setup, admin: Client, backend: Tasks, clock: Clock, scratch: TempDir) -> Self {
        let console = Tasks::new();
        let access = setup.access;
        let signed_out = access.credentials.join("signed-out");
        let stores = StoreFactory::new(access.clone(), clock.clone(), console.clone()).expect("an HTTP client");
        let live = Live::start(live::Options {
            stores: stores.clone(),
            configs: ConfigSource::new(setup.configs, clock.clone()),
            clock: clock.clone(),
            tasks: console.clone(),
            idle_timeout: Duration::from_secs(60),
            max_mirrors: 16,
            max_mirror_bytes: setup.mirror_bytes,
            snapshot_dir: setup.snapshots,
            max_retry_delay: setup.retry_cap,
            registry_poll_interval: Duration::from_millis(100),
        });
        // The console has registered itself by then, so that ids that are minted later are the same on every run.
        live.registry().wait_until_settled(Duration::from_secs(10)).await;
        let web = Web::new(web::Options {
            live: live.clone(),
            stores,
            clock: clock.clone(),
            tasks: console.clone(),
            session_key: [7; 64],
            repos: setup.repos,
            secure_cookies: false,
            signed_out: Some(signed_out),
            sign_in_links: setup.sign_in_links,
            sample_config: "parallel_variants: 2\nevaluation_schema: {score: real}\nobjective: {expr: score, direction: maximize}\n",
            metrics_token: Some(METRICS_TOKEN.into()),
            page_cache_bytes: 16 * 1024 * 1024,
            batch_intervals: Duration::from_millis(20)..=Duration::from_millis(20),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        web.serve(listener);
        let browser = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("an HTTP client");
        Self {
            admin,
            access,
            clock,
            live,
            backend,
            console,
            base,
            web,
            browser,
            _scratch: scratch,
        }
    }

    /// Where a browser finds it.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A fresh one-time link, as a path.
    pub fn sign_in_link(&self) -> String {
        self.web.issue_sign_in().expect("links are offered")
    }

    /// The cookie of a signed-in browser.
    pub async fn sign_in(&self) -> String {
        let page = self.get(&self.sign_in_link(), &[]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        cookie_of(&page).expect("a session cookie")
    }

    /// What signing in by a credential answers.
    pub async fn present(&self, credential: &str, next: &str) -> Page {
        self.post("/signin", &[], &[("credential", credential), ("next", next)])
            .await
    }

    /// The cookie of a browser whose operator has shown a credential.
    pub async fn sign_in_as(&self, credential: &str) -> String {
        let page = self.present(credential, "/").await;
        assert_eq!(page.status, 303, "{}", page.body);
        cookie_of(&page).expect("a session cookie")
    }

    /// Asks in any way.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Page {
        let method = method.parse().expect("a method");
        self.send(method, path, headers, None).await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Page {
        self.send(reqwest::Method::GET, path, headers, None).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Page {
        let body = serde_urlencoded::to_string(form).expect("a form");
        let body = ("application/x-www-form-urlencoded".to_owned(), body);
        self.send(reqwest::Method::POST, path, headers, Some(body)).await
    }

    pub async fn post_multipart(&self, path: &str, headers: &[(&str, &str)], boundary: &str, body: String) -> Page {
        let body = (format!("multipart/form-data; boundary={boundary}"), body);
        self.send(reqwest::Method::POST, path, headers, Some(body)).await
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(String, String)>,
    ) -> Page {
        let mut request = self.browser.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        let response = request.send().await.expect("the console answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.expect("a whole answer");
        Page { status, headers, body }
    }

    /// Serves elsewhere too, to readers that have `patience` to read.
    pub fn serve_with_write_timeout(&self, listener: TcpListener, patience: Duration) {
        let (routes, stopping) = (self.web.routes(), self.console.stopping());
        let serving = listener::serve_with_write_timeout(listener, routes, stopping, Duration::from_secs(1), patience);
        self.console.spawn_essential("readers", serving);
    }

    /// How many times a region was asked for, and drawn.
    pub fn regions(&self) -> (u64, u64) {
        self.web.regions()
    }

    /// Opens a stream and hands back what it says, piece by piece.
    pub async fn stream(&self, path: &str, cookie: &str) -> reqwest::Response {
        let request = self
            .browser
            .get(format!("{}{path}", self.base))
            .header("cookie", cookie);
        request.send().await.expect("the stream opens")
    }

    /// Waits until an experiment is in the console's list.
    pub async fn listed(&self, id: &ExperimentId) {
        let registry = self.live.registry();
        until("the experiment", async || registry.view().rows.get(id).map(drop)).await;
    }

    /// Waits until an experiment is listed as hosted and configured, and with such a credential.
    pub async fn ready(&self, id: &ExperimentId, credential: impl Fn(CredentialState) -> bool) {
        let registry = self.live.registry();
        until("a ready experiment", async || {
            let view = registry.view();
            let row = view.rows.get(id)?;
            let is_hosted = matches!(row.hosting, Hosting::Hosted(_));
            (is_hosted && credential(row.credential) && row.config.is_ok()).then_some(())
        })
        .await;
    }

    /// The console stops in order, as if its operator had asked it to.
    pub async fn stop(&self) {
        self.console.stop();
        self.console.clone().join().await.expect("the console ends in order");
    }

    /// The backend goes, as if its machine did.
    pub async fn lose_backend(&self) {
        self.backend.stop();
        self.backend.clone().join().await.expect("the backend ends in order");
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.backend.stop();
        self.console.stop();
    }
}

/// The cookie that an answer sets, as a browser sends it.
pub fn cookie_of(page: &Page) -> Option<String> {
    page.header("set-cookie")?.split(';').next().map(str::to_owned)
}

async fn backend(scratch: &TempDir, tasks: &Tasks, clock: &Clock) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut options = Options::new(
        Location::Scratch(scratch.path().to_owned()),
        ADMIN_TOKEN.into(),
        clock.clone(),
        tasks.clone(),
    );
    options.id_seed = Some(7);
    Backend::open(options).await.expect("the backend opens").serve(listener);
    format!("http://{address}")
}

/// What a base URL leads to.
pub fn address_of(base: &str) -> SocketAddr {
    base.trim_start_matches("http://").parse().expect("an address")
}

fn fixed_clock() -> Clock {
    Clock::manual("2026-03-04T05:06:07Z".parse().expect("a timestamp"))
}

/// Waits for a condition on what the console knows; the deadline only says that a test hangs.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come"))
}
