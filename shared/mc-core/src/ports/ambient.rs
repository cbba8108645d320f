//! Time, ids and randomness, which nobody here takes from the air.

use ulid::Ulid;

use crate::time::Timestamp;

/// The wall clock.
pub trait Clock: Send + Sync {
    /// The time now.
    ///
    /// # Behavior
    /// - May stand still or step back a little (clock corrections); nothing may rely on two readings differing.
    fn now(&self) -> Timestamp;
}

/// Where new ids come from.
pub trait Ids: Send + Sync {
    /// A ULID of the time `now`.
    ///
    /// # Behavior
    /// - Two calls never answer the same id.
    /// - Ids of one process and one millisecond ascend, so that a listing by id is a listing by acceptance.
    fn ulid(&self, now: Timestamp) -> Ulid;
}

/// Where secrets, nonces and jitter come from.
pub trait Random: Send + Sync {
    /// Fills the buffer with random bytes fit for keys.
    fn fill(&self, buffer: &mut [u8]);

    /// A number from 0 (included) to 1 (excluded), for jitter.
    fn unit(&self) -> f64 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}
