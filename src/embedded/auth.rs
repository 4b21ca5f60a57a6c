//! Credentials (`ch07 §13`): the admin token, and one secret per worker of which only a slow hash is stored.

use std::collections::HashMap;

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::caller::SecretVersion;
use super::options::Authentication;
use super::password_hash::{PasswordHasher, random_secret};
use super::storage::{StorageError, StorageResult, Store};
use super::{Caller, ScopeKey};
use crate::protocol::*;

type SecretDigest = [u8; 32];

/// Checks the `Authorization` header of each request.
///
/// A worker's secret goes through the slow hash once. After that its digest is remembered until the secret is
/// reissued. Failures are never remembered.
#[derive(Debug)]
pub(super) struct Authenticator {
    store: Store,
    /// The digest of the admin token; `None` when authentication is off.
    admin: Option<SecretDigest>,
    /// Never locked across an await.
    verified: Mutex<VerifiedSecrets>,
    hasher: PasswordHasher,
}

/// A worker and the scope it is registered in.
type ScopedWorker = (ScopeKey, WorkerId);

#[derive(Debug, Default)]
struct VerifiedSecrets {
    versions: HashMap<ScopedWorker, SecretVersion>,
    digests: HashMap<ScopedWorker, SecretDigest>,
}

impl VerifiedSecrets {
    fn current(&self, worker: &ScopedWorker) -> SecretVersion {
        self.versions.get(worker).copied().unwrap_or_default()
    }

    /// The version of this secret, if it was verified before.
    fn find(&self, worker: &ScopedWorker, given: SecretDigest) -> Option<SecretVersion> {
        let known = self.digests.get(worker)?;
        bool::from(known.ct_eq(&given)).then(|| self.current(worker))
    }
}

impl Authenticator {
    pub(super) fn new(authentication: &Authentication, store: Store) -> Self {
        Self {
            store,
            admin: match authentication {
                Authentication::AdminToken(token) => Some(digest(token.expose_secret())),
                Authentication::Off => None,
            },
            verified: Mutex::default(),
            hasher: PasswordHasher::new(),
        }
    }

    /// The caller, or `None` when the `Authorization` header is missing or wrong.
    ///
    /// `scope` is where the worker must be registered; without a scope only the admin token is good. When
    /// authentication is off every principal is believed, and a request without a header is the admin's.
    pub(super) async fn authenticate(
        &self,
        scope: Option<ScopeKey>,
        header: Option<&str>,
    ) -> StorageResult<Option<Caller>> {
        let bearer = header.map(parse_bearer);
        let Some(admin) = self.admin else {
            let principal = bearer.map_or(Some(Actor::Admin), |bearer| Some(bearer?.0));
            return Ok(principal.map(Caller::unchecked));
        };
        let Some((principal, secret)) = bearer.flatten() else {
            return Ok(None);
        };
        let given = digest(secret);
        let version = match &principal {
            Actor::Admin => bool::from(admin.ct_eq(&given)).then_some(SecretVersion::default()),
            Actor::Worker(worker) => self.verify_worker(scope, worker, secret, given).await?,
        };
        Ok(version.map(|version| Caller::authenticated(principal, version)))
    }

    /// Whether the secret that the caller presented is still the worker's secret.
    pub(super) fn is_current(&self, scope: ScopeKey, caller: &Caller) -> bool {
        match caller.principal() {
            Actor::Worker(worker) if !caller.is_unchecked() => {
                caller.secret_version() == self.verified.lock().current(&(scope, worker.clone()))
            }
            _ => true,
        }
    }

    async fn verify_worker(
        &self,
        scope: Option<ScopeKey>,
        worker: &WorkerId,
        secret: &str,
        given: SecretDigest,
    ) -> StorageResult<Option<SecretVersion>> {
        let Some(key) = scope.map(|scope| (scope, worker.clone())) else {
            let permit = self.hasher.permit().await;
            self.hasher.verify(permit, None, secret).await;
            return Ok(None);
        };
        if let Some(version) = self.verified.lock().find(&key, given) {
            return Ok(Some(version));
        }
        loop {
            let permit = self.hasher.permit().await;
            // Another request with the same secret may have verified it while this one waited.
            if let Some(version) = self.verified.lock().find(&key, given) {
                return Ok(Some(version));
            }
            let version = self.verified.lock().current(&key);
            let stored = self.store.read(key.0).await?.secret_hash(worker).await?;
            let is_good = self.hasher.verify(permit, stored, secret).await;
            let mut verified = self.verified.lock();
            // The secret may have been reissued meanwhile; then the stored hash was the old one.
            if verified.current(&key) != version {
                continue;
            }
            if !is_good {
                return Ok(None);
            }
            verified.digests.insert(key, given);
            return Ok(Some(version));
        }
    }

    /// A new secret and its hash. The secret is told once and not stored.
    pub(super) async fn new_secret(&self) -> StorageResult<(SecretString, String)> {
        let secret = random_secret();
        let hash = self.hasher.hash(&secret).await.ok_or(StorageError::Hash)?;
        Ok((secret.into(), hash))
    }

    /// Forgets what was verified with a worker's secret. To be called before and after the commit of a new secret:
    /// before, so that no request with the old secret is accepted once the reissue is announced; after, for requests
    /// that were verified against the old hash in between.
    pub(super) fn invalidate(&self, scope: ScopeKey, worker: &WorkerId) {
        let key = (scope, worker.clone());
        let mut verified = self.verified.lock();
        verified.digests.remove(&key);
        verified.versions.entry(key).or_default().0 += 1;
    }
}

/// `Bearer <principal>:<secret>`, split at the first colon (`ch07 §13.1`).
fn parse_bearer(header: &str) -> Option<(Principal, &str)> {
    let (scheme, rest) = header.split_once(' ')?;
    let (principal, secret) = rest.trim_start().split_once(':')?;
    if !scheme.eq_ignore_ascii_case("bearer") || secret.is_empty() {
        return None;
    }
    Some((principal.parse().ok()?, secret))
}

fn digest(secret: &str) -> SecretDigest {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_splits_at_the_first_colon() {
        let (principal, secret) = parse_bearer("bearer admin:a:b").expect("a bearer");
        assert_eq!((principal, secret), (Actor::Admin, "a:b"));
        for header in [
            "",
            "Bearer",
            "Bearer admin",
            "Bearer admin:",
            "Basic admin:a",
            "Bearer somebody:a",
            "Bearer wkr_short:a",
        ] {
            assert!(parse_bearer(header).is_none(), "{header}");
        }
    }
}
