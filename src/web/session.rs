//! Who is signed in, and the one-time links that let them in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use poem::session::Session;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::Clock;
use crate::protocol::{ExperimentId, Timestamp};

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "eden_web_ui_session";

const OPERATOR: &str = "operator";
const SIGNED_IN_AT: &str = "signed_in_at";
const SELECTED: &str = "selected_experiment_id";

/// The signed-in person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Operator {
    /// What the bar calls them.
    pub name: String,
}

/// The experiment last selected.
pub(crate) fn selected(session: &Session) -> Option<ExperimentId> {
    session.get::<String>(SELECTED)?.parse().ok()
}

/// Remembers the experiment last selected.
pub(crate) fn select(session: &Session, experiment: &ExperimentId) {
    session.set(SELECTED, experiment.as_str());
}

/// Forgets it.
pub(crate) fn clear_selection(session: &Session) {
    session.remove(SELECTED);
}

/// Why a sign-in token does not let anybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It was used before.
    #[error("This sign-in link was used already. Each link lets one browser in, once.")]
    Used,
    /// Its time is over.
    #[error("This sign-in link has expired. Links are good for 15 minutes.")]
    Expired,
    /// It was never made here.
    #[error("This sign-in link is not one that this console made. Was it cut off, or is it from an earlier start?")]
    Unknown,
}

struct Issued {
    digest: [u8; 32],
    expires_at: Timestamp,
    used: bool,
}

/// Who gets in: the one-time sign-in tokens of this process, of which only digests are kept, and the sessions that
/// they begin.
pub(crate) struct SignIn {
    clock: Clock,
    issued: Mutex<Vec<Issued>>,
}

impl SignIn {
    /// How long a link is good.
    pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
    /// How long a session lasts. The cookie carries it, so a copied one is good no longer.
    const SESSION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    /// Used and expired tokens are remembered this many deep, to tell them from wrong ones.
    const REMEMBERED: usize = 64;

    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            issued: Mutex::default(),
        }
    }

    /// Begins a session. What an earlier one selected is forgotten.
    pub fn begin(&self, session: &Session, operator: &Operator) {
        session.clear();
        session.renew();
        session.set(OPERATOR, operator);
        session.set(SIGNED_IN_AT, self.clock.now());
    }

    /// The operator of a session that has not run out.
    pub fn operator(&self, session: &Session) -> Option<Operator> {
        let begun: Timestamp = session.get(SIGNED_IN_AT)?;
        let age = self.clock.now().instant().duration_since(begun.instant());
        let good = age.unsigned_abs() < Self::SESSION;
        session.get(OPERATOR).filter(|_| good)
    }

    /// A fresh token of 256 random bits, as hex.
    pub fn issue(&self) -> String {
        let bytes: [u8; 32] = rand::rng().random();
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lifetime = jiff::SignedDuration::try_from(Self::LIFETIME).unwrap_or(jiff::SignedDuration::ZERO);
        let expires_at = self.clock.now().instant() + lifetime;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if issued.len() >= Self::REMEMBERED {
            issued.remove(0);
        }
        issued.push(Issued {
            digest: digest(&token),
            expires_at: expires_at.into(),
            used: false,
        });
        token
    }

    /// Uses a token up.
    ///
    /// # Errors
    /// Why it lets nobody in.
    pub fn redeem(&self, token: &str) -> Result<(), TokenError> {
        let digest = digest(token);
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let found = issued
            .iter_mut()
            .find(|known| bool::from(known.digest.ct_eq(&digest)))
            .ok_or(TokenError::Unknown)?;
        if found.used {
            return Err(TokenError::Used);
        }
        if self.clock.now() >= found.expires_at {
            return Err(TokenError::Expired);
        }
        found.used = true;
        Ok(())
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> (SignIn, Clock) {
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        (SignIn::new(clock.clone()), clock)
    }

    #[test]
    fn a_token_lets_one_in_once() {
        let (tokens, _) = tokens();
        let token = tokens.issue();
        assert_eq!(tokens.redeem(&token), Ok(()));
        assert_eq!(tokens.redeem(&token), Err(TokenError::Used));
        assert_eq!(tokens.redeem(&token[1..]), Err(TokenError::Unknown));
    }

    #[test]
    fn a_token_expires() {
        let (tokens, clock) = tokens();
        let token = tokens.issue();
        clock.advance(SignIn::LIFETIME);
        assert_eq!(tokens.redeem(&token), Err(TokenError::Expired));
    }
}
