//! What a handler is given: the extractors are the list of its dependencies.

use std::sync::Arc;
use std::time::Duration;

use poem::session::Session;
use poem::web::Data;
use poem::{FromRequest, Request, RequestBody, Result};

use super::console::Console;
use super::error::{Fault, PageError};
use super::frame::Frame;
use super::gate::{Role, is_activity, operator_of};
use super::session::{self, Operator, SignedIn};
use crate::client::{ClientError, ExperimentClient};
use crate::live::{Freshness, Live, Mirror, Phase, RegistryView, Snapshot, View};
use crate::protocol::ExperimentId;

/// How long the first view of an experiment waits for its first list.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// What every signed-in page needs: who asks, for how much, and what experiments there are.
#[derive(Clone)]
pub(crate) struct Context {
    /// The console's shared parts.
    pub console: Arc<Console>,
    /// The session: who asks.
    pub signed_in: SignedIn,
    /// What they may do.
    pub role: Role,
    /// How much of the page is wanted.
    pub frame: Frame,
    /// The registry as it was when the request came.
    pub registry: Arc<RegistryView>,
    /// The experiment of the page, if it is of one.
    pub experiment: Option<Followed>,
    /// The fleet's revision as it was when the request came.
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
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The signed-in person.
    pub fn operator(&self) -> &Operator {
        &self.signed_in.operator
    }

    /// What the console knows.
    pub fn live(&self) -> &Live {
        &self.console.live
    }

    /// The registered experiment that a path names.
    ///
    /// # Errors
    /// [`Fault::NoSuchExperiment`], or [`Fault::ControlPlane`] while it cannot be known.
    pub fn registered(&self, given: &str) -> Result<ExperimentId, PageError> {
        // A malformed id is answered before anything is asked of anybody.
        let Ok(id) = given.parse::<ExperimentId>() else {
            let fault = Fault::NoSuchExperiment(given.to_owned());
            return Err(PageError::within(fault, self.clone()));
        };
        if self.registry.rows.contains_key(&id) || self.console.stores.default_experiment() == Some(&id) {
            return Ok(id);
        }
        Err(self.unlisted(Fault::NoSuchExperiment(given.to_owned())))
    }

    /// That the registry does not have something, if what is known of it is the present; else why it cannot be known.
    pub fn unlisted(&self, fault: Fault) -> PageError {
        PageError::within(self.unread().unwrap_or(fault), self.clone())
    }

    /// Why the list of experiments may lack some, if it may.
    pub fn unread(&self) -> Option<Fault> {
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
}

impl<'a> FromRequest<'a> for Context {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let console = Data::<&Arc<Console>>::from_request(request, body).await?.0.clone();
        let signed_in = operator_of(request)?.clone();
        let registry = console.live.registry().wait_until_settled(FIRST_LIST).await;
        let role = match request.data::<Role>() {
            Some(role) => role.clone(),
            None => console.role_seen(&signed_in.operator, request.uri().path()).await,
        };
        let fleet = *console.live.fleet().borrow();
        Ok(Self {
            console,
            signed_in,
            role,
            frame: Frame::of(request),
            registry,
            experiment: None,
            fleet,
        })
    }
}

/// A page of the deployment, of which there is none without a control plane.
pub(crate) struct Deployment {
    /// The page's surroundings.
    pub context: Context,
}

impl<'a> FromRequest<'a> for Deployment {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let context = Context::from_request(request, body).await?;
        match context.console.stores.has_control_plane() {
            true => Ok(Self { context }),
            false => Err(PageError::within(Fault::NoControlPlane, context).into()),
        }
    }
}

/// Who is signed in, for handlers that need no more.
pub(crate) struct Visitor(pub SignedIn);

impl<'a> FromRequest<'a> for Visitor {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self(operator_of(request)?.clone()))
    }
}

/// A parameter of the path as it was before it was percent-encoded, which poem undoes; empty when it is not UTF-8.
pub(crate) fn path_segment(request: &Request, name: &str) -> String {
    request.raw_path_param(name).unwrap_or_default().to_owned()
}

