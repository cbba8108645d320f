//! Operators' passwords: argon2id, as PHC strings.
//!
//! The cost is the minimum that OWASP recommends for argon2id: 19 MiB, two passes, one lane. A hash keeps its own
//! parameters, so they can be raised at any time; [`needs_rehash`] says when a login should store a new one.

use std::{fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{Error as HashError, phc::PasswordHash},
};
use mc_core::{Secret, ports::Random};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Memory in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Bytes of salt.
const SALT: usize = 16;

/// A longer password is refused before any work.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Why a password could not be hashed or checked. Never says anything about the password itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordError {
    /// The new password is empty or longer than [`MAX_PASSWORD_BYTES`].
    Length,
    /// The stored hash cannot be read.
    StoredHash,
    /// The work was not done: the runtime is shutting down, or out of memory.
    NotDone,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a password must have 1 to 1024 bytes",
            Self::StoredHash => "the stored password hash cannot be read",
            Self::NotDone => "the password could not be processed now",
        })
    }
}

impl std::error::Error for PasswordError {}

/// Hashes a new password; blocks for its cost.
pub fn hash(password: &Secret, random: &dyn Random) -> Result<String, PasswordError> {
    let password = password.expose().as_bytes();
    if !(1..=MAX_PASSWORD_BYTES).contains(&password.len()) {
        return Err(PasswordError::Length);
    }
    let mut salt = [0; SALT];
    random.fill(&mut salt);
    let hash = argon2()?.hash_password_with_salt(password, &salt).map_err(|_| PasswordError::NotDone)?;
    Ok(hash.to_string())
}

/// Checks a password; blocks for its cost.
///
/// Without a stored hash, as for an unknown user, the answer is `false` after the same work, so that the time does not
/// tell which names exist.
pub fn verify(password: &Secret, stored: Option<&str>) -> Result<bool, PasswordError> {
    let password = password.expose().as_bytes();
    if password.len() > MAX_PASSWORD_BYTES {
        return Ok(false);
    }
    let Some(stored) = stored else {
        argon2()?.hash_password_with_salt(password, &[0; SALT]).map_err(|_| PasswordError::NotDone)?;
        return Ok(false);
    };
    let stored = PasswordHash::new(stored).map_err(|_| PasswordError::StoredHash)?;
    if stored.salt.is_none() || stored.hash.is_none() {
        return Err(PasswordError::StoredHash);
    }
    match Argon2::default().verify_password(password, &stored) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(_) => Err(PasswordError::StoredHash),
    }
}

/// Whether the hash was made with other parameters than today's.
pub fn needs_rehash(stored: &str) -> bool {
    let current = format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$");
    !stored.starts_with(&current)
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| PasswordError::NotDone)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes and checks off the async threads, a few at a time: each takes 19 MiB while it runs.
#[derive(Clone, Debug)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

impl Passwords {
    /// At most `parallel` at once (at least one); the others wait.
    pub fn new(parallel: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(parallel.max(1))) }
    }

    /// See [`hash`].
    pub async fn hash(&self, password: Secret, random: Arc<dyn Random>) -> Result<String, PasswordError> {
        self.run(move || hash(&password, random.as_ref())).await
    }

    /// See [`verify`].
    pub async fn verify(&self, password: Secret, stored: Option<String>) -> Result<bool, PasswordError> {
        self.run(move || verify(&password, stored.as_deref())).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| PasswordError::NotDone)?;
        let task = spawn_blocking(move || {
            // Held by the work, not by the caller: who hangs up does not make room before the memory is free.
            let _permit = permit;
            work()
        });
        task.await.map_err(|_| PasswordError::NotDone)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Random for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            for (index, byte) in buffer.iter_mut().enumerate() {
                *byte = u8::try_from(index % 251).unwrap();
            }
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn a_hash_verifies_its_password_only() {
        let stored = hash(&secret("密码 correct horse"), &Counting).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$"), "{stored}");
        assert!(!needs_rehash(&stored));
        assert_eq!(verify(&secret("密码 correct horse"), Some(&stored)), Ok(true));
        assert_eq!(verify(&secret("密码 correct hors"), Some(&stored)), Ok(false));
        assert_eq!(verify(&secret(""), Some(&stored)), Ok(false));
    }

    #[test]
    fn hashes_of_other_parameters_still_verify() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let stored = weak.hash_password_with_salt(b"hunter2", b"0123456789abcdef").unwrap().to_string();
        assert_eq!(verify(&secret("hunter2"), Some(&stored)), Ok(true));
        assert_eq!(verify(&secret("hunter3"), Some(&stored)), Ok(false));
        assert!(needs_rehash(&stored));
    }

    #[test]
    fn unknown_users_and_broken_hashes() {
        assert_eq!(verify(&secret("hunter2"), None), Ok(false));
        for broken in [
            "",
            "hunter2",
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
            "$scrypt$ln=16$AAAA$AAAA",
        ] {
            assert_eq!(verify(&secret("hunter2"), Some(broken)), Err(PasswordError::StoredHash), "{broken}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        assert_eq!(hash(&secret(""), &Counting), Err(PasswordError::Length));
        assert_eq!(hash(&secret(&long), &Counting), Err(PasswordError::Length));
        assert_eq!(verify(&secret(&long), Some("not even read")), Ok(false));
    }

    #[tokio::test]
    async fn runs_off_the_async_threads() {
        let passwords = Passwords::new(0);
        let stored = passwords.hash(secret("hunter2"), Arc::new(Counting)).await.unwrap();
        let (good, bad) = tokio::join!(
            passwords.verify(secret("hunter2"), Some(stored.clone())),
            passwords.verify(secret("hunter3"), Some(stored)),
        );
        assert_eq!((good, bad), (Ok(true), Ok(false)));
    }
}
