//! Credentials (`ch07 §13`): the admin token, and one secret per worker of which only a slow hash is kept.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Authentication;
use super::authority::Caller;
use super::storage::{OpenError, ScopeKey, StorageError, Store};
use crate::private_file::write_private;
use crate::protocol::*;

/// Memory in KiB, passes, lanes. Secrets are 256 random bits, so this need only be respectable.
const COST: (u32, u32, u32) = (12 * 1024, 3, 1);

type SecretDigest = [u8; 32];

/// The working memory of one slow hash, of whatever length the last one needed.
type Memory = Vec<Block>;

/// Checks bearers. A worker's secret is put through the slow hash once and remembered by its digest until
/// it is reissued; failures are never remembered.
#[derive(Debug)]
pub(super) struct Auth {
    /// The digest of the admin token; `None` believes everybody.
    admin: Option<SecretDigest>,
    verified: Mutex<Verified>,
    /// Bounds the cores that slow hashes may take from everybody else.
    hashing: Arc<Semaphore>,
    /// What slow hashes work in, handed from one to the next. Allocated anew each time, it would stay behind in the
    /// allocator's arena of each thread that ever hashed.
    memory: Arc<Mutex<Vec<Memory>>>,
    /// What the secret of an unknown worker is checked against, so that it takes as long as a wrong one.
    decoy: String,
}

/// Which of a worker's secrets proved a caller: how often it had been replaced by then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Proof(u64);

type Key = (ScopeKey, WorkerId);

#[derive(Debug, Default)]
struct Verified {
    reissues: HashMap<Key, Proof>,
    digests: HashMap<Key, SecretDigest>,
}

impl Verified {
    fn reissues(&self, worker: &Key) -> Proof {
        self.reissues.get(worker).copied().unwrap_or_default()
    }

    /// The proof that this secret is, if it has been found good before.
    fn proof(&self, worker: &Key, given: SecretDigest) -> Option<Proof> {
        let known = self.digests.get(worker)?;
        bool::from(known.ct_eq(&given)).then(|| self.reissues(worker))
    }
}

impl Auth {
    pub(super) fn new(authentication: &Authentication) -> Self {
        let mut memory = Memory::new();
        let decoy = hash(&fresh_secret(), &mut memory).unwrap_or_default();
        Self {
            admin: match authentication {
                Authentication::AdminToken(token) => Some(digest(token.expose_secret())),
                Authentication::Off => None,
            },
            verified: Mutex::default(),
            hashing: Arc::new(Semaphore::new(2)),
            memory: Arc::new(Mutex::new(vec![memory])),
            decoy,
        }
    }

    /// The caller, if the `Authorization` header proves who it is. `scope` is the registry its worker would be
    /// in; without one only the admin token is good. With authentication off everybody is who they say, and who
    /// says nothing is the admin.
    pub(super) async fn authenticate(
        &self,
        store: &Store,
        scope: Option<ScopeKey>,
        header: Option<&str>,
    ) -> Result<Option<Caller>, StorageError> {
        let bearer = header.map(parse_bearer);
        let Some(admin) = self.admin else {
            let principal = bearer.map_or(Some(Actor::Admin), |bearer| Some(bearer?.0));
            return Ok(principal.map(Caller::unchecked));
        };
        let Some((principal, secret)) = bearer.flatten() else {
            return Ok(None);
        };
        let given = digest(secret);
        let proof = match &principal {
            Actor::Admin => bool::from(admin.ct_eq(&given)).then_some(Proof::default()),
            Actor::Worker(worker) => self.prove(store, scope, worker, secret, given).await?,
        };
        Ok(proof.map(|proof| Caller::proven(principal, proof)))
    }

    /// Whether the secret that proved a caller is still the one.
    pub(super) fn still_holds(&self, scope: ScopeKey, caller: &Caller) -> bool {
        match caller.principal() {
            Actor::Worker(worker) if !caller.is_unchecked() => {
                caller.proof() == self.verified().reissues(&(scope, worker.clone()))
            }
            _ => true,
        }
    }

    async fn prove(
        &self,
        store: &Store,
        scope: Option<ScopeKey>,
        worker: &WorkerId,
        secret: &str,
        given: SecretDigest,
    ) -> Result<Option<Proof>, StorageError> {
        let Some(key) = scope.map(|scope| (scope, worker.clone())) else {
            let decoy = self.decoy.clone();
            let permit = self.permit().await;
            self.slowly(permit, secret, move |secret, memory| is_hash_of(&decoy, secret, memory))
                .await;
            return Ok(None);
        };
        if let Some(proof) = self.verified().proof(&key, given) {
            return Ok(Some(proof));
        }
        loop {
            let permit = self.permit().await;
            // Those who came with the same secret at the same time waited for the one who went ahead.
            if let Some(proof) = self.verified().proof(&key, given) {
                return Ok(Some(proof));
            }
            let before = self.verified().reissues(&key);
            let stored = store.read(key.0).await?.secret_hash(worker).await?;
            let is_known = stored.is_some();
            let stored = stored.unwrap_or_else(|| self.decoy.clone());
            let is_good = self
                .slowly(permit, secret, move |secret, memory| {
                    is_hash_of(&stored, secret, memory)
                })
                .await;
            let mut verified = self.verified();
            // What was compared with may have been replaced meanwhile.
            if verified.reissues(&key) != before {
                continue;
            }
            if !(is_good && is_known) {
                return Ok(None);
            }
            verified.digests.insert(key, given);
            return Ok(Some(before));
        }
    }

