//! The servers behind the console, as pages show them: names, fault keys, and texts for their errors.

use poem::http::StatusCode;

use crate::client::ClientError;
use crate::live::UnavailabilityKind;

/// A server behind the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// Has the registry of experiments, and the deployment's workers and groups.
    ControlPlane,
    /// Hosts experiments.
    TaskStore,
}

impl Upstream {
    /// Its name at the beginning of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "The control plane",
            Self::TaskStore => "The task store",
        }
    }

    /// The key of a fault of this server, in markup.
    pub fn key(self, kind: UnavailabilityKind) -> &'static str {
        let (unreachable, credential, refused) = match self {
            Self::ControlPlane => (
                "control-plane-unreachable",
                "control-plane-credential",
                "control-plane-refused",
            ),
            Self::TaskStore => (
                "task-store-unreachable",
                "cannot-bootstrap-credential",
                "task-store-refused",
            ),
        };
        match kind {
            UnavailabilityKind::Unreachable | UnavailabilityKind::Failing | UnavailabilityKind::NotYetContacted => {
                unreachable
            }
            UnavailabilityKind::NoCredential => credential,
            UnavailabilityKind::Refused => refused,
        }
    }

    /// Why a request failed, as part of a sentence.
    pub fn why(self, error: &ClientError) -> String {
        let server = self.name().to_lowercase();
        match error.status() {
            Some(401) => format!("{server} refuses the console's admin token"),
            Some(403) => format!("{server} does not let the console do this ({error})"),
            Some(status) if status >= 500 => format!("{server} fails with status {status}"),
            None if error.is_without_credential() => error.to_string(),
            None if matches!(error, ClientError::TimedOut) => format!("{server} did not answer in time"),
            None if matches!(error, ClientError::NotSent(_)) => error.to_string(),
            None if error.is_unreachable() => format!("{server} does not answer"),
            _ => format!("{server} answers something that the console does not understand ({error})"),
        }
    }

    /// That the server asks for an admin token that the console does not have, and how to give it one.
    pub fn needs_token(self) -> (String, &'static str) {
        (
            format!("{} tells its workers and groups to the admin token only", self.name()),
            "This console was started without it. Start it with --control-plane-admin-token, or with --admin-token \
             where both are one, to see and change them here.",
        )
    }
}

/// The kind of unavailability that a request's error means.
pub(crate) fn unavailability_kind(error: &ClientError) -> UnavailabilityKind {
    if error.is_unauthorized() {
        UnavailabilityKind::NoCredential
    } else if error.is_unreachable() {
        UnavailabilityKind::Unreachable
    } else {
        UnavailabilityKind::Refused
    }
}

/// The status of a page whose data cannot be read.
pub(crate) fn unavailability_status(kind: UnavailabilityKind) -> StatusCode {
    match kind {
        UnavailabilityKind::Refused => StatusCode::BAD_GATEWAY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
