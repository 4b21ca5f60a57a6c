//! Who is signed in: what the cookie says, and for how long it is good.

use std::path::PathBuf;
use std::time::Duration;

use poem::session::Session;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::access::StoreFactory;
use crate::clock::Clock;
use crate::live::Live;
use crate::protocol::{ExperimentId, Timestamp, WorkerId};
use crate::web::auth::revoked_sessions::RevokedSessions;
use crate::web::ui::short;

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "eden_web_ui_session";

const SIGNED_IN: &str = "signed_in";
const SELECTED: &str = "selected_experiment_id";

/// The signed-in person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operator {
    /// Whoever operates the process, let in by a one-time link.
    Link,
    /// A worker, let in by its credential.
    Worker {
        /// Its id.
        id: WorkerId,
        /// What people call it.
        name: Option<String>,
        /// The experiment whose worker it is; none when it is the deployment's.
        experiment: Option<ExperimentId>,
    },
}

impl Operator {
    /// What the bar calls them.
    pub fn label(&self) -> String {
        match self {
            Self::Link => "operator".to_owned(),
            Self::Worker { id, name, .. } => name.clone().unwrap_or_else(|| short(id.as_str())),
        }
    }
}

/// A session as the cookie holds it. What does not read as one, such as the cookie of an earlier version, is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedIn {
    /// Random; no other session has it.
    id: String,
    /// Who it is.
    pub operator: Operator,
    begun_at: Timestamp,
    /// When the operator last did something, give or take [`Sessions::RENEW_AFTER`].
    active_at: Timestamp,
}

impl SignedIn {
    /// When it ends, however much is done in it.
    fn end(&self) -> Timestamp {
        let life = jiff::SignedDuration::try_from(Sessions::LIFETIME).unwrap_or(jiff::SignedDuration::ZERO);
        (self.begun_at.instant() + life).into()
    }
}

/// The experiment last selected. Anything else that a cookie may hold in its place is no selection.
pub(crate) fn selected(session: &Session) -> Option<ExperimentId> {
    session.get::<ExperimentId>(SELECTED)
}

/// Remembers the experiment last selected.
pub(crate) fn select(session: &Session, experiment: &ExperimentId) {
    session.set(SELECTED, experiment.as_str());
}

/// Forgets it.
pub(crate) fn clear_selection(session: &Session) {
    session.remove(SELECTED);
}

/// Begins sessions, knows them again, and ends them.
pub(crate) struct Sessions {
    clock: Clock,
    live: Live,
    stores: StoreFactory,
    revoked: RevokedSessions,
    /// Whether one-time links let anybody in.
    offers_links: bool,
}

impl Sessions {
    /// How long a session lasts at most.
    pub const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
    /// How long it lasts when nothing is done in it.
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
    /// The cookie is written anew only when it is this much behind, so that most answers carry none.
    pub const RENEW_AFTER: Duration = Duration::from_secs(5 * 60);
    /// How far replicas' clocks may be apart.
    const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

    pub fn new(
        clock: Clock,
        live: Live,
        stores: StoreFactory,
        revoked_dir: Option<PathBuf>,
        offers_links: bool,
    ) -> Self {
        Self {
            revoked: RevokedSessions::new(clock.clone(), revoked_dir),
            clock,
            live,
            stores,
            offers_links,
        }
    }

    /// Begins a session. One that this browser had ends, and what it selected is forgotten.
    pub async fn begin(&self, session: &Session, operator: Operator) {
        if let Some(earlier) = self.signed_in(session).await {
            self.revoked.add(&earlier.id, earlier.end()).await;
        }
        let id: [u8; 16] = rand::rng().random();
        let now = self.clock.now();
        session.clear();
        session.renew();
        let signed_in = SignedIn {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            operator,
            begun_at: now,
            active_at: now,
        };
        session.set(SIGNED_IN, signed_in);
    }

    /// Who is signed in, if the session is good.
    pub async fn signed_in(&self, session: &Session) -> Option<SignedIn> {
        let signed_in = session.get(SIGNED_IN)?;
        self.is_valid(&signed_in).await.then_some(signed_in)
    }

    /// Whether a session is still good.
    pub async fn is_valid(&self, signed_in: &SignedIn) -> bool {
        self.is_unexpired(signed_in)
            && self.is_accepted_here(signed_in)
            && !self.revoked.contains(&signed_in.id, signed_in.end()).await
    }

    /// The operator did something: the session lasts longer by it.
    pub fn touch(&self, session: &Session, signed_in: &SignedIn) {
        let active_at = self.clock.now();
        if age(active_at, signed_in.active_at) >= Self::RENEW_AFTER {
            let signed_in = SignedIn {
                active_at,
                ..signed_in.clone()
            };
            session.set(SIGNED_IN, signed_in);
        }
    }

    /// Ends a session, in this browser and wherever else its cookie may be.
    pub async fn end(&self, session: &Session, signed_in: &SignedIn) {
        session.purge();
        self.revoked.add(&signed_in.id, signed_in.end()).await;
    }

    fn is_unexpired(&self, signed_in: &SignedIn) -> bool {
        let now = self.clock.now();
        let lasts = |since: Timestamp, limit: Duration| {
            let is_ahead = since.instant() > now.instant();
            age(now, since) < if is_ahead { Self::MAX_CLOCK_SKEW } else { limit }
        };
        lasts(signed_in.begun_at, Self::LIFETIME) && lasts(signed_in.active_at, Self::IDLE_TIMEOUT)
    }

    /// A console that shares the key may serve another deployment, or offer no links.
    fn is_accepted_here(&self, signed_in: &SignedIn) -> bool {
        match &signed_in.operator {
            Operator::Link => self.offers_links,
            Operator::Worker { id, experiment, .. } => {
                let default = self.stores.default_experiment();
                let here = default.filter(|_| !self.stores.has_control_plane());
                experiment.as_ref() == here && !self.live.admins().is_credential_reissued_since(id, signed_in.begun_at)
            }
        }
    }
}

fn age(now: Timestamp, since: Timestamp) -> Duration {
    now.instant().duration_since(since.instant()).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_that_is_no_experiment_is_none() {
        let session = Session::default();
        for odd in ["..", "", "exp_1?x=1", "EXP_00000000000000000000000000"] {
            session.set(SELECTED, odd);
            assert_eq!(selected(&session), None, "{odd}");
        }
        session.set(SELECTED, 7);
        assert_eq!(selected(&session), None);
        let id = "exp_00000000000000000000000000".parse().expect("an id");
        select(&session, &id);
        assert_eq!(selected(&session), Some(id));
    }

    #[test]
    fn the_cookie_of_an_earlier_version_says_nobody() {
        let session = Session::default();
        session.set("operator", serde_json::json!({ "name": "operator" }));
        session.set("signed_in_at", "2026-01-02T03:04:05Z");
        assert_eq!(session.get::<SignedIn>(SIGNED_IN), None);
        session.set(SIGNED_IN, serde_json::json!({ "operator": "link" }));
        assert_eq!(session.get::<SignedIn>(SIGNED_IN), None);
    }
}
