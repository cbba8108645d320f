//! A small cache whose entries are looked at again after about a minute.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mc_core::Timestamp;

/// How long an entry is used before the store is asked again.
pub const FRESH: Duration = Duration::from_secs(60);

/// More entries than this and the stale ones are dropped.
const CAPACITY: usize = 10_000;

/// Values by key, each with the time it was read.
pub struct Cache<K, V> {
    entries: Mutex<HashMap<K, (Timestamp, Arc<V>)>>,
}

impl<K: Hash + Eq + Clone, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self { entries: Mutex::new(HashMap::new()) }
    }
}

impl<K: Hash + Eq + Clone, V> Cache<K, V> {
    /// The value, if it was read within the last minute.
    pub fn fresh<Q>(&self, key: &Q, now: Timestamp) -> Option<Arc<V>>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(read, _)| now.since(*read) < FRESH).map(|(_, value)| value.clone())
    }

    /// The value however old, for those who can tell whether it still holds.
    pub fn any<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).map(|(_, value)| value.clone())
    }

    /// Keeps a value just read.
    pub fn keep(&self, key: K, value: Arc<V>, now: Timestamp) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CAPACITY {
            entries.retain(|_, (read, _)| now.since(*read) < FRESH);
            if entries.len() >= CAPACITY {
                entries.clear();
            }
        }
        entries.insert(key, (now, value));
    }

    /// Forgets a value that was changed here.
    pub fn forget<Q>(&self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
