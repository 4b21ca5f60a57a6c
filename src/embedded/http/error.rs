//! Why a handler does not answer with a success.

use poem::Response;
use poem::error::ResponseError;
use poem::http::StatusCode;

use crate::embedded::ProtocolError;
use crate::embedded::checkpoint::CheckpointError;
use crate::embedded::storage::StorageError;
use crate::protocol::ErrorType;

/// Why a handler does not answer with a success.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The request is refused.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A route under `/_reference/` refuses the request.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The backend failed. The caller learns only that.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What a handler answers.
pub(super) type Reply = HttpResult<Response>;

/// A result on the way to a reply.
pub(super) type HttpResult<T = ()> = Result<T, HttpError>;

/// The errors of the routes under `/_reference/` that the protocol has no type for.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReferenceError {
    /// The path cannot be that of a file.
    #[error("{0:?} is not a path below the artifacts of the experiment")]
    InvalidPath(String),
    /// The file is too large for this way of reading it.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The server does not know where the files are.
    #[error("this server was started without --artifacts-dir")]
    ServingDisabled,
}

impl ReferenceError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::InvalidPath(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ServingDisabled => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn slug(&self) -> &'static str {
        match self {
            Self::InvalidPath(_) => "invalid-path",
            Self::TooLarge { .. } => "artifact-too-large",
            Self::ServingDisabled => "artifact-serving-disabled",
        }
    }
}

impl From<serde_json::Error> for HttpError {
    fn from(error: serde_json::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<CheckpointError> for HttpError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Protocol(error) => Self::Protocol(error),
            CheckpointError::Storage(error) => Self::Storage(error),
        }
    }
}

impl ResponseError for HttpError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Protocol(error) => status_of(error.kind),
            Self::Reference(error) => error.status(),
            Self::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The HTTP status of an error type.
pub(super) fn status_of(kind: ErrorType) -> StatusCode {
    StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A bearer that is not good for this scope.
pub(super) fn unauthorized() -> ProtocolError {
    ProtocolError::new(ErrorType::Unauthorized, "the bearer is not good here")
}
