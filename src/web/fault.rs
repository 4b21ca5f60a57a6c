//! The faults that an operator can meet, each with a status and a key. `pages::fault` has their texts and draws them.

use poem::error::ResponseError;
use poem::http::StatusCode;

use crate::live::Unavailability;
use crate::protocol::ExperimentId;
use crate::web::auth::Operator;
use crate::web::upstream::{Upstream, unavailability_status};

/// The key of [`Fault::StaleSelection`], and of the banner that says the same.
pub(crate) const STALE_SELECTION: &str = "stale-selection";

/// The closed list of faults.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut,
    /// The page is for administrators, and this operator is none.
    #[error("the operator is no administrator")]
    NotAdministrator(Operator),
    /// The page is for administrators, and whether the operator is one cannot be known now.
    #[error("who administers cannot be known: {0}")]
    RoleUnknown(Unavailability),
    /// The path names no page.
    #[error("no such page")]
    NoSuchPage,
    /// The path names no registered experiment.
    #[error("no such experiment: {0}")]
    NoSuchExperiment(String),
    /// No registered experiment has this name.
    #[error("no experiment of the name: {0}")]
    NoSuchName(String),
    /// There is no experiment, and the operator may not register one.
    #[error("no experiment is registered")]
    NoExperiments,
    /// The path names the selected experiment, which is not registered any more. The selection has been cleared.
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
    /// The console runs without a control plane, so there are no deployment pages.
    #[error("there is no control plane")]
    NoControlPlane,
    /// The deployment has no such worker or group.
    #[error("no such {kind}: {id}")]
    NotRegistered {
        /// Worker or group.
        kind: &'static str,
        /// As in the path.
        id: String,
    },
    /// Registered, but the task store has no such experiment.
    #[error("registered but not seeded")]
    Unseeded,
    /// The task store hosts other experiments, or there is no address for this one.
    #[error("no known task store hosts the experiment")]
    NotHostedHere,
    /// The registry cannot be read, and what was read before does not have the experiment.
    #[error("the control plane cannot be read: {0}")]
    ControlPlane(Unavailability),
    /// The experiment has not been read yet and cannot be.
    #[error("the experiment cannot be read: {0}")]
    TaskStore(Unavailability),
    /// The first list takes longer than a request waits.
    #[error("{0} is still being read")]
    StillReading(&'static str),
    /// Another site sent the request.
    #[error("the request comes from another site")]
    CrossSite,
    /// The request is malformed; the console's own pages do not send such a request.
    #[error("{0}")]
    BadRequest(String),
    /// The body is larger than any form of the console.
    #[error("the request is too large")]
    TooLarge,
    /// The path does not take the method.
    #[error("the path does not take this method")]
    MethodNotAllowed,
    /// A defect of the console.
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// The fault's name in markup and queries. Where the reference console has the same fault, its key is used.
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
            Self::ControlPlane(cause) => Upstream::ControlPlane.key(cause.kind),
            Self::TaskStore(cause) => Upstream::TaskStore.key(cause.kind),
            Self::StillReading(_) => "still-reading",
            Self::CrossSite => "cross-site",
            Self::BadRequest(_) => "bad-request",
            Self::TooLarge => "too-large",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Internal(_) => "internal",
        }
    }
}

impl ResponseError for Fault {
    /// The middleware that draws faults replaces the body.
    fn status(&self) -> StatusCode {
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
            Self::ControlPlane(cause) | Self::TaskStore(cause) | Self::RoleUnknown(cause) => {
                unavailability_status(cause.kind)
            }
            Self::StillReading(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::CrossSite | Self::NotAdministrator(_) => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
