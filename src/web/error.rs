//! What can go wrong for an operator, each with a status and words. `pages::fault` draws them.

use poem::error::ResponseError;
use poem::http::StatusCode;

use super::banner::STALE_SELECTION;
use super::context::Context;
use super::session::Operator;
use crate::client::ClientError;
use crate::live::{Unavailability, UnavailabilityKind};
use crate::protocol::ExperimentId;

/// A fault, and the page it happened on when that much was known.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub(crate) struct PageError {
    /// What happened.
    #[source]
    pub fault: Fault,
    /// The page's surroundings, so that the answer keeps the bar and the way out.
    pub context: Option<Box<Context>>,
}

impl PageError {
    pub fn new(fault: Fault) -> Self {
        Self { fault, context: None }
    }

    pub fn within(fault: Fault, context: Context) -> Self {
        Self {
            fault,
            context: Some(Box::new(context)),
        }
    }
}

impl ResponseError for PageError {
    /// The middleware that draws faults replaces the body.
    fn status(&self) -> StatusCode {
        self.fault.status()
    }
}

/// The status of a page that tells why a write was not carried out, where the server did not find fault with the write.
pub(crate) fn error_status(error: &ClientError) -> StatusCode {
    match error.is_unreachable() {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::BAD_GATEWAY,
    }
}

/// The closed list of faults.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut,
    /// The page is for administrators, and this operator is none.
    #[error("the operator is no administrator")]
    NotAdministrator(Operator),
    /// The page is for administrators, and who is one cannot be known now.
    #[error("who administers cannot be known: {0}")]
    RoleUnknown(Unavailability),
    /// The path names no page.
    #[error("no such page")]
    NoSuchPage,
    /// The path names no registered experiment.
    #[error("no such experiment: {0}")]
    NoSuchExperiment(String),
    /// No registered experiment has the name.
    #[error("no experiment of the name: {0}")]
    NoSuchName(String),
    /// There is no experiment, and who asks may not register one.
    #[error("no experiment is registered")]
    NoExperiments,
    /// The path names the experiment that was selected, and it is gone. The selection has been cleared.
    #[error("the selected experiment is gone: {0}")]
    StaleSelection(ExperimentId),
    /// The experiment has no such entity.
    #[error("no such {kind}: {id}")]
    NoSuchEntity {
        /// Task, idea or variant.
        kind: &'static str,
        /// As in the path.
        id: String,
    },
    /// The console serves one experiment, and no deployment.
    #[error("there is no control plane")]
    NoControlPlane,
    /// The registry of workers and groups has no such entry.
    #[error("no such {kind}: {id}")]
    NotRegistered {
        /// Worker or group.
        kind: &'static str,
        /// What the registry is of.
        whole: &'static str,
        /// As in the path.
        id: String,
    },
    /// Registered, but the task store has no such experiment.
    #[error("registered but not seeded")]
    Unseeded,
    /// The task store hosts other experiments, or there is no address for this one.
    #[error("no known task store hosts the experiment")]
    NotHostedHere,
    /// The registry cannot be read, and what is asked for is not in what was read of it.
    #[error("the control plane cannot be read: {0}")]
    ControlPlane(Unavailability),
    /// The experiment has not been read yet and cannot be.
    #[error("the experiment cannot be read: {0}")]
    TaskStore(Unavailability),
    /// The first list takes longer than a page waits.
    #[error("{0} is still being read")]
    StillReading(&'static str),
    /// Another site sent the request.
    #[error("the request comes from another site")]
    CrossSite,
    /// The request is not one that a page of ours makes.
    #[error("{0}")]
    BadRequest(String),
    /// The body is larger than any form of ours.
    #[error("the request is too large")]
    TooLarge,
    /// A method that the path has no use for.
    #[error("the path does not take this method")]
    MethodNotAllowed,
    /// A defect of the console.
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// The fault's name in markup and queries: the reference's keys where it has one (`D-RES-2`).
    pub fn key(&self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::NotAdministrator(_) => "not-an-administrator",
            Self::RoleUnknown(_) => "role-unknown",
            Self::NoSuchPage => "no-such-page",
            Self::NoSuchExperiment(_) => "no-such-experiment",
            Self::NoSuchName(_) => "no-such-name",
            Self::NoExperiments => "no-experiments",
            Self::StaleSelection(_) => STALE_SELECTION,
            Self::NoSuchEntity { .. } | Self::NotRegistered { .. } => "no-such-entity",
            Self::NoControlPlane => "no-control-plane",
            Self::Unseeded => "unseeded",
            Self::NotHostedHere => "not-hosted-here",
            Self::ControlPlane(trouble) => control_plane_key(trouble.kind),
            Self::TaskStore(trouble) => task_store_key(trouble.kind),
            Self::StillReading(_) => "still-reading",
            Self::CrossSite => "cross-site",
            Self::BadRequest(_) => "bad-request",
            Self::TooLarge => "too-large",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Internal(_) => "internal",
        }
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NoSuchPage
            | Self::NoSuchExperiment(_)
            | Self::NoSuchName(_)
            | Self::NoExperiments
            | Self::StaleSelection(_)
            | Self::NoSuchEntity { .. }
            | Self::NotRegistered { .. }
            | Self::NoControlPlane => StatusCode::NOT_FOUND,
            Self::Unseeded | Self::NotHostedHere => StatusCode::CONFLICT,
            Self::ControlPlane(trouble) | Self::TaskStore(trouble) | Self::RoleUnknown(trouble) => match trouble.kind {
                UnavailabilityKind::Refused => StatusCode::BAD_GATEWAY,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::StillReading(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::CrossSite | Self::NotAdministrator(_) => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// What goes wrong with the control plane.
pub(crate) fn control_plane_key(kind: UnavailabilityKind) -> &'static str {
    match kind {
        UnavailabilityKind::Unreachable | UnavailabilityKind::Failing | UnavailabilityKind::NotYetContacted => {
            "control-plane-unreachable"
        }
        UnavailabilityKind::NoCredential => "control-plane-credential",
        UnavailabilityKind::Refused => "control-plane-refused",
    }
}

/// What goes wrong with a task store.
pub(crate) fn task_store_key(kind: UnavailabilityKind) -> &'static str {
    match kind {
        UnavailabilityKind::Unreachable | UnavailabilityKind::Failing | UnavailabilityKind::NotYetContacted => {
            "task-store-unreachable"
        }
        UnavailabilityKind::NoCredential => "cannot-bootstrap-credential",
        UnavailabilityKind::Refused => "task-store-refused",
    }
}
