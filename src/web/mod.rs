//! The console: pages over what is known of the experiments.
//!
//! A request goes through six stops, each in the room its name says: the gate (`auth`), its context (`request`), the
//! handler of its page (`pages`), the page, the cache and the bytes (`respond`). A change goes through five: the feed and
//! the mirror (`live`), the topic and the stream (`stream`), the region (`pages`, `respond`). A write through five: the form
//! (`pages`), the check, submit once, the outcome, the redrawn form (`write`).
//!
//! Files that stand beside the rooms, because several rooms share them: `console` holds the services, `fault` lists what
//! can go wrong, `upstream` has the words for the servers, `assets` the embedded files, `urls` every path as a function,
//! `sections` and `routes` the two tables.
//!
//! A room imports only what stands before it here: `urls`, `assets`, `auth::audience`; `sections`; `ui`; `request::htmx`,
//! `request::query`, `stream::position`; the services of `auth`; `upstream`; `fault`; `request::target` and the stores in
//! `respond`, `write` and `roster`; `console`; `auth::gate` and `request::context`; `respond`; `write`, `parts`, `stream`;
//! `roster`; `pages`; `routes`. `tests/console/architecture.rs` holds it so.

mod assets;
mod auth;
mod console;
mod fault;
mod pages;
mod parts;
mod request;
mod respond;
mod roster;
mod routes;
mod sections;
mod stream;
mod ui;
mod upstream;
mod urls;
mod write;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use poem::http::Uri;
use poem::session::{CookieConfig, CookieSession, Session};
use poem::web::cookie::{CookieKey, SameSite};
use poem::{Endpoint, EndpointExt, FromRequest, IntoResponse, Request, Response};
use secrecy::SecretString;
use tokio::net::TcpListener;

use auth::{Authenticator, RoleResolver, Sessions, gate, session};
use console::Console;
use fault::Fault;
use pages::select::SwitchedPages;
use request::{Context, HtmxRequest, Target, body_limit};
use respond::{PageCache, headers};
use roster::cache::RosterCache;
use write::SubmissionStore;

use crate::access::StoreFactory;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::listener;
use crate::live::Live;
use crate::repos::RepoMaterializer;

pub use routes::{Answer, RouteInfo, routes};

/// What the console is built from.
pub struct Options {
    /// What it shows.
    pub live: Live,
    /// Who acts, and where.
    pub stores: StoreFactory,
    /// Time of day.
    pub clock: Clock,
    /// Where its streams belong.
    pub tasks: Tasks,
    /// The key that encrypts the session cookie.
    pub session_key: [u8; 64],
    /// The experiments' repositories, if there are any to show commits from.
    pub repos: Option<RepoMaterializer>,
    /// Whether browsers send the cookie over TLS only.
    pub secure_cookies: bool,
    /// Where it is kept which sessions were signed out; replicas share it. None: in memory.
    pub signed_out: Option<PathBuf>,
    /// Whether one-time links sign in the operator of the process.
    pub sign_in_links: bool,
    /// The configuration offered on the page of an unseeded experiment.
    pub sample_config: &'static str,
    /// What a monitoring system shows for the metrics; without one they are for who is signed in.
    pub metrics_token: Option<SecretString>,
    /// How many bytes of drawn pages are kept.
    pub page_cache_bytes: u64,
    /// The time between two batches of an experiment's changes: the shorter one after a change that came alone, the longer
    /// one while changes keep coming.
    pub batch_intervals: RangeInclusive<Duration>,
}

impl Options {
    /// The usual `batch_intervals`.
    pub const BATCH_INTERVALS: RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_millis(500);
}

/// The console, before it is mounted on a socket.
pub struct Web {
    console: Arc<Console>,
    session_key: [u8; 64],
    secure_cookies: bool,
}

impl Web {
    /// The console over what is followed.
    pub fn new(options: Options) -> Self {
        let Options {
            live,
            stores,
            clock,
            tasks,
            ..
        } = options;
        let console = Console {
            sessions: Sessions::new(
                clock.clone(),
                live.clone(),
                stores.clone(),
                options.signed_out,
                options.sign_in_links,
            ),
            roles: RoleResolver::new(live.clone()),
            authenticator: Authenticator::new(stores.clone(), &clock, options.sign_in_links),
            metrics_token: options.metrics_token,
            batch_intervals: options.batch_intervals,
            pages: PageCache::new(options.page_cache_bytes),
            repos: options.repos,
            submissions: SubmissionStore::default(),
            rosters: RosterCache::new(clock.clone(), tasks.clone()),
            sample_config: options.sample_config,
            live,
            stores,
            clock,
            tasks,
        };
        Self {
            console: Arc::new(console),
            session_key: options.session_key,
            secure_cookies: options.secure_cookies,
        }
    }

