//! Where pages read and change a registry.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use maud::html;
use poem::http::{HeaderValue, StatusCode};
use poem::{FromRequest, IntoResponse, Request, RequestBody, Response};

use super::flights::Flights;
use super::place::Place;
use super::roster::Roster;
use super::trouble::{Refusal, Unread};
use crate::access::Scope;
use crate::client::{ClientError, RegistryClient};
use crate::protocol::{Timestamp, WorkerId};
use crate::web::answer::{Page, is_of_bar};
use crate::web::console::Console;
use crate::web::context::Context;
use crate::web::error::{Fault, PageError};
use crate::web::frame::Want;
use crate::web::once::{Filled, Kept, Sent};
use crate::web::ui::{Nav, Tone, notice, when};

/// What all pages of workers and groups share.
#[derive(Default)]
pub(crate) struct Registries {
    flights: Flights,
}

/// One request to a page of workers or groups: whose they are, and as whom the console acts on them.
pub(crate) struct Desk {
    /// The page's surroundings.
    pub context: Context,
    /// Whose registry it is.
    pub place: Place,
    scope: Scope,
    /// None without the token that it takes.
    client: Option<RegistryClient>,
    /// From when the workers and groups are that were shown, in an outage.
    shown_from: OnceLock<Timestamp>,
}

impl<'a> FromRequest<'a> for Desk {
    /// The deployment's registry, which the control plane tells and lets be changed by the principal `admin` only
    /// (`ch11 §6`).
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let context = Context::from_request(request, body).await?;
        if context.console.stores.control().is_none() {
            return Err(PageError::within(Fault::NoControlPlane, context).into());
        }
        let client = context.console.stores.control_admin();
        Ok(Self {
            place: Place::new(None),
            scope: Scope::ControlPlane,
            client: client.map(|control| control.registry()),
            shown_from: OnceLock::new(),
            context,
        })
    }
}

impl Desk {
    /// The same where the answer is drawn for another path than the request's: writes have paths of their own, and
    /// what is drawn from one asks for its parts at the page.
    pub fn at(mut self, here: String) -> Self {
        self.context.frame.here = here;
        self
    }

    /// As whom to act.
    ///
    /// # Errors
    /// Without the token that it takes.
    pub fn client(&self) -> Result<RegistryClient, Refusal> {
        self.client.clone().ok_or_else(|| Refusal::without_token(&self.place))
    }

    /// The workers and groups, as they are now; in an outage, as they were when they were last read. The page says so.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn roster(&self) -> Result<Arc<Roster>, Unread> {
        let client = self.client.as_ref().ok_or(Unread::NoToken)?;
        let Console { registries, clock, .. } = &*self.context.console;
        let seen = || {
            let (roster, at) = registries.flights.seen(&self.scope)?;
            // Said once an answer; it is the same for all of it.
            let _ = self.shown_from.set(at);
            Some(roster)
        };
        let trouble = self.context.live().admins_outage();
        if trouble.is_some()
            && let Some(roster) = seen()
        {
            return Ok(roster);
        }
        let position = self.context.live().admins().membership_generation();
        let read = registries.flights.read(&self.scope, client, position, clock).await;
        read.or_else(|error| match error.is_unreachable() {
            true => seen().ok_or(error),
            false => Err(error),
        })
        .map_err(Unread::Failed)
    }

    /// The answer to a request for a part of the bar, which needs nothing of the registry.
    pub fn bar(&self) -> Option<Response> {
        let Want::Region(name) = &self.context.frame.want else {
            return None;
        };
        is_of_bar(name).then(|| {
            let nothing = Page::new("", Nav::None, maud::Markup::default(), vec![]);
            self.context.answer_fresh(&nothing)
        })
    }

    /// That the registry has no such entry.
    pub fn missing(&self, kind: &'static str, id: String) -> PageError {
        let whole = self.place.whole();
        PageError::within(Fault::NotRegistered { kind, whole, id }, self.context.clone())
    }

    /// Answers with a page that was read for this request. A region whose data did not come keeps what it shows.
    pub fn answer(&self, mut page: Page, read: Result<(), &Unread>) -> Response {
        if let Err(unread) = read {
            if matches!(self.context.frame.want, Want::Region(_)) && unread.status().is_server_error() {
                return unread.status().into_response();
            }
            if page.status == StatusCode::OK {
                page.status = unread.status();
            }
        }
        self.context.answer_fresh(&self.dated(page))
    }

    /// Says on the page from when its workers and groups are, if they are not of now.
    fn dated<'p>(&self, mut page: Page<'p>) -> Page<'p> {
        if let Some(at) = self.shown_from.get() {
            let words = html! { p { "Workers and groups are shown as they were read " (when(*at)) "." } };
            page.head = html! { (notice(Tone::Warn, &words)) (page.head) };
        }
        page
    }

    /// Answers a write with a page. Its path is no page's, so it stays out of the address bar.
    pub fn answer_write(&self, page: Page) -> Response {
        let mut response = self.context.answer_fresh(&self.dated(page));
        response
            .headers_mut()
            .insert("hx-push-url", HeaderValue::from_static("false"));
        response
    }

    /// Whether a worker is the console's own here.
    pub fn is_own(&self, worker: &WorkerId) -> bool {
        self.context.console.stores.worker_id(&self.scope).as_ref() == Some(worker)
    }

    /// A worker's secret was replaced: should it be the console's own, it is looked at anew.
    pub fn credential_changed(&self, worker: &WorkerId) {
        self.context.console.stores.credential_changed(&self.scope, worker);
    }

    /// Carries a form out, unless the same one was before.
    pub async fn carry_out<T: Send + 'static>(
        &self,
        action: &str,
        form: Filled<'_>,
        keep: fn(&T) -> Kept,
        write: impl Future<Output = Result<T, ClientError>> + Send + 'static,
    ) -> Sent<T> {
        let (console, scope) = (self.context.console.clone(), self.scope.clone());
        let forgetting = async move {
            // From here on: what is refused without being sent makes nothing old.
            let _forget = Forget(console, scope);
            write.await
        };
        self.context.carry_out(action, form, keep, forgetting).await
    }
}

/// Once a write has ended, however it did, what was being read before is not what is there now.
struct Forget(Arc<Console>, Scope);

impl Drop for Forget {
    fn drop(&mut self) {
        self.0.registries.flights.forget(&self.1);
    }
}
