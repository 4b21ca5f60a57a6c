use crate::client::ClientError;
use crate::live::mirror::Phase;

/// Why following was interrupted.
pub(super) enum Interruption {
    /// The log changed in a way that cannot be replayed: list again.
    Relist,
    /// The task store does not host the experiment; the phase says in which way.
    Unhosted(Phase),
    /// The connection ended or a request failed.
    Broken(ClientError),
}

impl From<ClientError> for Interruption {
    fn from(error: ClientError) -> Self {
        if error.is_not_hosted_here() {
            Self::Unhosted(Phase::Elsewhere)
        } else if error.is_not_found() {
            Self::Unhosted(Phase::NotHosted)
        } else {
            Self::Broken(error)
        }
    }
}
