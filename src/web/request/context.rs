//! The context of a request. Middleware makes the [`Context`] once and puts it into the request's data. The extractors
//! here are the arguments of handlers, so a handler's signature lists what it needs.

use std::sync::Arc;
use std::time::Duration;

use poem::session::Session;
use poem::{FromRequest, Request, RequestBody, Result};

use crate::client::{ClientError, ExperimentClient};
use crate::live::{Freshness, Live, Mirror, Phase, RegistryView, Snapshot, UnavailabilityKind, View};
use crate::protocol::ExperimentId;
use crate::web::auth::{Audience, Operator, Role, SignedIn, gate, session};
use crate::web::console::Console;
use crate::web::fault::Fault;
use crate::web::request::htmx::HtmxRequest;
use crate::web::request::target::Target;

/// How long a request waits for the first list of the registry or of an experiment.
const FIRST_LIST_TIMEOUT: Duration = Duration::from_secs(3);

/// The operator, the wanted part of the page, and the data as of the request.
#[derive(Clone)]
pub(crate) struct Context {
    /// The console's services.
    pub console: Arc<Console>,
    /// The operator's session.
    pub signed_in: SignedIn,
    /// The operator's role.
    pub role: Role,
    /// Which page is wanted, and how much of it.
    pub htmx: HtmxRequest,
    /// The registry as of the request.
    pub registry: Arc<RegistryView>,
    /// The experiment of the page; none on deployment pages.
    pub experiment: Option<Followed>,
    /// The fleet's revision as of the request.
    pub fleet: u64,
    /// The experiments that this browser switched to last, newest first.
    pub recent: Vec<ExperimentId>,
}

/// A mirror, and its view as of the request: a request reads one view only.
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
            .field("htmx", &self.htmx)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The context of a request, without its experiment.
    ///
    /// # Errors
    /// [`Fault::SignedOut`].
    pub async fn of(request: &Request, session: &Session) -> Result<Self, Fault> {
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
            htmx: target.htmx.clone(),
            registry,
            experiment: None,
            fleet,
            recent: session::recent(session),
        })
    }

    /// Refuses operators who may not read the administrators' pages, where the route is one. The fault's page shows the
    /// experiment in its bar if it is followed already; this request does not start following it.
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

    /// Resolves the experiment that the path names, and follows it.
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

    /// The same context for another page: the answer to a write is the page that its form is on.
    pub fn with_page_url(&self, page_url: String) -> Self {
        let mut context = self.clone();
        context.htmx.page_url = page_url;
        context
    }

    /// Who is signed in.
    pub fn operator(&self) -> &Operator {
        &self.signed_in.operator
    }

    /// The mirrors of the experiments and of the registry.
    pub fn live(&self) -> &Live {
        &self.console.live
    }

    /// The registered experiment that a path names.
    ///
    /// # Errors
    /// [`Fault::NoSuchExperiment`], or [`Fault::ControlPlane`] while it cannot be known.
    pub fn registered(&self, given: &str) -> Result<ExperimentId, Fault> {
        // A malformed id is answered without asking a server.
        let Ok(id) = given.parse::<ExperimentId>() else {
            return Err(Fault::NoSuchExperiment(given.to_owned()));
        };
        if self.registry.rows.contains_key(&id) || self.console.stores.default_experiment() == Some(&id) {
            return Ok(id);
        }
        Err(self.not_registered(Fault::NoSuchExperiment(given.to_owned())))
    }

    /// `fault`, which says that the registry lacks something, if the registry is current; else why that cannot be
    /// known.
    pub fn not_registered(&self, fault: Fault) -> Fault {
        self.registry_fault().unwrap_or(fault)
    }

    /// Why the list of experiments may be incomplete; none when it is current.
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

    /// Refuses to send a request to the page's server while that is known not to answer. In an outage the page shows
    /// old data, and an operator who acts on it should learn that at once.
    ///
    /// # Errors
    /// [`ClientError::NotSent`] with the cause of the outage.
    pub fn check_reachable(&self) -> Result<(), ClientError> {
        match self.freshness() {
            Freshness::Stale { cause, .. } if cause.kind == UnavailabilityKind::Unreachable => {
                Err(ClientError::NotSent(cause.message))
            }
            _ => Ok(()),
        }
    }
}

/// The fault of a path to an experiment that is not registered. If it is the selected one, the selection is cleared.
fn stale_or_unknown(session: &Session, given: String) -> Fault {
    match session::selected(session).filter(|id| id.as_str() == given) {
        Some(id) => {
            session::clear_selection(session);
            Fault::StaleSelection(id)
        }
        None => Fault::NoSuchExperiment(given),
    }
}

/// The context that middleware has put into the request's data.
fn context_of(request: &Request) -> Result<&Arc<Context>, Fault> {
    let missing = || Fault::Internal("the request has no context".to_owned());
    request.data().ok_or_else(missing)
}

impl<'a> FromRequest<'a> for &'a Context {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(context_of(request)?)
    }
}

/// The context of a deployment page. Without a control plane it is [`Fault::NoControlPlane`].
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

/// The experiment of the path: registered and followed. It may be unseeded or not read yet; see [`Active::snapshot`].
#[derive(Debug)]
pub(crate) struct Active {
    /// The page's context.
    pub context: Arc<Context>,
    /// The experiment.
    pub id: ExperimentId,
    /// Its mirror.
    pub mirror: Arc<Mirror>,
    /// The mirror's view as of the request.
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

    /// A client of the experiment, with the credential of the console's own worker.
    ///
    /// # Errors
    /// [`Fault::NotHostedHere`] when no address is configured for it.
    pub fn client(&self) -> Result<ExperimentClient, Fault> {
        self.context.live().client(&self.id).ok_or(Fault::NotHostedHere)
    }

    /// The client for reading what the mirror does not hold; or why nothing is read: the task store is known not to
    /// answer, or the operator may read only the data from before the outage.
    ///
    /// # Errors
    /// [`Fault::NotHostedHere`] when no address is configured for it.
    pub fn reader(&self) -> Result<Result<ExperimentClient, ClientError>, Fault> {
        let client = self.client()?;
        Ok(match &self.context.role {
            Role::LastKnownAdministrator(cause) => Err(ClientError::NotSent(cause.message.clone())),
            _ => self.context.check_reachable().map(|()| client),
        })
    }

    /// The fault that the experiment has no entity of this kind and id.
    pub fn no_such_entity(&self, kind: &'static str, id: &str) -> Fault {
        Fault::NoSuchEntity {
            kind,
            id: id.to_owned(),
        }
    }
}
