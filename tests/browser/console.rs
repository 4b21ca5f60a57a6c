//! A console in this process, between two lines that can be listened to and cut.

use std::time::{Duration, Instant};

use poem::Server;
use poem::listener::TcpAcceptor;
use switchboard::access::{self, StoreFactory};
use switchboard::clock::Clock;
use switchboard::experiment_configs::{self, ConfigSource};
use switchboard::live::{self, Live};
use switchboard::web::{self, Web};
use tokio::net::TcpListener;

use crate::chromium::Browser;
use crate::middlebox::Middlebox;
use crate::proxy::{Proxy, Request};
use crate::support::{ADMIN_TOKEN, CONFIG, World};

/// `browser - front - streams - console - back - backend`
pub struct Console {
    pub world: World,
    pub front: Proxy,
    pub back: Proxy,
    pub streams: Middlebox,
    web: Web,
    _scratch: tempfile::TempDir,
}

impl Console {
    pub async fn start() -> Self {
        Self::start_retrying_within(live::Options::MAX_RETRY_DELAY).await
    }

    /// One that waits no longer than this before it tries a broken feed again.
    pub async fn start_retrying_within(retry_cap: Duration) -> Self {
        let world = World::start().await;
        let tasks = world.tasks.clone();
        let backend = world
            .base
            .strip_prefix("http://")
            .expect("plain HTTP")
            .parse()
            .expect("an address");
        let back = Proxy::before(backend, &tasks).await;
        let scratch = tempfile::tempdir().expect("a directory");
        let credentials = scratch.path().to_owned();
        let access = access::Options::single_server(&back.base(), ADMIN_TOKEN.into(), credentials).expect("an address");
        let clock = Clock::default();
        let stores = StoreFactory::new(access, clock.clone(), tasks.clone()).expect("an HTTP client");
        let live = Live::start(live::Options {
            stores: stores.clone(),
            configs: ConfigSource::new(experiment_configs::Options::default(), Clock::default()),
            clock: clock.clone(),
            tasks: tasks.clone(),
            idle_timeout: Duration::from_secs(300),
            max_mirrors: 8,
            max_mirror_bytes: 1 << 30,
            snapshot_dir: None,
            max_retry_delay: retry_cap,
            registry_poll_interval: Duration::from_secs(2),
        });
        let web = Web::new(web::Options {
            live,
            stores,
            clock,
            tasks: tasks.clone(),
            session_key: [7; 64],
            repos: None,
            secure_cookies: false,
            signed_out: Some(scratch.path().join("signed-out")),
            sign_in_links: true,
            sample_config: CONFIG,
            metrics_token: None,
            page_cache_bytes: 16 * 1024 * 1024,
            batch_intervals: web::Options::BATCH_INTERVALS,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let streams = Middlebox::new();
        let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).expect("a socket"));
        tasks.spawn_essential("console", server.run(streams.before(web.routes())));
        let front = Proxy::before(address, &tasks).await;
        Self {
            world,
            front,
            back,
            streams,
            web,
            _scratch: scratch,
        }
    }

    /// A one-time link, as a path.
    pub fn sign_in_link(&self) -> String {
        self.web.issue_sign_in().expect("links are offered")
    }

    /// A browser that is signed in.
    pub async fn browser(&self) -> Browser {
        let browser = Browser::start(&self.front.base()).await;
        browser.open(&self.sign_in_link()).await;
        browser.until("document.getElementById('operator')").await;
        browser
    }

    /// Opens a page, and waits until its stream is open and the page has nothing more to ask.
    pub async fn show(&self, browser: &Browser, path: &str) {
        self.front.take_requests();
        browser.open(path).await;
        self.streaming(browser).await;
    }

    /// Waits until the page's own stream is open and nothing is asked any more. From then on a request is due to
    /// something that happened.
    pub async fn streaming(&self, browser: &Browser) {
        browser
            .until("document.getElementById('freshness')?.dataset.freshness === 'live'")
            .await;
        let stream = browser
            .text("document.getElementById('live').getAttribute('hx-sse:connect')")
            .await;
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut asked = (0, Instant::now());
        loop {
            let requests = self.front.requests();
            if requests.len() != asked.0 {
                asked = (requests.len(), Instant::now());
            }
            let open = requests
                .iter()
                .any(|request| request.target == stream && self.front.is_open(request));
            // Regions wait less than this between two refetches.
            if open && asked.1.elapsed() > Duration::from_millis(1100) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{stream} is not open and quiet: {requests:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A document, or its main part.
    Page,
    /// A part of a page that keeps itself up to date.
    Region,
    Stream,
    Asset,
}

pub fn purpose(request: &Request) -> Purpose {
    let path = request.target.split('?').next().unwrap_or_default();
    let htmx = request.header("hx-request") == Some("true");
    match request.header("hx-target") {
        _ if path.starts_with("/assets/") => Purpose::Asset,
        _ if path.ends_with("/live") => Purpose::Stream,
        Some(target) if htmx && !target.ends_with("#main") && !target.starts_with("body") => Purpose::Region,
        _ => Purpose::Page,
    }
}

/// Method and path of the requests for pages.
pub fn pages(requests: &[Request]) -> Vec<String> {
    let pages = requests.iter().filter(|request| purpose(request) == Purpose::Page);
    pages
        .map(|request| format!("{} {}", request.method, request.target))
        .collect()
}
