//! The error envelope (`ch07 §9`): `application/problem+json` with a closed vocabulary of types.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A problem document. Clients decide by `kind`, never by the status alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `eden://error/…`
    #[serde(rename = "type")]
    pub kind: String,
    /// A short name of the problem.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What went wrong, for a person.
    pub detail: String,
    /// The URL as the client addressed it.
    pub instance: String,
}

impl Problem {
    /// The type, if it is one of the vocabulary.
    pub fn error_type(&self) -> Option<ErrorType> {
        ErrorType::from_uri(&self.kind)
    }
}

macro_rules! error_types {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:literal, $title:literal;)*) => {
        /// The closed vocabulary of problem types for `/v0/` paths (`ch07 §9`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorType {
            $($(#[$doc])* $name,)*
        }

        impl ErrorType {
            /// The HTTP status this type is always sent with.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The short title.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The last segment of the type URI.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The type a URI names.
            pub fn from_uri(uri: &str) -> Option<Self> {
                match uri.strip_prefix("eden://error/")? {
                    $($slug => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

error_types! {
    /// Body or query fails validation.
    BadRequest = "bad-request", 400, "Bad request";
    /// Header, path and receiver disagree on the experiment.
    ExperimentIdMismatch = "experiment-id-mismatch", 400, "Experiment id mismatch";
    /// Malformed checkpoint archive.
    CheckpointInvalid = "checkpoint-invalid", 400, "Checkpoint invalid";
    /// No, malformed or wrong bearer.
    Unauthorized = "unauthorized", 401, "Unauthorized";
    /// Wrong class of principal, or not in the group.
    Forbidden = "forbidden", 403, "Forbidden";
    /// The acting worker is not registered here.
    WorkerNotRegistered = "worker-not-registered", 403, "Worker not registered";
    /// The task's target does not admit the worker.
    WorkerNotEligible = "worker-not-eligible", 403, "Worker not eligible";
    /// Submit by somebody other than the claimant.
    WrongClaimant = "wrong-claimant", 403, "Wrong claimant";
    /// Unknown entity or path.
    NotFound = "not-found", 404, "Not found";
    /// The id is taken.
    AlreadyExists = "already-exists", 409, "Already exists";
    /// The state machine has no such edge.
    IllegalTransition = "illegal-transition", 409, "Illegal transition";
    /// Submit on a task nobody holds.
    NotClaimed = "not-claimed", 409, "Not claimed";
    /// A second submission that differs from the first.
    ConflictingResubmission = "conflicting-resubmission", 409, "Conflicting resubmission";
    /// A referenced entity is in the wrong state.
    InvalidPrecondition = "invalid-precondition", 409, "Invalid precondition";
    /// The commit changes nothing against every parent.
    NoOpVariant = "no-op-variant", 409, "No-op variant";
    /// The name is reserved.
    ReservedIdentifier = "reserved-identifier", 409, "Reserved identifier";
    /// A group would contain itself.
    CycleDetected = "cycle-detected", 409, "Cycle detected";
    /// Import into an id that is in use.
    ExperimentIdConflict = "experiment-id-conflict", 409, "Experiment id conflict";
    /// The archive is of another protocol version.
    SpecVersionMismatch = "spec-version-mismatch", 409, "Spec version mismatch";
    /// The archive is of another format version.
    UnsupportedCheckpointVersion = "unsupported-checkpoint-version", 409, "Unsupported checkpoint version";
    /// A checkpoint is being taken.
    CheckpointInProgress = "checkpoint-in-progress", 409, "Checkpoint in progress";
    /// Another holder has the lease.
    LeaseHeldByOther = "lease-held-by-other", 409, "Lease held by other";
    /// Another instance of the holder has the lease.
    LeaseInstanceMismatch = "lease-instance-mismatch", 409, "Lease instance mismatch";
    /// The lease is gone.
    LeaseNotHeld = "lease-not-held", 410, "Lease not held";
    /// The lease ran out.
    LeaseExpired = "lease-expired", 410, "Lease expired";
    /// The artifact is over the cap.
    PayloadTooLarge = "payload-too-large", 413, "Payload too large";
    /// The display name is ill-formed.
    InvalidName = "invalid-name", 422, "Invalid name";
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eden://error/{}", self.slug())
    }
}