    /// A fresh secret and its hash. The secret is said once and not kept.
    pub(super) async fn issue(&self) -> Result<(SecretString, String), StorageError> {
        let secret = fresh_secret();
        let permit = self.permit().await;
        let hash = self.slowly(permit, &secret, hash).await;
        Ok((secret.into(), hash.ok_or(StorageError::Hash)?))
    }

    /// Makes what was proven with a worker's secret worthless. Called on both sides of the commit of a new one:
    /// before, so that nothing proven with the old one outlives the announcement; after, for what was proven between.
    pub(super) fn forget(&self, scope: ScopeKey, worker: &WorkerId) {
        let key = (scope, worker.clone());
        let mut verified = self.verified();
        verified.digests.remove(&key);
        verified.reissues.entry(key).or_default().0 += 1;
    }

    fn verified(&self) -> MutexGuard<'_, Verified> {
        // Never held across an await, and every change to it is one call.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among those who hash; nothing when there is no more hashing, which is never.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.hashing.clone().acquire_owned().await.ok()
    }

    async fn slowly<T: Default + Send + 'static>(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        secret: &str,
        work: impl FnOnce(&str, &mut Memory) -> T + Send + 'static,
    ) -> T {
        let secret = secret.to_owned();
        let spare = self.memory.clone();
        tokio::task::spawn_blocking(move || {
            // Held by the thread and not by the caller, who may hang up while the hash goes on.
            let _permit = permit;
            // A hash overwrites all it reads, so what a panic left in it does no harm.
            let spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = spare().pop().unwrap_or_default();
            let done = work(&secret, &mut memory);
            spare().push(memory);
            done
        })
        .await
        // A thread that panics proves nothing about the secret.
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

/// Argon2id, version 19. `None` when the parameters are none.
fn argon2id<const N: usize>(secret: &str, salt: &[u8], params: &Params, memory: &mut Memory) -> Option<[u8; N]> {
    memory.resize(params.block_count(), Block::default());
    let mut out = [0; N];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(secret.as_bytes(), salt, &mut out, memory)
        .ok()?;
    Some(out)
}

fn hash(secret: &str, memory: &mut Memory) -> Option<String> {
    let (kib, passes, lanes) = COST;
    let params = Params::new(kib, passes, lanes, None).ok()?;
    let salt: [u8; 16] = rand::random();
    let out: [u8; Params::DEFAULT_OUTPUT_LEN] = argon2id(secret, &salt, &params, memory)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).ok()?,
        salt: Some(Salt::new(&salt).ok()?),
        hash: Some(Output::new(&out).ok()?),
    };
    Some(hash.to_string())
}

fn is_hash_of(stored: &str, secret: &str, memory: &mut Memory) -> bool {
    let mut checked = || {
        let stored = PasswordHash::new(stored).ok()?;
        let ours = stored.algorithm == Algorithm::Argon2id.ident() && stored.version == Some(Version::V0x13.into());
        let params = Params::try_from(&stored.params).ok().filter(|_| ours)?;
        let out: [u8; Params::DEFAULT_OUTPUT_LEN] = argon2id(secret, stored.salt.as_ref()?, &params, memory)?;
        Some(bool::from(out.ct_eq(stored.hash.as_ref()?.as_bytes())))
    };
    checked().unwrap_or(false)
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
    let written = write_private(&draft, token.as_bytes()).and_then(|()| {
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
    fn a_hash_admits_its_secret_only_whatever_its_memory_held() {
        use argon2::PasswordVerifier as _;
        let mut memory = Memory::new();
        let first = hash("open sesame", &mut memory).expect("hashed");
        let second = hash("abracadabra", &mut memory).expect("hashed");
        assert!(first.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"));
        for (stored, secret) in [(&first, "open sesame"), (&second, "abracadabra")] {
            let independent = Argon2::default().verify_password(secret.as_bytes(), stored.as_str());
            assert_eq!(independent, Ok(()));
            assert!(is_hash_of(stored, secret, &mut memory));
            assert!(!is_hash_of(stored, "open says me", &mut memory));
        }
        for stored in ["", "no hash", &first.replace("$v=19", "$v=16")] {
            assert!(!is_hash_of(stored, "open sesame", &mut memory), "{stored}");
        }
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
