//! What a request is answered in. Middleware makes the [`Context`] once and keeps it with the request; the extractors
//! here are what handlers take, so a handler's arguments are the list of what it needs.

use std::sync::Arc;
use std::time::Duration;

use poem::session::Session;
use poem::{FromRequest, Request, RequestBody, Result};

use crate::client::{ClientError, ExperimentClient};
use crate::live::{Freshness, Live, Mirror, Phase, RegistryView, Snapshot, UnavailabilityKind, View};
use crate::protocol::ExperimentId;
use crate::web::auth::audience::Audience;
use crate::web::auth::gate;
use crate::web::auth::role::Role;
use crate::web::auth::session::{self, Operator, SignedIn};
use crate::web::console::Console;
use crate::web::fault::Fault;
use crate::web::request::htmx::HtmxRequest;
use crate::web::request::target::Target;

/// How long the first view of an experiment waits for its first list.
const FIRST_LIST_TIMEOUT: Duration = Duration::from_secs(3);

/// Who asks, for how much of which page, and what was known when they asked.
#[derive(Clone)]
pub(crate) struct Context {
    /// The console's services.
    pub console: Arc<Console>,
    /// The session of the operator.
    pub signed_in: SignedIn,
    /// What they may do.
    pub role: Role,
    /// How much of which page is wanted.
    pub request: HtmxRequest,
    /// The registry as it was when the request came.
    pub registry: Arc<RegistryView>,
    /// The experiment of the page, if it is of one.
    pub experiment: Option<Followed>,
    /// The fleet's revision when the request came.
    pub fleet: u64,
}

/// A mirror, and what it held when the request came: one request reads one view.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    /// The mirror.
    pub mirror: Arc<Mirror>,
    /// Its view.
    pub view: Arc<View>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("operator", self.operator())
            .field("role", &self.role)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The context of a request, without its experiment.
    ///
    /// # Errors
    /// [`Fault::SignedOut`].
    pub async fn of(request: &Request) -> Result<Self, Fault> {
        let signed_in = gate::signed_in(request)?.clone();
        let console = Console::of(request)?.clone();
        let target = Target::of(request)?;
        let registry = console.live.registry().wait_until_settled(FIRST_LIST_TIMEOUT).await;
        let role = match target.audience == Audience::Administrator && !request.method().is_safe() {
            true => console.roles.for_write(&signed_in.operator).await,
            false => {
                let experiment = target.experiment.as_ref().and_then(|id| id.parse().ok());
                console.roles.for_read(&signed_in.operator, experiment.as_ref()).await
            }
        };
        let fleet = *console.live.fleet().borrow();
        Ok(Self {
            console,
            signed_in,
            role,
            request: HtmxRequest::of(request),
            registry,
            experiment: None,
            fleet,
        })
    }

    /// Lets administrators pass where the route is theirs. Others are shown the experiment as far as it is followed
    /// anyway; for them none is followed anew.
    ///
    /// # Errors
    /// [`Fault::NotAdministrator`], [`Fault::RoleUnknown`].
    pub fn admit(&mut self, target: &Target) -> Result<(), Fault> {
        if target.audience != Audience::Administrator {
            return Ok(());
        }
        let fault = match &self.role {
            Role::Administrator | Role::LastKnownAdministrator(_) => return Ok(()),
            Role::Operator => Fault::NotAdministrator(self.operator().clone()),
            Role::Unknown(cause) => Fault::RoleUnknown(cause.clone()),
        };
        let named = target.experiment.as_ref().and_then(|id| id.parse().ok());
        let registered = named.filter(|id| self.registry.rows.contains_key(id));
        let mirror = registered.and_then(|id| self.live().existing_mirror(&id));
        self.experiment = mirror.map(|mirror| Followed {
            view: mirror.view(),
            mirror,
        });
        Err(fault)
    }

    /// Resolves the experiment that the path names, and follows it from now on.
    ///
    /// # Errors
    /// [`Fault::NoSuchExperiment`], [`Fault::StaleSelection`], or [`Fault::ControlPlane`] while it cannot be known.
    pub async fn resolve(&mut self, target: &Target, session: &Session) -> Result<(), Fault> {
        let Some(given) = &target.experiment else {
            return Ok(());
        };
        let id = self.registered(given).map_err(|fault| match fault {
            Fault::NoSuchExperiment(given) => stale_or_unknown(session, given),
            other => other,
        })?;
        let mirror = match target.is_activity {
            true => self.live().mirror(&id),
            false => self.live().mirror_for_open_page(&id),
        };
        let view = match target.waits_for_list {
            true => mirror.wait_until_settled(FIRST_LIST_TIMEOUT).await,
            false => mirror.view(),
        };
        self.experiment = Some(Followed { mirror, view });
        Ok(())
    }

    /// The same context for another page: what is drawn for a write belongs to the page its form stands on.
    pub fn with_page_url(&self, page_url: String) -> Self {
        let mut context = self.clone();
        context.request.page_url = page_url;
        context
    }

    /// The signed-in person.
    pub fn operator(&self) -> &Operator {
        &self.signed_in.operator
    }

    /// What is known of the experiments.
    pub fn live(&self) -> &Live {
        &self.console.live
    }

    /// The registered experiment that a path names.
    ///
    /// # Errors
    /// [`Fault::NoSuchExperiment`], or [`Fault::ControlPlane`] while it cannot be known.
    pub fn registered(&self, given: &str) -> Result<ExperimentId, Fault> {
        // A malformed id is answered before anything is asked of a server.
        let Ok(id) = given.parse::<ExperimentId>() else {
            return Err(Fault::NoSuchExperiment(given.to_owned()));
        };
        if self.registry.rows.contains_key(&id) || self.console.stores.default_experiment() == Some(&id) {
            return Ok(id);
        }
        Err(self.not_registered(Fault::NoSuchExperiment(given.to_owned())))
    }

    /// That the registry does not have something, if what is known of it is current; else why it cannot be known.
    pub fn not_registered(&self, fault: Fault) -> Fault {
        self.registry_fault().unwrap_or(fault)
    }

    /// Why the list of experiments may lack some, if it may.
    pub fn registry_fault(&self) -> Option<Fault> {
        match &self.registry.freshness {
            // Some may have been registered since.
            Freshness::Stale { cause, .. } => Some(Fault::ControlPlane(cause.clone())),
            _ if !self.registry.listed => Some(Fault::StillReading("the experiments of this deployment")),
            _ => None,
        }
    }

    /// How fresh the page's data is: the experiment's, or the registry's on deployment pages.
    pub fn freshness(&self) -> Freshness {
        match &self.experiment {
            Some(followed) => followed.view.freshness.clone(),
            None => self.registry.freshness.clone(),
        }
    }

    /// Whether a request may be sent to the server of the page: not while it is known not to answer. What a page shows in
    /// an outage is old, and an operator who acts on it should be told so at once.
    ///
    /// # Errors
    /// [`ClientError::NotSent`], with the reason.
    pub fn check_reachable(&self) -> Result<(), ClientError> {
        match self.freshness() {
            Freshness::Stale { cause, .. } if cause.kind == UnavailabilityKind::Unreachable => {
                Err(ClientError::NotSent(cause.message))
            }
            _ => Ok(()),
        }
    }
}

