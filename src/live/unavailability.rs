use std::fmt;

use crate::client::ClientError;

/// Why a server cannot be read now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unavailability {
    /// The kind, which decides what an operator can do about it.
    pub kind: UnavailabilityKind,
    /// The same as text for people, without a full stop.
    pub message: String,
}

/// The kinds of [`Unavailability`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnavailabilityKind {
    /// No answer, or a broken one.
    Unreachable,
    /// An answer which says that the server, or a proxy before it, fails (a 5xx status).
    Failing,
    /// Nothing was asked yet. What is known was restored from disk, or is from the last time that anybody viewed it.
    NotYetContacted,
    /// The console has no credential that the server accepts, and cannot get one.
    NoCredential,
    /// The server answers, but refuses the console, or answers something that is not the protocol.
    Refused,
}

impl UnavailabilityKind {
    /// Whether this may pass by itself, because the server is away in some way.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Unreachable | Self::Failing | Self::NotYetContacted)
    }
}

/// The server that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    TaskStore,
    ControlPlane,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TaskStore => "the task store",
            Self::ControlPlane => "the control plane",
        })
    }
}

impl Unavailability {
    pub(super) fn of(server: Server, error: &ClientError) -> Self {
        use UnavailabilityKind::{Failing, NoCredential, Refused, Unreachable};
        let (kind, message) = match error.status() {
            _ if error.is_without_credential() => (NoCredential, error.to_string()),
            Some(401) => (NoCredential, format!("{server} refuses the console's credential")),
            Some(403) => (Refused, format!("{server} does not let the console read it: {error}")),
            Some(status) if status >= 500 => (Failing, format!("{server} fails with status {status}")),
            None if error.is_unreachable() => (Unreachable, format!("{server} does not answer")),
            _ => (
                Refused,
                format!("{server} answers something that the console does not understand: {error}"),
            ),
        };
        Self { kind, message }
    }

    pub(super) fn not_yet_contacted(server: Server) -> Self {
        Self {
            kind: UnavailabilityKind::NotYetContacted,
            message: format!("{server} has not been heard since this was last looked at"),
        }
    }
}

impl fmt::Display for Unavailability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
