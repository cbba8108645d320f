//! Time, ids and randomness that do what the test says.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::ports::{Clock, Ids, Random};
use ulid::Ulid;

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct MockClock(AtomicI64);

impl MockClock {
    /// A clock that stands at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.millis()))
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Relaxed);
    }

    /// Moves it anywhere, back too.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.millis(), Relaxed);
    }
}

impl Default for MockClock {
    /// 2026-12-01T00:00:00Z, a Tuesday.
    fn default() -> Self {
        Self(AtomicI64::new(1_796_083_200_000))
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Relaxed))
    }
}

/// Ids that count up, the same in every run. Like the real ones they never go back in time.
#[derive(Debug, Default)]
pub struct SeqIds {
    count: AtomicU64,
    latest: AtomicU64,
}

impl Ids for SeqIds {
    fn ulid(&self, now: Timestamp) -> Ulid {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let millis = self.latest.fetch_max(millis, Relaxed).max(millis);
        Ulid::from_parts(millis, u128::from(self.count.fetch_add(1, Relaxed)) + 1)
    }
}

/// Numbers that look random and are the same in every run (SplitMix64).
#[derive(Debug)]
pub struct SeqRandom(AtomicU64);

impl SeqRandom {
    /// Another seed, another sequence.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Default for SeqRandom {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Random for SeqRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_only_when_told() {
        let clock = MockClock::default();
        assert_eq!(clock.now().to_string(), "2026-12-01T00:00:00.000Z");
        clock.advance(Duration::from_secs(61));
        assert_eq!(clock.now().to_string(), "2026-12-01T00:01:01.000Z");
    }

    #[test]
    fn ids_and_numbers_are_the_same_in_every_run() {
        let (a, b) = (SeqIds::default(), SeqIds::default());
        let now = Timestamp::from_millis(5);
        assert_eq!(a.ulid(now), b.ulid(now));
        assert!(a.ulid(now) < a.ulid(now));
        let (mut x, mut y) = ([0; 20], [0; 20]);
        SeqRandom::default().fill(&mut x);
        SeqRandom::default().fill(&mut y);
        assert_eq!(x, y);
        assert_ne!(x[..8], x[8..16]);
    }
}
