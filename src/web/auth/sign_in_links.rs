//! One-time sign-in links for the operator of the process.

use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::Clock;
use crate::protocol::Timestamp;

/// Why a sign-in token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It was used before.
    #[error("This sign-in link was used already. Each link lets one browser in, once.")]
    Used,
    /// It has expired.
    #[error("This sign-in link has expired. Links are good for 15 minutes.")]
    Expired,
    /// It was not issued by this process.
    #[error("This sign-in link is not one that this console made. Was it cut off, or is it from an earlier start?")]
    Unknown,
}

struct Issued {
    digest: [u8; 32],
    expires_at: Timestamp,
    used: bool,
}

/// The one-time sign-in tokens of this process, of which only digests are kept.
pub(crate) struct SignInLinks {
    clock: Clock,
    issued: Mutex<Vec<Issued>>,
}

impl SignInLinks {
    /// How long a link is valid.
    pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
    /// Tokens remembered, at most. Used and expired ones are among them, to tell them from unknown ones.
    const MAX_ISSUED: usize = 64;

    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            issued: Mutex::default(),
        }
    }

    /// A new token of 256 random bits, as hex.
    pub fn issue(&self) -> String {
        let bytes: [u8; 32] = rand::rng().random();
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lifetime = jiff::SignedDuration::try_from(Self::LIFETIME).unwrap_or(jiff::SignedDuration::ZERO);
        let expires_at = self.clock.now().instant() + lifetime;
        let mut issued = self.issued.lock();
        if issued.len() >= Self::MAX_ISSUED {
            issued.remove(0);
        }
        issued.push(Issued {
            digest: digest(&token),
            expires_at: expires_at.into(),
            used: false,
        });
        token
    }

    /// Marks a token as used.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn redeem(&self, token: &str) -> Result<(), TokenError> {
        let digest = digest(token);
        let mut issued = self.issued.lock();
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

    fn links() -> (SignInLinks, Clock) {
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        (SignInLinks::new(clock.clone()), clock)
    }

    #[test]
    fn a_token_can_be_redeemed_once() {
        let (links, _) = links();
        let token = links.issue();
        assert_eq!(links.redeem(&token), Ok(()));
        assert_eq!(links.redeem(&token), Err(TokenError::Used));
        assert_eq!(links.redeem(&token[1..]), Err(TokenError::Unknown));
    }

    #[test]
    fn a_token_expires() {
        let (links, clock) = links();
        let token = links.issue();
        clock.advance(SignInLinks::LIFETIME);
        assert_eq!(links.redeem(&token), Err(TokenError::Expired));
    }
}
