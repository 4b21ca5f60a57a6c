//! Sessions: what the cookie holds, and for how long it is valid.

use std::path::PathBuf;
use std::time::Duration;

use poem::session::Session;
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
const RECENT: &str = "recent_experiment_ids";
/// How many of the experiments that were selected last are kept.
const MAX_RECENT: usize = 5;

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operator {
    /// The operator of the process, signed in by a one-time link.
    Link,
    /// A worker, signed in by its credential.
    Worker {
        /// Its id.
        id: WorkerId,
        /// Its display name.
        name: Option<String>,
        /// The experiment that it is registered with; none when it is the deployment's.
        experiment: Option<ExperimentId>,
    },
}

impl Operator {
    /// The name in the bar.
    pub fn label(&self) -> String {
        match self {
            Self::Link => "operator".to_owned(),
            Self::Worker { id, name, .. } => name.clone().unwrap_or_else(|| short(id.as_str())),
        }
    }
}

/// A session as the cookie holds it. A cookie that does not parse, such as one of an earlier version, is no session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedIn {
    /// 128 random bits, as hex.
    id: String,
    /// Who it is.
    pub operator: Operator,
    begun_at: Timestamp,
    /// When the operator last did something, less than [`Sessions::RENEW_AFTER`] behind.
    active_at: Timestamp,
}

impl SignedIn {
    /// When it expires, however active the operator is.
    fn end(&self) -> Timestamp {
        let life = jiff::SignedDuration::try_from(Sessions::LIFETIME).unwrap_or(jiff::SignedDuration::ZERO);
        (self.begun_at.instant() + life).into()
    }
}

/// The selected experiment. A value in the cookie that is no experiment id is no selection.
pub(crate) fn selected(session: &Session) -> Option<ExperimentId> {
    session.get::<ExperimentId>(SELECTED)
}

/// The experiments that were selected last, newest first.
pub(crate) fn recent(session: &Session) -> Vec<ExperimentId> {
    let mut recent = session.get::<Vec<ExperimentId>>(RECENT).unwrap_or_default();
    recent.truncate(MAX_RECENT);
    recent
}

/// Records the selected experiment.
pub(crate) fn select(session: &Session, experiment: &ExperimentId) {
    let mut recent = recent(session);
    recent.retain(|id| id != experiment);
    recent.insert(0, experiment.clone());
    recent.truncate(MAX_RECENT);
    session.set(RECENT, recent);
    session.set(SELECTED, experiment.as_str());
}

/// Clears the selection. What was selected before stays known.
pub(crate) fn clear_selection(session: &Session) {
    session.remove(SELECTED);
}

/// Starts, validates and ends sessions.
pub(crate) struct Sessions {
    clock: Clock,
    live: Live,
    stores: StoreFactory,
    revoked: RevokedSessions,
    /// Whether the console offers one-time links.
    offers_links: bool,
}

impl Sessions {
    /// The longest time that a session lasts.
    pub const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
    /// How long it lasts without activity.
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
    /// The cookie is renewed only when its time of activity is this old, so that most answers set no cookie.
    pub const RENEW_AFTER: Duration = Duration::from_secs(5 * 60);
    /// How far the clocks of replicas may be apart.
    const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

    pub fn new(clock: Clock, live: Live, stores: StoreFactory, directory: Option<PathBuf>, offers_links: bool) -> Self {
        Self {
            revoked: RevokedSessions::new(clock.clone(), directory),
            clock,
            live,
            stores,
            offers_links,
        }
    }

    /// Starts a session. An earlier one of this browser is revoked, and its selection is cleared.
    pub async fn begin(&self, session: &Session, operator: Operator) {
        if let Some(earlier) = self.signed_in(session).await {
            self.revoked.add(&earlier.id, earlier.end()).await;
        }
        let now = self.clock.now();
        session.clear();
        session.renew();
        let signed_in = SignedIn {
            id: format!("{:032x}", rand::random::<u128>()),
            operator,
            begun_at: now,
            active_at: now,
        };
        session.set(SIGNED_IN, signed_in);
    }

    /// Who is signed in, if the session is valid.
    pub async fn signed_in(&self, session: &Session) -> Option<SignedIn> {
        let signed_in = session.get(SIGNED_IN)?;
        self.is_valid(&signed_in).await.then_some(signed_in)
    }

    /// Whether a session is still valid.
    pub async fn is_valid(&self, signed_in: &SignedIn) -> bool {
        self.is_unexpired(signed_in)
            && self.is_accepted_here(signed_in)
            && !self.revoked.contains(&signed_in.id, signed_in.end()).await
    }

    /// Records activity of the operator, which extends the session.
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

    /// Ends a session, in this browser and for every copy of its cookie.
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

    /// A cookie of another console with the same key is not accepted: that console may serve another deployment, or
    /// offer links where this one does not.
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
    fn the_last_five_selections_are_known_newest_first() {
        let session = Session::default();
        assert_eq!(recent(&session), []);
        let ids: Vec<ExperimentId> = (0..7).map(|n| format!("exp_{n:026}").parse().expect("an id")).collect();
        for at in [0, 1, 2, 3, 4, 5, 6, 3] {
            select(&session, &ids[at]);
        }
        assert_eq!(recent(&session), [3, 6, 5, 4, 2].map(|at: usize| ids[at].clone()));
        clear_selection(&session);
        assert_eq!(recent(&session).len(), MAX_RECENT);
        session.set(RECENT, ["nonsense"]);
        assert_eq!(recent(&session), []);
        session.set(RECENT, vec![ids[0].clone(); 99]);
        assert_eq!(recent(&session).len(), MAX_RECENT);
    }

    #[test]
    fn the_cookie_of_an_earlier_version_is_no_session() {
        let session = Session::default();
        session.set("operator", serde_json::json!({ "name": "operator" }));
        session.set("signed_in_at", "2026-01-02T03:04:05Z");
        assert_eq!(session.get::<SignedIn>(SIGNED_IN), None);
        session.set(SIGNED_IN, serde_json::json!({ "operator": "link" }));
        assert_eq!(session.get::<SignedIn>(SIGNED_IN), None);
    }
}
