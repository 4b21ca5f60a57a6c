use std::fmt;

use crate::client::ClientError;

/// Why a server cannot be read now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unavailability {
    /// Which kind, which decides what an operator can do about it.
    pub kind: UnavailabilityKind,
    /// The same as text, without a full stop.
    pub message: String,
}

/// The sorts of [`Unavailability`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnavailabilityKind {
    /// No answer, or a broken one.
    Unreachable,
    /// An answer that says the server, or what stands before it, fails.
    Failing,
    /// Nothing was asked yet: what is known is of an earlier life of the console, or of the last time anybody looked.
    NotYetContacted,
    /// The console has no credential that the server takes, and cannot get one.
    NoCredential,
    /// The server answers, and not what the protocol says, or that the console may not.
    Refused,
}

impl UnavailabilityKind {
    /// Whether it is the server's being away, in one way or another, that may pass without anybody doing anything here.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Unreachable | Self::Failing | Self::NotYetContacted)
    }
}

/// Who was asked.
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
        let (kind, message) = match error.status() {
            _ if error.is_without_credential() => (UnavailabilityKind::NoCredential, error.to_string()),
            Some(401) => (
                UnavailabilityKind::NoCredential,
                format!("{server} refuses the console's credential"),
            ),
            Some(403) => (
                UnavailabilityKind::Refused,
                format!("{server} does not let the console read it: {error}"),
            ),
            Some(status) if status >= 500 => (
                UnavailabilityKind::Failing,
                format!("{server} fails with status {status}"),
            ),
            None if error.is_unreachable() => (UnavailabilityKind::Unreachable, format!("{server} does not answer")),
            _ => (
                UnavailabilityKind::Refused,
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