/// The experiment of the path, resolved: registered, and followed from now on. It may not be seeded or
/// not be known yet; [`Active::snapshot`] says.
#[derive(Debug)]
pub(crate) struct Active {
    /// The page's surroundings.
    pub context: Context,
    /// The experiment.
    pub id: ExperimentId,
    /// Its mirror.
    pub mirror: Arc<Mirror>,
    /// What the mirror held when the request came.
    pub view: Arc<View>,
}

impl Active {
    /// The picture to draw.
    ///
    /// # Errors
    /// [`Fault::Unseeded`], [`Fault::NotHostedHere`] and [`Fault::TaskStore`], with the page's surroundings.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, PageError> {
        let fault = match (&self.view.phase, &self.view.freshness) {
            (Phase::Ready(snapshot), _) => return Ok(snapshot.clone()),
            (Phase::NotHosted, _) => Fault::Unseeded,
            (Phase::Elsewhere, _) => Fault::NotHostedHere,
            (Phase::Connecting, Freshness::Stale { cause, .. }) => Fault::TaskStore(cause.clone()),
            (Phase::Connecting, _) => Fault::StillReading("this experiment"),
        };
        Err(self.fault(fault))
    }

    /// The experiment as the console's own worker.
    ///
    /// # Errors
    /// [`Fault::NotHostedHere`] when there is no address for it.
    pub fn client(&self) -> Result<ExperimentClient, PageError> {
        let client = self.context.live().client(&self.id);
        client.ok_or_else(|| self.fault(Fault::NotHostedHere))
    }

    /// The same for reading what is not held here, or why that is not asked for: the task store is known not to answer,
    /// or whoever looks is known to have been allowed to before the outage only.
    ///
    /// # Errors
    /// [`Fault::NotHostedHere`] when there is no address for it.
    pub fn reader(&self) -> Result<Result<ExperimentClient, ClientError>, PageError> {
        let client = self.client()?;
        Ok(match &self.context.role {
            Role::Formerly(trouble) => Err(ClientError::NotSent(trouble.message.clone())),
            _ => self.context.may_write().map(|()| client),
        })
    }

    /// A fault on this page.
    pub fn fault(&self, fault: Fault) -> PageError {
        PageError::within(fault, self.context.clone())
    }

    /// That the experiment has no such entity.
    pub fn missing(&self, kind: &'static str, id: &str) -> PageError {
        self.fault(Fault::NoSuchEntity {
            kind,
            id: id.to_owned(),
        })
    }
}

/// The experiment of the path and its mirror, followed from now on; whether anything is known is not waited for.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The page's surroundings.
    pub context: Context,
    /// The experiment.
    pub id: ExperimentId,
    /// Its mirror.
    pub mirror: Arc<Mirror>,
}

impl<'a> FromRequest<'a> for Watched {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let context = Context::from_request(request, body).await?;
        let id = match context.registered(request.raw_path_param("experiment").unwrap_or_default()) {
            Err(PageError {
                fault: Fault::NoSuchExperiment(given),
                ..
            }) => return Err(gone(context, <&Session>::from_request(request, body).await?, given).into()),
            id => id?,
        };
        let mirror = match is_activity(request) {
            true => context.live().mirror(&id),
            false => context.live().mirror_for_open_page(&id),
        };
        Ok(Self { context, id, mirror })
    }
}

/// The experiment of a path is not there; if it is the selected one, it is not selected any more.
fn gone(context: Context, session: &Session, given: String) -> PageError {
    let selected = session::selected(session).filter(|id| id.as_str() == given);
    let fault = match selected {
        Some(id) => {
            session::clear_selection(session);
            Fault::StaleSelection(id)
        }
        None => Fault::NoSuchExperiment(given),
    };
    PageError::within(fault, context)
}

impl<'a> FromRequest<'a> for Active {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let Watched {
            mut context,
            id,
            mirror,
        } = Watched::from_request(request, body).await?;
        let view = mirror.wait_until_settled(FIRST_LIST).await;
        context.experiment = Some(Followed {
            mirror: mirror.clone(),
            view: view.clone(),
        });
        Ok(Self {
            context,
            id,
            mirror,
            view,
        })
    }
}