/// An experiment of a path is not registered. If it is the selected one, it is not selected any more.
fn stale_or_unknown(session: &Session, given: String) -> Fault {
    match session::selected(session).filter(|id| id.as_str() == given) {
        Some(id) => {
            session::clear_selection(session);
            Fault::StaleSelection(id)
        }
        None => Fault::NoSuchExperiment(given),
    }
}

/// The context that middleware keeps with a request.
fn context_of(request: &Request) -> Result<&Arc<Context>, Fault> {
    request.data().ok_or(Fault::SignedOut)
}

impl<'a> FromRequest<'a> for &'a Context {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(context_of(request)?)
    }
}

/// The context of a page of the deployment. Without a control plane there is no such page.
pub(crate) struct Deployment {
    /// The page's context.
    pub context: Arc<Context>,
}

impl<'a> FromRequest<'a> for Deployment {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let context = context_of(request)?.clone();
        match context.console.stores.has_control_plane() {
            true => Ok(Self { context }),
            false => Err(Fault::NoControlPlane.into()),
        }
    }
}

/// A parameter of the path, percent-decoded by poem; empty when it is not UTF-8.
pub(crate) fn path_segment(request: &Request, name: &str) -> String {
    request.raw_path_param(name).unwrap_or_default().to_owned()
}

/// The experiment of the path: registered, and followed from now on. It may not be seeded or not be known yet;
/// [`Active::snapshot`] says.
#[derive(Debug)]
pub(crate) struct Active {
    /// The page's context.
    pub context: Arc<Context>,
    /// The experiment.
    pub id: ExperimentId,
    /// Its mirror.
    pub mirror: Arc<Mirror>,
    /// What the mirror held when the request came.
    pub view: Arc<View>,
}

impl<'a> FromRequest<'a> for Active {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let context = context_of(request)?.clone();
        let Some(Followed { mirror, view }) = context.experiment.clone() else {
            return Err(Fault::Internal("the route names no experiment".to_owned()).into());
        };
        Ok(Self {
            id: mirror.experiment().clone(),
            context,
            mirror,
            view,
        })
    }
}

impl Active {
    /// The snapshot to draw.
    ///
    /// # Errors
    /// [`Fault::Unseeded`], [`Fault::NotHostedHere`] and [`Fault::TaskStore`].
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, Fault> {
        match (&self.view.phase, &self.view.freshness) {
            (Phase::Ready(snapshot), _) => Ok(snapshot.clone()),
            (Phase::NotHosted, _) => Err(Fault::Unseeded),
            (Phase::Elsewhere, _) => Err(Fault::NotHostedHere),
            (Phase::Connecting, Freshness::Stale { cause, .. }) => Err(Fault::TaskStore(cause.clone())),
            (Phase::Connecting, _) => Err(Fault::StillReading("this experiment")),
        }
    }

    /// The experiment as the console's own worker.
    ///
    /// # Errors
    /// [`Fault::NotHostedHere`] when there is no address for it.
    pub fn client(&self) -> Result<ExperimentClient, Fault> {
        self.context.live().client(&self.id).ok_or(Fault::NotHostedHere)
    }

    /// The same for reading what the mirror does not hold, or why that is not asked for: the task store is known not to
    /// answer, or the operator is known to have been an administrator before the outage only.
    ///
    /// # Errors
    /// [`Fault::NotHostedHere`] when there is no address for it.
    pub fn reader(&self) -> Result<Result<ExperimentClient, ClientError>, Fault> {
        let client = self.client()?;
        Ok(match &self.context.role {
            Role::LastKnownAdministrator(cause) => Err(ClientError::NotSent(cause.message.clone())),
            _ => self.context.check_reachable().map(|()| client),
        })
    }

    /// That the experiment has no such entity.
    pub fn no_such_entity(&self, kind: &'static str, id: &str) -> Fault {
        Fault::NoSuchEntity {
            kind,
            id: id.to_owned(),
        }
    }
}