    /// A fresh one-time sign-in path, `/signin?token=…`; none where links let nobody in.
    pub fn issue_sign_in(&self) -> Option<String> {
        let token = self.console.authenticator.issue_link()?;
        Some(urls::signin_with(&token))
    }

    /// How many times a region of a page was asked for, and how many times one had to be drawn for that.
    pub fn regions(&self) -> (u64, u64) {
        self.console.pages.region_counts()
    }

    /// Serves on `socket` until the tasks are asked to stop; without this task the process makes no sense.
    pub fn serve(&self, socket: TcpListener) {
        let tasks = &self.console.tasks;
        let serving = listener::serve(socket, self.routes(), tasks.stopping(), Tasks::GRACE / 2);
        tasks.spawn_essential("console", serving);
    }

    /// All routes, inside their middleware. From the outside in: headers on every answer; the session, since refusing and
    /// answering need it; the row of the route table, and pages for faults; then those who are not signed in, writes that
    /// another site sends, and what is too large are refused, in this order; then the request gets its context.
    pub fn routes(&self) -> impl Endpoint<Output = Response> + use<> {
        let session = CookieConfig::private(CookieKey::from(&self.session_key))
            .name(session::COOKIE)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure_cookies);
        // Boxed: the type of each layer names everything inside it twice. Unboxed, a release build exceeds the compiler's
        // depth of queries.
        let pages = Arc::new(routes::endpoint().around(in_context).boxed());
        // A switch draws a page of another path: the same way again, from the row of the route table on.
        let switched = pages.clone().around(in_table).boxed();
        pages
            .around(body_limit::body_limit)
            .around(gate::signed_in_only)
            .around(in_table)
            .with(CookieSession::new(session))
            .data(SwitchedPages(Arc::new(switched)))
            .data(self.console.clone())
            .around(headers::headers)
    }
}

/// Makes the context of a request, keeps it with the request, and answers faults within it.
async fn in_context<E: Endpoint>(next: E, mut request: Request) -> poem::Result<Response> {
    let target = Target::of(&request)?.clone();
    if !target.needs_context {
        if !target.is_known {
            return Err(Fault::NoSuchPage.into());
        }
        return next.call(request).await.map(IntoResponse::into_response);
    }
    let uri = request.uri().clone();
    let session = <&Session>::from_request_without_body(&request).await?.clone();
    let mut context = Context::of(&request, &session).await?;
    let prepared = match context.admit(&target) {
        Ok(()) if !target.is_known => return Err(Fault::NoSuchPage.into()),
        Ok(()) => context.resolve(&target, &session).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = prepared {
        return Ok(draw_fault(&context.htmx, &uri, &fault, Some(&context)));
    }
    let context = Arc::new(context);
    request.set_data(context.clone());
    match next.call(request).await {
        Ok(answer) => Ok(answer.into_response()),
        Err(error) => {
            let fault = error.downcast::<Fault>()?;
            Ok(draw_fault(&context.htmx, &uri, &fault, Some(&context)))
        }
    }
}

/// Looks a request up in the route table. Answers the faults that are left with a page without a bar, or with as much of
/// one as was asked for.
async fn in_table<E: Endpoint>(next: E, mut request: Request) -> poem::Result<Response> {
    let (target, uri) = (Arc::new(routes::target_of(&request)), request.uri().clone());
    request.set_data(target.clone());
    let error = match next.call(request).await {
        Ok(answer) => return Ok(answer.into_response()),
        Err(error) => error,
    };
    let fault = error
        .downcast::<Fault>()
        .unwrap_or_else(|foreign| pages::fault::of_poem(&foreign));
    Ok(draw_fault(&target.htmx, &uri, &fault, None))
}

/// The page of a fault; of an unseeded experiment, the page that seeds it.
fn draw_fault(request: &HtmxRequest, uri: &Uri, fault: &Fault, context: Option<&Context>) -> Response {
    match (fault, context) {
        (Fault::Unseeded, Some(context)) => pages::seed::unseeded(context),
        _ => pages::fault::draw(request, uri, fault, context),
    }
}
