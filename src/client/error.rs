use std::sync::Arc;

use crate::protocol::{ErrorType, Problem};

/// Why a call failed. The main distinction: the server answered ([`ClientError::error_type`]), or it could not be
/// reached ([`ClientError::is_unreachable`]).
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The platform offers no HTTP client.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// No connection, or it broke or timed out. A write may or may not have been carried out.
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The server refused with a problem document.
    #[error("{} ({})", .0.detail, .0.title)]
    Refused(Box<Problem>),
    /// A response that is neither a success nor a problem document.
    #[error("the server answered {0} without saying why")]
    UnexpectedStatus(u16),
    /// A success whose body does not follow the protocol.
    #[error("the server's answer is not what the protocol says")]
    Decode(#[source] serde_json::Error),
    /// No answer within the time that the caller had.
    #[error("the server did not answer in time")]
    TimedOut,
    /// There is no credential for the call, and none can be made. The source says why and what helps.
    #[error("{0}")]
    NoCredential(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The secret has characters that no header can hold.
    #[error("the secret of the credential has characters that cannot be sent")]
    UnusableSecret,
    /// A failure that several callers share.
    #[error(transparent)]
    Shared(Arc<Self>),
    /// The call was not made, because getting its credential failed. It tells nothing about the endpoint.
    #[error(transparent)]
    Bootstrap(Box<Self>),
    /// The call was not made, because the server is known not to answer and what is known of it is stale.
    #[error("{0}")]
    NotSent(String),
    /// The event stream broke or could not be opened.
    #[error("the event stream broke: {0}")]
    Stream(String),
}

impl ClientError {
    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        Self::Unreachable(error)
    }

    /// The problem type, when the server gave a known one.
    pub fn error_type(&self) -> Option<ErrorType> {
        match self {
            Self::Refused(problem) => problem.error_type(),
            Self::Shared(error) => error.error_type(),
            Self::Bootstrap(error) => error.error_type(),
            _ => None,
        }
    }

    /// Whether the server has no such entity.
    pub fn is_not_found(&self) -> bool {
        self.error_type() == Some(ErrorType::NotFound)
    }

    /// Whether the server refused the bearer (401), or there is none.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(401) || self.is_without_credential()
    }

    /// Whether there is no bearer to send.
    pub fn is_without_credential(&self) -> bool {
        match self {
            Self::Shared(error) => error.is_without_credential(),
            Self::Bootstrap(error) => error.is_without_credential(),
            Self::NoCredential(_) | Self::UnusableSecret => true,
            _ => false,
        }
    }

    /// Whether the server lacks the endpoint. Another implementation may say so without a problem document.
    pub fn is_unsupported(&self) -> bool {
        match self {
            // The endpoint was never called.
            Self::Bootstrap(_) => false,
            Self::Shared(error) => error.is_unsupported(),
            _ => matches!(self.status(), Some(404 | 405 | 406 | 501)),
        }
    }

    /// Whether the server hosts other experiments than the one asked for (`ch07 §1.3`).
    pub fn is_not_hosted_here(&self) -> bool {
        self.error_type() == Some(ErrorType::ExperimentIdMismatch)
    }

    /// The HTTP status, when the server answered with one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::UnexpectedStatus(status) => Some(*status),
            Self::Shared(error) => error.status(),
            Self::Bootstrap(error) => error.status(),
            _ => None,
        }
    }

    /// Whether a write that failed with this may have been carried out: it was sent, and the outcome is unknown or was
    /// not reported reliably.
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Unreachable(error) => !error.is_connect(),
            Self::TimedOut | Self::Stream(_) | Self::Decode(_) => true,
            Self::UnexpectedStatus(status) => !(400..500).contains(status),
            Self::Refused(problem) => !(400..500).contains(&problem.status),
            Self::Shared(error) => error.is_outcome_unknown(),
            Self::Setup(_) | Self::NoCredential(_) | Self::UnusableSecret | Self::Bootstrap(_) | Self::NotSent(_) => {
                false
            }
        }
    }

    /// Whether the server was reached and did not answer in time.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::TimedOut => true,
            Self::Unreachable(error) => error.is_timeout() && !error.is_connect(),
            Self::Shared(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// Whether there was no usable answer, so that a retry later may help.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Stream(_) | Self::TimedOut | Self::NotSent(_) => true,
            Self::UnexpectedStatus(status) => *status >= 500,
            Self::Refused(problem) => problem.status >= 500,
            Self::Shared(error) => error.is_unreachable(),
            Self::Bootstrap(error) => error.is_unreachable(),
            Self::Setup(_) | Self::Decode(_) | Self::NoCredential(_) | Self::UnusableSecret => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_bootstrap_tells_nothing_about_the_endpoint() {
        let direct = ClientError::UnexpectedStatus(404);
        assert!(direct.is_unsupported());
        let shared = ClientError::Shared(Arc::new(ClientError::UnexpectedStatus(404)));
        assert!(shared.is_unsupported());
        let bootstrap = ClientError::Bootstrap(Box::new(shared));
        assert!(!bootstrap.is_unsupported());
        assert_eq!(bootstrap.status(), Some(404), "it tells of the experiment all the same");
        assert!(
            !ClientError::Bootstrap(Box::new(ClientError::TimedOut)).is_outcome_unknown(),
            "nothing was sent"
        );
    }
}
