//! The real clock, ids and randomness: the one place where they are taken from the air.
#![deny(missing_docs)]

use std::sync::{Mutex, PoisonError};

use mc_core::Timestamp;
use mc_core::ports::{Clock, Ids, Random};
use ring::rand::{SecureRandom, SystemRandom};
use ulid::Ulid;

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Random bytes from the operating system.
pub struct OsRandom(SystemRandom);

impl OsRandom {
    /// A source of its own.
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Default for OsRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) {
        // The kernel's generator does not fail once the machine is up; without it nothing here is safe.
        if self.0.fill(buffer).is_err() {
            std::process::abort();
        }
    }
}

/// ULIDs that ascend within the process.
pub struct AscendingIds {
    random: OsRandom,
    last: Mutex<Ulid>,
}

impl AscendingIds {
    /// Ids that begin now.
    pub fn new() -> Self {
        Self { random: OsRandom::new(), last: Mutex::new(Ulid::nil()) }
    }
}

impl Default for AscendingIds {
    fn default() -> Self {
        Self::new()
    }
}

impl Ids for AscendingIds {
    fn ulid(&self, now: Timestamp) -> Ulid {
        let ms = u64::try_from(now.millis()).unwrap_or(0);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = match last.increment() {
            // The same millisecond, or a clock that stepped back: one more than the last.
            Ok(next) if last.timestamp_ms() >= ms => next,
            _ => {
                let mut bytes = [0; 16];
                self.random.fill(&mut bytes[..10]);
                Ulid::from_parts(ms, u128::from_le_bytes(bytes))
            }
        };
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_even_when_the_clock_does_not() {
        let ids = AscendingIds::new();
        let mut last = ids.ulid(Timestamp::from_millis(5_000));
        for ms in [5_000, 5_000, 4_000, 5_001, 5_001, 9_000] {
            let next = ids.ulid(Timestamp::from_millis(ms));
            assert!(next > last);
            last = next;
        }
        assert_eq!(last.timestamp_ms(), 9_000);
    }
}
