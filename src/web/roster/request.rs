//! The extractor for the pages of workers and groups.

use std::sync::{Arc, OnceLock};

use maud::html;
use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Response};

use crate::access::Scope;
use crate::client::RegistryClient;
use crate::protocol::{Timestamp, WorkerId};
use crate::web::request::{Context, Deployment};
use crate::web::respond::{Page, answer, answer_bar, answer_bar_with, answer_write};
use crate::web::roster::graph::Roster;
use crate::web::roster::unread::Unread;
use crate::web::ui::{Tone, notice, when};
use crate::web::upstream::Upstream;
use crate::web::write::Refusal;

/// One request to a page of workers or groups.
pub(crate) struct RosterRequest {
    /// The request's context.
    pub context: Arc<Context>,
    /// None without the admin token.
    client: Option<RegistryClient>,
    /// In an outage, when the workers and groups that are shown were read.
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
    /// A client of the registry of workers and groups, with the admin token.
    ///
    /// # Errors
    /// A refusal where the console has no admin token.
    pub fn client(&self) -> Result<RegistryClient, Refusal> {
        let client = self.client.clone();
        client.ok_or_else(|| Refusal::without_token(Upstream::ControlPlane))
    }

    /// The workers and groups; in an outage, those of the latest listing, and the page says so.
    ///
    /// # Errors
    /// Why they cannot be shown.
    pub async fn roster(&self) -> Result<Arc<Roster>, Unread> {
        let client = self.client.as_ref().ok_or(Unread::NoToken)?;
        let cache = &self.context.console.rosters;
        let last = || {
            let (roster, at) = cache.last()?;
            // A second call for the same answer sets the same time.
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

    /// The answer to a request for a region of the bar, which does not need the roster.
    pub fn bar(&self) -> Option<Response> {
        answer_bar(&self.context)
    }

    /// Answers with the page that `draw` makes of the roster and of the page's URL.
    pub async fn answer_list(
        &self,
        draw: impl FnOnce(&Result<Arc<Roster>, Unread>, &str) -> Page<'static>,
    ) -> Response {
        if let Some(answer) = self.bar() {
            return answer;
        }
        let roster = self.roster().await;
        let page = draw(&roster, &self.context.htmx.page_url);
        self.answer(page, roster.as_ref().map(drop))
    }

    /// Answers with a page that was read for this request. A region that could not be read keeps its present content.
    pub fn answer(&self, mut page: Page, read: Result<(), &Unread>) -> Response {
        if let Err(unread) = read {
            let is_region = self.context.htmx.scope.is_refresh();
            if is_region && unread.status().is_server_error() {
                return answer_bar_with(&self.context, unread.status(), |_| true);
            }
            if page.status == StatusCode::OK {
                page.status = unread.status();
            }
        }
        answer(&self.context, &self.with_outage_notice(page))
    }

    /// Answers a write with the page at `page_url`.
    pub fn answer_write(&self, page_url: String, page: Page) -> Response {
        answer_write(&self.context, page_url, &self.with_outage_notice(page))
    }

    /// In an outage, adds a notice that says when the workers and groups were read.
    fn with_outage_notice<'p>(&self, mut page: Page<'p>) -> Page<'p> {
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

    /// A worker's secret may have been replaced. If the worker is the console's own, its credential is verified again.
    pub fn credential_changed(&self, worker: &WorkerId) {
        let stores = &self.context.console.stores;
        stores.credential_changed(&Scope::ControlPlane, worker);
    }

    /// Invalidates cached listings after a write.
    pub fn forget_listing(&self) {
        self.context.console.rosters.forget();
    }
}
