//! Signing keys, derived once a day and kept.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::{digest, hmac};
use zeroize::Zeroizing;

use super::{AuthFailure, Parsed, SERVICE, SignedRequest, check_before_signature, check_signature};

/// Entries that share one lock and one small list.
const WAYS: usize = 4;

/// A bounded cache of signing keys.
///
/// Deriving a key takes four HMACs, more than all the rest of a verification. An entry is found by a hash over secret,
/// day and region, so a rotated secret simply misses, and no secret is kept. Only keys that have verified a request
/// are stored, so strangers cannot push others out.
pub struct SigningKeys {
    sets: Box<[Mutex<Vec<Entry>>]>,
}

struct Entry {
    tag: Tag,
    key: hmac::Key,
}

type Tag = [u8; digest::SHA256_OUTPUT_LEN];

impl SigningKeys {
    /// A cache for about `capacity` keys, about 300 bytes each.
    pub fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(WAYS).max(1);
        Self { sets: (0..sets).map(|_| Mutex::new(Vec::new())).collect() }
    }

    /// The same as [`super::verify`], quicker for callers that come back.
    pub fn verify(
        &self,
        parsed: &Parsed<'_>,
        request: &SignedRequest<'_>,
        secret: &[u8],
        now_unix_ms: i64,
    ) -> Result<(), AuthFailure> {
        let body_hash = check_before_signature(parsed, request, now_unix_ms)?;
        let tag = tag(secret, parsed.date, parsed.region);
        if let Some(key) = self.get(&tag) {
            return check_signature(parsed, request, &body_hash, &key);
        }
        let key = derive(secret, parsed.date, parsed.region);
        check_signature(parsed, request, &body_hash, &key)?;
        self.put(tag, key);
        Ok(())
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.sets.iter().map(|set| lock(set).len()).sum()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn get(&self, tag: &Tag) -> Option<hmac::Key> {
        let mut set = self.set(tag);
        let index = set.iter().position(|entry| entry.tag == *tag)?;
        // The list is ordered by last use.
        set[..=index].rotate_right(1);
        set.first().map(|entry| entry.key.clone())
    }

    fn put(&self, tag: Tag, key: hmac::Key) {
        let mut set = self.set(&tag);
        set.retain(|entry| entry.tag != tag);
        set.truncate(WAYS - 1);
        set.insert(0, Entry { tag, key });
    }

    fn set(&self, tag: &Tag) -> MutexGuard<'_, Vec<Entry>> {
        let spread = usize::from(tag[0]) << 8 | usize::from(tag[1]);
        lock(&self.sets[spread % self.sets.len()])
    }
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self::new(256)
    }
}

/// A panic elsewhere cannot leave a list half changed in a way that matters: an entry is right by itself.
fn lock(set: &Mutex<Vec<Entry>>) -> MutexGuard<'_, Vec<Entry>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tag(secret: &[u8], date: &str, region: &str) -> Tag {
    let mut hash = digest::Context::new(&digest::SHA256);
    // The length keeps secret and day apart; the day has a fixed length.
    hash.update(&secret.len().to_le_bytes());
    for part in [secret, date.as_bytes(), region.as_bytes()] {
        hash.update(part);
    }
    let mut tag = Tag::default();
    tag.copy_from_slice(hash.finish().as_ref());
    tag
}

pub(super) fn derive(secret: &[u8], date: &str, region: &str) -> hmac::Key {
    let mut prefixed = Zeroizing::new(Vec::with_capacity(secret.len() + 4));
    prefixed.extend_from_slice(b"AWS4");
    prefixed.extend_from_slice(secret);
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, &prefixed);
    for part in [date, region, SERVICE, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(keys: &SigningKeys, secret: &[u8]) {
        keys.put(tag(secret, "20261101", "any"), derive(secret, "20261101", "any"));
    }

    fn holds(keys: &SigningKeys, secret: &[u8]) -> bool {
        keys.get(&tag(secret, "20261101", "any")).is_some()
    }

    #[test]
    fn the_least_recently_used_key_goes() {
        let keys = SigningKeys::new(WAYS);
        let secrets: Vec<_> = (0_u8..5).map(|n| [n; 40]).collect();
        for secret in &secrets[..WAYS] {
            put(&keys, secret);
        }
        assert!(holds(&keys, &secrets[0]), "and used again by this");
        put(&keys, &secrets[4]);
        let held: Vec<_> = secrets.iter().map(|secret| holds(&keys, secret)).collect();
        assert_eq!(held, [true, false, true, true, true]);
    }

    #[test]
    fn it_stays_bounded() {
        let keys = SigningKeys::new(16);
        for n in 0..1_000_u16 {
            put(&keys, &n.to_le_bytes());
            put(&keys, &n.to_le_bytes());
        }
        assert_eq!(keys.len(), 16);
        let smallest = SigningKeys::new(0);
        put(&smallest, b"x");
        assert!(holds(&smallest, b"x"));
    }

    #[test]
    fn secret_day_and_region_all_count() {
        let tags = [
            tag(b"secret", "20261101", "any"),
            tag(b"secret2", "20261101", "any"),
            tag(b"secret", "20261102", "any"),
            tag(b"secret", "20261101", "any2"),
            tag(b"secret2", "0261101a", "ny"),
        ];
        let different: std::collections::HashSet<_> = tags.iter().collect();
        assert_eq!(different.len(), tags.len());
    }
}
