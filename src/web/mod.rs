//! The console: routes, middleware, pages.

mod assets;
mod auth;
mod console;
mod fault;
mod pages;
mod parts;
mod request;
mod respond;
mod roster;
mod stream;
mod ui;
mod urls;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use poem::http::Uri;
use poem::session::{CookieConfig, CookieSession};
use poem::web::cookie::{CookieKey, SameSite};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route, get, post};
use secrecy::SecretString;
use tokio::net::TcpListener;

use assets::Assets;
use auth::gate;
use auth::rate_limit::Attempts;
use auth::session::{self, Sessions};
use auth::sign_in_links::Links;
use console::Console;
use fault::{Fault, PageError};
use pages::{
    by_name, control_group, control_groups, control_worker, control_workers, events, experiments, home, idea, ideas,
    metrics, overview, seed, select, sign_in, task, tasks, unregister, variant, variants,
};
use request::body_limit;
use request::htmx::Frame;
use respond::{headers, render};
use write::once;

use crate::access::StoreFactory;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::listener;
use crate::live::Live;
use crate::repos::RepoMaterializer;

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
    /// Whether one-time links let in whoever operates the process.
    pub sign_in_links: bool,
    /// The configuration offered on the page of an unseeded experiment.
    pub sample_config: &'static str,
    /// What a monitoring system shows for the metrics; without one they are for who is signed in.
    pub metrics_token: Option<SecretString>,
    /// How many bytes of drawn pages are kept.
    pub page_cache_bytes: u64,
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
        let sessions = Sessions::new(
            options.clock.clone(),
            options.live.clone(),
            options.stores.clone(),
            options.signed_out,
            options.sign_in_links,
        );
        let console = Console {
            live: options.live,
            stores: options.stores,
            sessions,
            attempts: Attempts::new(options.clock.clone()),
            links: options.sign_in_links.then(|| Links::new(options.clock.clone())),
            clock: options.clock,
            tasks: options.tasks,
            metrics_token: options.metrics_token,
            pages: render::page_cache(options.page_cache_bytes),
            drawn: render::Drawn::default(),
            repos: options.repos,
            once: once::Once::default(),
            registries: roster::Registries::default(),
            sample_config: options.sample_config,
        };
        Self {
            console: Arc::new(console),
            session_key: options.session_key,
            secure_cookies: options.secure_cookies,
        }
    }

    /// A fresh one-time sign-in path, `/signin?token=…`; none where links let nobody in.
    pub fn issue_sign_in(&self) -> Option<String> {
        let links = self.console.links.as_ref()?;
        Some(urls::signin_with(&links.issue()))
    }

    /// How many times a region of a page was asked for, and how many times one had to be drawn for that.
    pub fn regions(&self) -> (u64, u64) {
        self.console.drawn.counts()
    }

    /// Serves on `socket` until the tasks are asked to stop; without this task the process makes no sense.
    pub fn serve(&self, socket: TcpListener) {
        let tasks = &self.console.tasks;
        let serving = listener::serve(socket, self.routes(), tasks.stopping(), Tasks::GRACE / 2);
        tasks.spawn_essential("console", serving);
    }

    /// The route table, inside its middleware. From the outside in: headers on every answer; the session,
    /// since refusing and answering need it; faults become pages; then who is not signed in, who another site sends, what is
    /// too large and who may not are refused, in this order.
    pub fn routes(&self) -> impl Endpoint<Output = Response> + use<> {
        let session = CookieConfig::private(CookieKey::from(&self.session_key))
            .name(session::COOKIE)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure_cookies);
        let pages = Arc::new(pages().around(faults_as_pages));
        // A switch draws a page without going through the table, so its own way there has its own gate.
        let switched = pages.clone().around(gate::administrators_only).around(faults_as_pages);
        Route::new()
            .at(
                "/admin/experiments/:experiment/select",
                post(select::Select::new(switched)),
            )
            .at("/admin/experiments/clear-selection", post(select::clear))
            .at("/admin/experiments/register", post(experiments::post))
            .at("/signout", post(sign_in::sign_out))
            .nest_no_strip("/", pages)
            .around(gate::administrators_only)
            .around(body_limit::body_limit)
            .around(gate::signed_in_only)
            .around(faults_as_pages)
            .with(CookieSession::new(session))
            .data(self.console.clone())
            .around(headers::headers)
    }
}

