//! The caller of a request, and what it may do (`ch07 §13.3`).

use super::groups::Groups;
use super::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// Which of a worker's secrets was presented: how often the secret had been reissued by then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SecretVersion(pub(super) u64);

/// Who calls, and whether a secret proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    principal: Principal,
    /// The worker that acts. Always there when authentication is off.
    worker: Option<WorkerId>,
    secret_version: SecretVersion,
    is_unchecked: bool,
}

impl Caller {
    /// A caller whose secret was good.
    pub(super) fn authenticated(principal: Principal, secret_version: SecretVersion) -> Self {
        Self {
            worker: principal.worker().cloned(),
            principal,
            secret_version,
            is_unchecked: false,
        }
    }

    /// A caller whose word is taken, because authentication is off. It may do everything. Where a worker must act and
    /// the caller names none, the worker id of all zeros acts.
    pub(super) fn unchecked(principal: Principal) -> Self {
        let nobody = || WorkerId::mint(ulid::Ulid::nil());
        Self {
            worker: Some(principal.worker().cloned().unwrap_or_else(nobody)),
            principal,
            secret_version: SecretVersion::default(),
            is_unchecked: true,
        }
    }

    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(super) fn secret_version(&self) -> SecretVersion {
        self.secret_version
    }

    /// Whether authentication is off.
    pub(super) fn is_unchecked(&self) -> bool {
        self.is_unchecked
    }

    /// The worker that calls. The admin token is refused.
    pub(super) fn require_worker(&self) -> ProtocolResult<&WorkerId> {
        self.worker
            .as_ref()
            .ok_or_else(|| ProtocolError::forbidden("this needs a worker's credential, not the admin token"))
    }

    /// Requires the admin token. Workers are refused.
    pub(super) fn require_admin(&self) -> ProtocolResult {
        if self.is_unchecked || self.principal == Actor::Admin {
            return Ok(());
        }
        Err(ProtocolError::forbidden("this needs the admin token"))
    }

    /// Requires a worker in one of the named groups. The admin token is in no group.
    pub(super) fn require_member(&self, groups: &Groups, names: &[&str]) -> ProtocolResult {
        if self.is_unchecked {
            return Ok(());
        }
        groups.require_member(self.require_worker()?, names)
    }
}
