//! Credentials (`ch07 §13`): the admin token, and one secret per worker of which only a slow hash is kept.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::storage::{OpenError, ScopeKey, StorageError, Store};
use crate::protocol::*;

/// Memory in KiB, passes, lanes. Secrets are 256 random bits, so this need only be respectable.
const COST: (u32, u32, u32) = (12 * 1024, 3, 1);

type SecretDigest = [u8; 32];

/// Checks bearers. A worker's secret is put through the slow hash once and remembered by its digest until
/// it is reissued; failures are never remembered.
#[derive(Debug)]
pub(super) struct Auth {
    admin: SecretDigest,
    verified: Mutex<Verified>,
    /// Bounds the cores that slow hashes may take from everybody else.
    hashing: Semaphore,
    /// What the secret of an unknown worker is checked against, so that it takes as long as a wrong one.
    decoy: String,
}

#[derive(Debug, Default)]
struct Verified {
    /// Grows with every reissue: a check that began before one must not be remembered after it.
    reissues: u64,
    digests: HashMap<(ScopeKey, WorkerId), SecretDigest>,
}

impl Auth {
    pub(super) fn new(admin: &SecretString) -> Self {
        Self {
            admin: digest(admin.expose_secret()),
            verified: Mutex::default(),
            hashing: Semaphore::new(2),
            decoy: hash(&fresh_secret()).unwrap_or_default(),
        }
    }

    /// The caller, if the `Authorization` header proves who it is. `scope` is the registry its worker would be
    /// in; without one only the admin token is good.
    pub(super) async fn authenticate(
        &self,
        store: &Store,
        scope: Option<ScopeKey>,
        header: Option<&str>,
    ) -> Result<Option<Principal>, StorageError> {
        let Some((principal, secret)) = header.and_then(parse_bearer) else {
            return Ok(None);
        };
        let given = digest(secret);
        let good = match &principal {
            Actor::Admin => bool::from(self.admin.ct_eq(&given)),
            Actor::Worker(worker) => self.is_worker(store, scope, worker, secret, given).await?,
        };
        Ok(good.then_some(principal))
    }

    async fn is_worker(
        &self,
        store: &Store,
        scope: Option<ScopeKey>,
        worker: &WorkerId,
        secret: &str,
        given: SecretDigest,
    ) -> Result<bool, StorageError> {
        let key = scope.map(|scope| (scope, worker.clone()));
        let reissues = {
            let verified = self.verified();
            let known = key.as_ref().and_then(|key| verified.digests.get(key));
            if known.is_some_and(|known| bool::from(known.ct_eq(&given))) {
                return Ok(true);
            }
            verified.reissues
        };
        let stored = match scope {
            Some(scope) => store.read(scope).await?.secret_hash(worker).await?,
            None => None,
        };
        let known_worker = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        let good = self.slowly(secret, move |secret| is_hash_of(&stored, secret)).await && known_worker;
        if let (true, Some(key)) = (good, key) {
            let mut verified = self.verified();
            if verified.reissues == reissues {
                verified.digests.insert(key, given);
            }
        }
        Ok(good)
    }

    /// A fresh secret and its hash. The secret is said once and not kept.
    pub(super) async fn issue(&self) -> Result<(SecretString, String), StorageError> {
        let secret = fresh_secret();
        let hash = self.slowly(&secret, hash).await;
        Ok((secret.into(), hash.ok_or(StorageError::Hash)?))
    }

    /// Makes the old secret of a worker worthless, once its new hash is committed.
    pub(super) fn forget(&self, scope: ScopeKey, worker: &WorkerId) {
        let mut verified = self.verified();
        verified.reissues += 1;
        verified.digests.remove(&(scope, worker.clone()));
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, Verified> {
        // Never held across an await, and every change to it is one call.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn slowly<T: Default + Send + 'static>(
        &self,
        secret: &str,
        work: impl FnOnce(&str) -> T + Send + 'static,
    ) -> T {
        // The semaphore is never closed; a worker thread that panics proves nothing about the secret.
        let _permit = self.hashing.acquire().await;
        let secret = secret.to_owned();
        tokio::task::spawn_blocking(move || work(&secret))
            .await
            .unwrap_or_default()
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

fn argon2() -> Option<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(secret: &str) -> Option<String> {
    let hash = argon2()?.hash_password(secret.as_bytes()).ok()?;
    Some(hash.to_string())
}

fn is_hash_of(stored: &str, secret: &str) -> bool {
    match (PasswordHash::new(stored), argon2()) {
        (Ok(stored), Some(argon2)) => argon2.verify_password(secret.as_bytes(), &stored).is_ok(),
        _ => false,
    }
}

fn fresh_secret() -> String {
    use std::fmt::Write;
    let bytes: [u8; 32] = rand::random();
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The admin token of a data directory, `<dir>/admin-token` (mode 0600), made on first use.
///
/// # Errors
/// When the directory cannot be written, or the file is there but holds no token.
pub fn load_or_create_admin_token(dir: &Path) -> Result<SecretString, OpenError> {
    let path = dir.join("admin-token");
    let unwritable = |source| OpenError::Unwritable {
        path: path.clone(),
        source,
    };
    match fs::read_to_string(&path) {
        Ok(text) if text.trim().len() >= 32 => return Ok(text.trim().into()),
        Ok(_) => return Err(OpenError::Token { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unwritable(error)),
    }
    fs::create_dir_all(dir).map_err(unwritable)?;
    let token = fresh_secret();
    let draft = dir.join(format!("admin-token.{}.tmp", std::process::id()));
    let written = write_private(&draft, &token).and_then(|()| {
        // A link fails if the name is taken, so that of two processes that start at once one token stands.
        fs::hard_link(&draft, &path)
    });
    // Left behind it would only be litter.
    let _ = fs::remove_file(&draft);
    match written {
        Ok(()) => Ok(token.into()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(&path)
            .map(|text| text.trim().into())
            .map_err(unwritable),
        Err(error) => Err(unwritable(error)),
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
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

    #[test]
    fn a_hash_admits_its_secret_only() {
        let stored = hash("open sesame").expect("hashed");
        assert!(stored.starts_with("$argon2id$"));
        assert!(is_hash_of(&stored, "open sesame"));
        assert!(!is_hash_of(&stored, "open says me"));
        assert!(!is_hash_of("", "open sesame"));
    }

    #[test]
    fn the_admin_token_is_private_and_stays() -> Result<(), Box<dyn std::error::Error>> {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir()?;
        let inner = dir.path().join("data");
        let first = load_or_create_admin_token(&inner)?;
        let again = load_or_create_admin_token(&inner)?;
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert_eq!(first.expose_secret().len(), 64);
        let mode = fs::metadata(inner.join("admin-token"))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&inner)?.count(), 1, "no litter");
        fs::write(inner.join("admin-token"), "\n")?;
        assert!(matches!(
            load_or_create_admin_token(&inner),
            Err(OpenError::Token { .. })
        ));
        Ok(())
    }
}
