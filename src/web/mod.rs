//! The console: routes, middleware, pages.

mod answer;
mod assets;
mod bar;
mod body_limit;
mod console;
mod context;
mod data_uri;
mod error;
mod events_table;
mod frame;
mod headers;
mod listing;
mod mentions;
mod pages;
mod query;
mod registry;
mod same_origin;
mod session;
mod stream;
mod switching;
mod ui;
mod urls;

use std::sync::Arc;

use poem::http::Uri;
use poem::session::{CookieConfig, CookieSession};
use poem::web::cookie::{CookieKey, SameSite};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route, get, post};
use tokio::net::TcpListener;

use assets::Assets;
use console::Console;
use error::{Fault, PageError};
use frame::Frame;
use pages::{
    control_group, control_groups, control_worker, control_workers, events, experiments, fault, home, idea, ideas,
    overview, seed, select, sign_in, task, tasks, variant, variants,
};
use session::SignIn;

use crate::access::StoreFactory;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::listener;
use crate::live::Live;

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
    /// The configuration offered on the page of an unseeded experiment.
    pub sample_config: &'static str,
    /// How many bytes of drawn pages are kept.
    pub page_cache_bytes: u64,
}

/// The console, before it is mounted on a socket.
pub struct Web {
    console: Arc<Console>,
    session_key: [u8; 64],
}

impl Web {
    /// The console over what is followed.
    pub fn new(options: Options) -> Self {
        let console = Console {
            live: options.live,
            stores: options.stores,
            sign_in: SignIn::new(options.clock),
            tasks: options.tasks,
            pages: answer::page_cache(options.page_cache_bytes),
            registries: registry::Registries::default(),
            sample_config: options.sample_config,
        };
        Self {
            console: Arc::new(console),
            session_key: options.session_key,
        }
    }

    /// A fresh one-time sign-in path, `/signin?token=…`.
    pub fn issue_sign_in(&self) -> String {
        urls::signin_with(&self.console.sign_in.issue())
    }

    /// Serves on `socket` until the tasks are asked to stop; without this task the process makes no sense.
    pub fn serve(&self, socket: TcpListener) {
        let tasks = &self.console.tasks;
        let serving = listener::serve(socket, self.routes(), tasks.stopping(), Tasks::GRACE / 2);
        tasks.spawn_essential("console", serving);
    }

    /// The route table, inside its middleware. From the outside in: headers on every answer; the session,
    /// since refusing and answering need it; faults become pages; writes that are too large or come from another site are refused first.
    pub fn routes(&self) -> impl Endpoint<Output = Response> + use<> {
        let session = CookieConfig::private(CookieKey::from(&self.session_key))
            .name(session::COOKIE)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(false);
        let pages = Arc::new(pages().around(faults_as_pages));
        Route::new()
            .at(
                "/admin/experiments/:experiment/select",
                post(select::Select::new(pages.clone())),
            )
            .at("/signout", post(sign_in::sign_out))
            .nest_no_strip("/", pages)
            .around(same_origin::same_origin)
            .around(body_limit::body_limit)
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
        .at("/x/:experiment/seed", get(seed::get).post(seed::post))
        .at("/x/:experiment/live", get(stream::experiment))
        // The deployment.
        .at("/admin/experiments/", get(experiments::get))
        .at("/admin/experiments/live", get(stream::fleet))
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
        Err(foreign) => PageError::new(fault::of_poem(&foreign)),
    };
    let answer = match (error.fault, error.context) {
        (Fault::Unseeded, Some(context)) => seed::unseeded(&context),
        (fault, context) => fault::answer(&frame, &uri, &fault, context.as_deref()),
    };
    Ok(answer)
}
