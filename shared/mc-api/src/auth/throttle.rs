//! Slowing down password guessing.
//!
//! Every attempt counts as a failure until [`LoginThrottle::succeeded`] takes it back, so attempts sent in parallel do
//! not all slip through before the first one is answered. After a few free attempts the wait doubles with each one.
//! Anybody can spoil a username, so that wait stays short; an address spoils only itself and may wait long.
//!
//! The state is in memory and per process: behind several processes an attacker gets a few times as many tries.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ring::digest;

/// How one kind of key is slowed down.
#[derive(Debug, Clone, Copy)]
struct Policy {
    /// Attempts without a wait.
    free: u32,
    /// The wait after the first attempt beyond; it doubles from there.
    first_wait_ms: i64,
    /// The longest wait.
    longest_wait_ms: i64,
    /// A key that was quiet for this long starts anew.
    forget_after_ms: i64,
}

const USERNAME: Policy =
    Policy { free: 5, first_wait_ms: 1_000, longest_wait_ms: 30_000, forget_after_ms: 15 * 60_000 };
const SOURCE: Policy =
    Policy { free: 20, first_wait_ms: 1_000, longest_wait_ms: 15 * 60_000, forget_after_ms: 60 * 60_000 };

/// Counts attempts per username and per source address.
pub struct LoginThrottle {
    tables: Mutex<Tables>,
}

struct Tables {
    usernames: Table,
    sources: Table,
}

impl LoginThrottle {
    /// Remembers at most `capacity` usernames and as many addresses, about 100 bytes each.
    pub fn new(capacity: usize) -> Self {
        let tables =
            Tables { usernames: Table::new(USERNAME, capacity), sources: Table::new(SOURCE, capacity) };
        Self { tables: Mutex::new(tables) }
    }

    /// Asks whether a password may be checked now, and counts the attempt if so. Otherwise answers how long to wait;
    /// asking too early does not make the wait longer.
    ///
    /// Without a known address only the username is slowed down: all strangers are not one stranger.
    pub fn admit(
        &self,
        username: &str,
        source: impl Into<Option<IpAddr>>,
        now_unix_ms: i64,
    ) -> Result<(), Duration> {
        let (username, source) = (username_key(username), source.into().map(source_key));
        let mut tables = self.lock();
        let source_wait_ms = source.map_or(0, |source| tables.sources.wait_ms(&source, now_unix_ms));
        let wait_ms = tables.usernames.wait_ms(&username, now_unix_ms).max(source_wait_ms);
        if wait_ms > 0 {
            return Err(Duration::from_millis(wait_ms.unsigned_abs()));
        }
        tables.usernames.count(username, now_unix_ms);
        if let Some(source) = source {
            tables.sources.count(source, now_unix_ms);
        }
        Ok(())
    }

