//! What a request to a page of workers or groups has at hand.

use std::sync::{Arc, OnceLock};

use maud::html;
use poem::http::StatusCode;
use poem::{FromRequest, IntoResponse, Request, RequestBody, Response};

use crate::access::Scope;
use crate::client::RegistryClient;
use crate::protocol::{Timestamp, WorkerId};
use crate::web::request::context::{Context, Deployment};
use crate::web::request::htmx::PageScope;
use crate::web::respond::page::Page;
use crate::web::respond::render::{answer, answer_bar, answer_write};
use crate::web::roster::graph::Roster;
use crate::web::roster::unread::Unread;
use crate::web::ui::{Tone, notice, when};
use crate::web::upstream::Upstream;
use crate::web::write::refusal::Refusal;

/// One request to a page of workers or groups.
pub(crate) struct RosterRequest {
    /// The request's context.
    pub context: Arc<Context>,
    /// None without the admin token.
    client: Option<RegistryClient>,
    /// From when the workers and groups are that were shown, in an outage.
    shown_from: OnceLock<Timestamp>,
}

impl<'a> FromRequest<'a> for RosterRequest {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let Deployment { context } = Deployment::from_request(request, body).await?;
        let control = context.console.stores.control_admin();
        Ok(Self {
            client: control.map(|control| control.registry()),
            shown_from: OnceLock::new(),
            context,
        })
    }
}

impl RosterRequest {
    /// The registry of workers and groups, through the admin token.
    ///
    /// # Errors
    /// Without the token.
    pub fn client(&self) -> Result<RegistryClient, Refusal> {
        let client = self.client.clone();
        client.ok_or_else(|| Refusal::without_token(Upstream::ControlPlane))
    }

    /// The workers and groups, as they are now; in an outage, as they were when they were last read. The page says so.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn roster(&self) -> Result<Arc<Roster>, Unread> {
        let client = self.client.as_ref().ok_or(Unread::NoToken)?;
        let cache = &self.context.console.rosters;
        let last = || {
            let (roster, at) = cache.last()?;
            // Set once for an answer; it is the same for all of it.
            let _ = self.shown_from.set(at);
            Some(roster)
        };
        let live = self.context.live();
        if live.admins_outage().is_some()
            && let Some(roster) = last()
        {
            return Ok(roster);
        }
        match cache.read(client, live.admins().membership_generation()).await {
            Err(error) if error.is_unreachable() => last().ok_or(Unread::Failed(error)),
            read => read.map_err(Unread::Failed),
        }
    }

    /// The answer to a request for a part of the bar, which needs nothing of the roster.
    pub fn bar(&self) -> Option<Response> {
        answer_bar(&self.context)
    }

    /// Answers with a page that was read for this request. A region whose data did not come keeps what it shows.
    pub fn answer(&self, mut page: Page, read: Result<(), &Unread>) -> Response {
        if let Err(unread) = read {
            let is_region = matches!(self.context.request.scope, PageScope::Region(_));
            if is_region && unread.status().is_server_error() {
                return unread.status().into_response();
            }
            if page.status == StatusCode::OK {
                page.status = unread.status();
            }
        }
        answer(&self.context, &self.dated(page))
    }

    /// Answers a write with a page, which belongs at `page_url`.
    pub fn answer_write(&self, page_url: String, page: Page) -> Response {
        answer_write(&self.context, page_url, &self.dated(page))
    }

    /// Says on the page from when its workers and groups are, if they are not of now.
    fn dated<'p>(&self, mut page: Page<'p>) -> Page<'p> {
        if let Some(at) = self.shown_from.get() {
            let words = html! { p { "Workers and groups are shown as they were read " (when(*at)) "." } };
            page.head = html! { (notice(Tone::Warn, &words)) (page.head) };
        }
        page
    }

    /// Whether a worker is the console's own.
    pub fn is_own(&self, worker: &WorkerId) -> bool {
        let own = self.context.console.stores.worker_id(&Scope::ControlPlane);
        own.as_ref() == Some(worker)
    }

    /// A worker's secret may have been replaced: should it be the console's own, it is verified anew.
    pub fn credential_changed(&self, worker: &WorkerId) {
        let stores = &self.context.console.stores;
        stores.credential_changed(&Scope::ControlPlane, worker);
    }

    /// Something was written: listings read before are old.
    pub fn forget_listing(&self) {
        self.context.console.rosters.forget();
    }
}
