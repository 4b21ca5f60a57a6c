//! What an operator may do, as far as is known now.

use jiff::SignedDuration;

use crate::live::{Freshness, Live, Unavailability};
use crate::protocol::{ExperimentId, WorkerId};
use crate::web::auth::audience::is_admin_path;
use crate::web::auth::session::Operator;

/// An operator's role, as of this request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// May do everything.
    Administrator,
    /// May use the pages for every operator; is not in the group `admins`.
    Operator,
    /// May read the administrators' pages, with the data from before the outage: was in `admins` then. Whether that is
    /// still so cannot be known now.
    LastKnownAdministrator(Unavailability),
    /// May use the pages for every operator: whether they are in `admins` cannot be known now.
    Unknown(Unavailability),
}

impl Role {
    /// Whether they may write where only administrators may.
    pub fn administers(&self) -> bool {
        matches!(self, Self::Administrator)
    }

    /// Whether they may read the administrators' pages.
    pub fn may_read(&self) -> bool {
        matches!(self, Self::Administrator | Self::LastKnownAdministrator(_))
    }

    /// The link, unless it leads to a page that they may not read.
    pub fn link(&self, href: String) -> Option<String> {
        let path = href.split(['?', '#']).next().unwrap_or_default();
        (self.may_read() || !is_admin_path(path)).then_some(href)
    }
}

/// How much older than the outage the last answer that the worker is in `admins` may be.
const OUTAGE_ROLE_GRACE: SignedDuration = SignedDuration::from_secs(60);

/// Finds the role of an operator. It asks for the group `admins` through [`Live`].
pub(crate) struct RoleResolver {
    live: Live,
}

impl RoleResolver {
    pub fn new(live: Live) -> Self {
        Self { live }
    }

    /// The role for a write. While the server that knows the group `admins` is known not to answer, it is not asked
    /// again and the role is unknown.
    pub async fn for_write(&self, operator: &Operator) -> Role {
        match (operator, self.live.admins_outage()) {
            (Operator::Link, _) => Role::Administrator,
            (Operator::Worker { .. }, Some(cause)) => Role::Unknown(cause),
            (Operator::Worker { id, .. }, None) => match self.live.admins().contains(id).await {
                Ok(true) => Role::Administrator,
                Ok(false) => Role::Operator,
                Err(cause) => Role::Unknown(cause),
            },
        }
    }

    /// The role for a read, on a page of `experiment` or of the deployment.
    ///
    /// In an outage pages show the data from before it. Operators who were administrators then may read it: they see
    /// nothing that they could not have seen when it was new, and writes never rely on it.
    pub async fn for_read(&self, operator: &Operator, experiment: Option<&ExperimentId>) -> Role {
        match (self.for_write(operator).await, operator) {
            (Role::Unknown(cause), Operator::Worker { id, .. }) if self.administered_before_outage(id, experiment) => {
                Role::LastKnownAdministrator(cause)
            }
            (role, _) => role,
        }
    }

    /// Whether the page's data is stale by an outage, and the worker was known to be in `admins` shortly before it.
    fn administered_before_outage(&self, worker: &WorkerId, experiment: Option<&ExperimentId>) -> bool {
        let freshness = match experiment {
            Some(id) => self
                .live
                .existing_mirror(id)
                .map(|mirror| mirror.view().freshness.clone()),
            None => Some(self.live.registry().view().freshness.clone()),
        };
        match (freshness, self.live.admins().last_known_admin_at(worker)) {
            (Some(Freshness::Stale { since, cause }), Some(at)) if cause.kind.is_outage() => {
                since.instant().duration_since(at.instant()) <= OUTAGE_ROLE_GRACE
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::UnavailabilityKind;

    const E: &str = "exp_00000000000000000000000000";

    #[test]
    fn a_link_is_given_only_to_roles_that_may_read_its_page() {
        let unknown = Role::Unknown(Unavailability {
            kind: UnavailabilityKind::Unreachable,
            message: String::new(),
        });
        let [gated, open] = [
            format!("/x/{E}/admin/tasks/?state=pending"),
            format!("/x/{E}/?a=/admin/"),
        ];
        for role in [Role::Operator, unknown] {
            assert_eq!(role.link(gated.clone()), None);
            assert_eq!(role.link(open.clone()), Some(open.clone()));
        }
        assert_eq!(Role::Administrator.link(gated.clone()), Some(gated));
    }
}