/// Everything that answers GET. A switch draws the page it leads to from here, so that it takes one request.
fn pages() -> Route {
    Route::new()
        // Ways in.
        .at("/", get(home::get))
        .at("/admin/tasks/", get(home::get))
        .at("/admin/ideas/", get(home::get))
        .at("/admin/variants/", get(home::get))
        .at("/admin/events/", get(home::get))
        .at("/admin/tasks/:task/", get(home::get))
        .at("/admin/ideas/:idea/", get(home::get))
        .at("/admin/variants/:variant/", get(home::get))
        .at("/ideator/*rest", get(home::get).post(home::post))
        .at("/executor/*rest", get(home::get).post(home::post))
        .at("/evaluator/*rest", get(home::get).post(home::post))
        .at("/signin", get(sign_in::get).post(sign_in::post))
        // One experiment.
        .at("/x/:experiment/", get(overview::get))
        .at("/x/:experiment/admin/tasks/", get(tasks::get))
        .at("/x/:experiment/admin/tasks/:task/", get(task::get))
        .at("/x/:experiment/admin/ideas/", get(ideas::get))
        .at("/x/:experiment/admin/ideas/:idea/", get(idea::get))
        .at("/x/:experiment/admin/variants/", get(variants::get))
        .at("/x/:experiment/admin/variants/:variant/", get(variant::get))
        .at("/x/:experiment/admin/events/", get(events::get))
        .at("/x/:experiment/admin/seed", get(seed::get).post(seed::post))
        .at("/x/:experiment/live", get(stream::experiment))
        .at("/x/by-name/:name", get(by_name::get))
        // The deployment.
        .at("/admin/experiments/", get(experiments::get))
        .at("/live", get(stream::fleet))
        .at(
            "/admin/experiments/:experiment/unregister",
            get(unregister::get).post(unregister::post),
        )
        .at(
            "/admin/control/workers/",
            get(control_workers::get).post(control_workers::post),
        )
        .at("/admin/control/workers/:worker/", get(control_worker::get))
        .at(
            "/admin/control/workers/:worker/reissue-credential",
            post(control_worker::reissue),
        )
        .at(
            "/admin/control/groups/",
            get(control_groups::get).post(control_groups::post),
        )
        .at("/admin/control/groups/:group/", get(control_group::get))
        .at("/admin/control/groups/:group/members", post(control_group::add))
        .at(
            "/admin/control/groups/:group/members/:member/remove",
            post(control_group::remove),
        )
        .at("/admin/control/groups/:group/delete", post(control_group::delete))
        // Machinery.
        .at("/healthz", get(home::healthz))
        .at("/metrics", get(metrics::get))
        .nest("/assets", Assets)
}

/// Answers every fault with a page, or with as much of one as was asked for.
async fn faults_as_pages<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let frame = Frame::of(&request);
    let uri: Uri = request.uri().clone();
    let error = match next.call(request).await {
        Ok(answer) => return Ok(answer.into_response()),
        Err(error) => error,
    };
    let error = match error.downcast::<PageError>() {
        Ok(error) => error,
        Err(foreign) => PageError::new(pages::fault::of_poem(&foreign)),
    };
    let answer = match (error.fault, error.context) {
        (Fault::Unseeded, Some(context)) => seed::unseeded(&context),
        (fault, context) => pages::fault::answer(&frame, &uri, &fault, context.as_deref()),
    };
    Ok(answer)
}
