//! The one error type of the protocol, as every layer below HTTP returns it.

use std::fmt::Display;

use crate::protocol::ErrorType;

/// Why a request is refused: an error type of the closed vocabulary (`ch07 §9`) and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct ProtocolError {
    pub(super) kind: ErrorType,
    pub(super) detail: String,
}

/// A result of the protocol.
pub(super) type ProtocolResult<T = ()> = Result<T, ProtocolError>;

impl ProtocolError {
    pub(super) fn new(kind: ErrorType, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(super) fn not_found(what: &str, id: impl Display) -> Self {
        Self::new(ErrorType::NotFound, format!("there is no {what} {id}"))
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::BadRequest, detail)
    }

    pub(super) fn already_exists(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::AlreadyExists, detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Forbidden, detail)
    }

    pub(super) fn illegal_transition(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::IllegalTransition, detail)
    }

    pub(super) fn invalid_precondition(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidPrecondition, detail)
    }
}
