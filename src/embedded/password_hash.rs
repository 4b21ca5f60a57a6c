//! The slow hash of workers' secrets: Argon2id, on a few threads at a time.

use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory in KiB, passes, lanes. Secrets are 256 random bits, so a moderate cost is enough.
const COST: (u32, u32, u32) = (12 * 1024, 3, 1);

/// How many hashes run at once. Each takes a core.
const CONCURRENCY: usize = 2;

/// The working memory of one hash, of whatever length the last one needed.
type Memory = Vec<Block>;

/// Hashes and verifies secrets, and limits how many cores that takes.
#[derive(Debug)]
pub(super) struct PasswordHasher {
    permits: Arc<Semaphore>,
    /// Working memory for reuse. Allocated for each hash, it would stay behind in the allocator's arena of every
    /// thread that ever hashed.
    memory: Arc<Mutex<Vec<Memory>>>,
    /// Verified in place of the hash of an unknown worker, so that both take the same time.
    dummy_hash: Arc<str>,
}

/// The right to run one hash. It is `None` only when the semaphore is closed, which never happens.
pub(super) type HashPermit = Option<OwnedSemaphorePermit>;

impl PasswordHasher {
    pub(super) fn new() -> Self {
        let mut memory = Memory::new();
        let dummy_hash = hash(&random_secret(), &mut memory).unwrap_or_default();
        Self {
            permits: Arc::new(Semaphore::new(CONCURRENCY)),
            memory: Arc::new(Mutex::new(vec![memory])),
            dummy_hash: dummy_hash.into(),
        }
    }

    /// Waits until a hash may run.
    pub(super) async fn permit(&self) -> HashPermit {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// The hash of a secret. `None` when it cannot be computed.
    pub(super) async fn hash(&self, secret: &str) -> Option<String> {
        let (permit, secret) = (self.permit().await, secret.to_owned());
        self.run(permit, move |memory| hash(&secret, memory)).await
    }

    /// Whether `stored` is the hash of the secret. Without a stored hash it takes as long and is false.
    pub(super) async fn verify(&self, permit: HashPermit, stored: Option<String>, secret: &str) -> bool {
        let is_known = stored.is_some();
        let stored = stored.map_or_else(|| self.dummy_hash.clone(), Into::into);
        let secret = secret.to_owned();
        let is_match = self
            .run(permit, move |memory| is_hash_of(&stored, &secret, memory))
            .await;
        is_match && is_known
    }

    async fn run<T: Default + Send + 'static>(
        &self,
        permit: HashPermit,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> T {
        let pool = self.memory.clone();
        tokio::task::spawn_blocking(move || {
            // Held by the thread, not by the caller: the caller may hang up while the hash goes on.
            let _permit = permit;
            let mut memory = pool.lock().pop().unwrap_or_default();
            let result = work(&mut memory);
            pool.lock().push(memory);
            result
        })
        .await
        // A thread that panicked has verified nothing.
        .unwrap_or_default()
    }
}

/// Argon2id, version 19. `None` when the parameters are invalid.
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
    let mut compare = || {
        let stored = PasswordHash::new(stored).ok()?;
        let is_ours = stored.algorithm == Algorithm::Argon2id.ident() && stored.version == Some(Version::V0x13.into());
        let params = Params::try_from(&stored.params).ok().filter(|_| is_ours)?;
        let out: [u8; Params::DEFAULT_OUTPUT_LEN] = argon2id(secret, stored.salt.as_ref()?, &params, memory)?;
        Some(bool::from(out.ct_eq(stored.hash.as_ref()?.as_bytes())))
    };
    compare().unwrap_or(false)
}

/// 256 random bits in lowercase hex.
pub(super) fn random_secret() -> String {
    use std::fmt::Write;
    let bytes: [u8; 32] = rand::random();
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_only_its_secret_whatever_its_memory_held() {
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
}