    /// Takes back an attempt whose password was right. The username starts anew; the address only gets this attempt
    /// back, or else one good account would pay for guessing at others.
    pub fn succeeded(&self, username: &str, source: impl Into<Option<IpAddr>>) {
        let mut tables = self.lock();
        tables.usernames.entries.remove(&username_key(username));
        let source = source.into().map(source_key);
        if let Some(entry) = source.and_then(|source| tables.sources.entries.get_mut(&source)) {
            entry.attempts = entry.attempts.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LoginThrottle {
    fn default() -> Self {
        Self::new(4096)
    }
}

/// Of fixed size, however long the name is that somebody sends.
type Key = [u8; 16];

fn username_key(username: &str) -> Key {
    let hash = digest::digest(&digest::SHA256, username.trim().to_lowercase().as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(&hash.as_ref()[..16]);
    key
}

/// The address; of IPv6 the /64, because one host has all of it.
fn source_key(source: IpAddr) -> Key {
    match source.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => {
            let mut key = v6.octets();
            key[8..].fill(0);
            key
        }
    }
}

struct Table {
    policy: Policy,
    capacity: usize,
    entries: HashMap<Key, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    attempts: u32,
    last_ms: i64,
}

impl Table {
    fn new(policy: Policy, capacity: usize) -> Self {
        Self { policy, capacity: capacity.max(1), entries: HashMap::new() }
    }

    /// How long `key` still has to wait; 0 or less if it need not.
    fn wait_ms(&self, key: &Key, now_ms: i64) -> i64 {
        let Some(entry) = self.entries.get(key) else { return 0 };
        let Some(beyond) = entry.attempts.checked_sub(self.policy.free) else { return 0 };
        let doubled = self.policy.first_wait_ms.saturating_mul(1 << beyond.min(30));
        let wait_ms = doubled.min(self.policy.longest_wait_ms);
        // A clock that was set back must not lock anyone out for longer than the wait itself.
        entry.last_ms.min(now_ms).saturating_add(wait_ms).saturating_sub(now_ms)
    }

    fn count(&mut self, key: Key, now_ms: i64) {
        if !self.entries.contains_key(&key) && self.entries.len() >= self.capacity {
            self.make_room(now_ms);
        }
        let entry = self.entries.entry(key).or_insert(Entry { attempts: 0, last_ms: now_ms });
        if is_quiet(entry, &self.policy, now_ms) {
            entry.attempts = 0;
        }
        *entry = Entry { attempts: entry.attempts.saturating_add(1), last_ms: now_ms };
    }

    /// Drops what is forgotten anyway, else the entry with the fewest attempts, the oldest of them: flooding the table
    /// with fresh names does not free a name that is under attack.
    fn make_room(&mut self, now_ms: i64) {
        let policy = self.policy;
        self.entries.retain(|_, entry| !is_quiet(entry, &policy, now_ms));
        if self.entries.len() >= self.capacity {
            let least = self.entries.iter().min_by_key(|(_, entry)| (entry.attempts, entry.last_ms));
            if let Some(key) = least.map(|(key, _)| *key) {
                self.entries.remove(&key);
            }
        }
    }
}

fn is_quiet(entry: &Entry, policy: &Policy, now_ms: i64) -> bool {
    now_ms.saturating_sub(entry.last_ms) >= policy.forget_after_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn seconds(wait: u64) -> Result<(), Duration> {
        Err(Duration::from_secs(wait))
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        let throttle = LoginThrottle::new(10);
        let mut now = 1_000_000;
        for _ in 0..5 {
            assert_eq!(throttle.admit("admin", HOME, now), Ok(()));
        }
        for wait in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(throttle.admit("admin", HOME, now), seconds(wait));
            now += i64::try_from(wait).unwrap() * 1000 - 1;
            assert_eq!(throttle.admit("admin", HOME, now), Err(Duration::from_millis(1)));
            now += 1;
            assert_eq!(throttle.admit("admin", HOME, now), Ok(()));
        }
        assert_eq!(throttle.admit("other", HOME, now), Ok(()), "another name is free");
        assert_eq!(throttle.admit(" ADMIN ", HOME, now), seconds(30), "a spelling is not another name");
        assert_eq!(throttle.admit("admin", HOME, now + 15 * 60_000), Ok(()), "forgotten");
        assert_eq!(throttle.admit("admin", HOME, now + 15 * 60_000), Ok(()));
    }

    #[test]
    fn an_address_waits_whatever_names_it_tries() {
        let throttle = LoginThrottle::new(100);
        for index in 0..20 {
            assert_eq!(throttle.admit(&format!("user{index}"), HOME, 0), Ok(()));
        }
        assert_eq!(throttle.admit("admin", HOME, 0), seconds(1));
        assert_eq!(throttle.admit("admin", address("::ffff:192.0.2.1"), 0), seconds(1), "the same address");
        assert_eq!(throttle.admit("admin", address("192.0.2.2"), 0), Ok(()));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let throttle = LoginThrottle::new(100);
        for index in 0..20 {
            assert_eq!(
                throttle.admit(&format!("u{index}"), address(&format!("2001:db8::{index}")), 0),
                Ok(())
            );
        }
        assert_eq!(throttle.admit("admin", address("2001:db8::ffff:1"), 0), seconds(1));
        assert_eq!(throttle.admit("admin", address("2001:db8:0:1::1"), 0), Ok(()));
    }

    #[test]
    fn success_frees_the_name_and_refunds_the_address() {
        let throttle = LoginThrottle::new(10);
        for _ in 0..100 {
            assert_eq!(throttle.admit("admin", HOME, 0), Ok(()));
            throttle.succeeded("admin", HOME);
        }
        for _ in 0..4 {
            for index in 0..5 {
                assert_eq!(throttle.admit(&format!("user{index}"), HOME, 0), Ok(()));
            }
        }
        throttle.succeeded("user0", HOME);
        assert_eq!(throttle.admit("admin", HOME, 0), Ok(()));
        assert_eq!(throttle.admit("admin", HOME, 0), seconds(1), "one attempt was refunded, not all");
        throttle.succeeded("nobody", address("192.0.2.9"));
    }

    #[test]
    fn memory_is_bounded_and_attacked_names_stay() {
        let throttle = LoginThrottle::new(10);
        for _ in 0..5 {
            assert_eq!(throttle.admit("admin", HOME, 0), Ok(()));
        }
        for index in 0..200_u32 {
            let source = IpAddr::V4((0x0a00_0000 + index).into());
            assert_eq!(throttle.admit(&format!("user{index}"), source, 0), Ok(()));
        }
        let tables = throttle.lock();
        assert_eq!((tables.usernames.entries.len(), tables.sources.entries.len()), (10, 10));
        drop(tables);
        assert_eq!(throttle.admit("admin", HOME, 0), seconds(1));
    }

    #[test]
    fn strange_clocks_do_no_harm() {
        let throttle = LoginThrottle::new(10);
        for now in [i64::MAX, 0, i64::MIN, i64::MAX, -1, 5, 5] {
            let _ = throttle.admit("admin", HOME, now);
        }
        for _ in 0..10 {
            let _ = throttle.admit("set-back", HOME, 1_000_000);
        }
        assert!(throttle.admit("set-back", HOME, 0).unwrap_err() <= Duration::from_secs(30));
    }
}
