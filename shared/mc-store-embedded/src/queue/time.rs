//! The queue's own time, which never goes back.

use std::sync::{Arc, Mutex};

use mc_core::Timestamp;
use mc_core::ports::Clock;

use crate::fault::lock;

/// The clock's time, moved ahead by as much as the clock ever stepped back.
///
/// The order of rows rests on it: what is sent later is never due earlier. It goes on while the clock, set back,
/// catches up, so that delays keep their length.
pub(crate) struct QueueTime {
    clock: Arc<dyn Clock>,
    reading: Mutex<Reading>,
}

struct Reading {
    clock: i64,
    ahead: i64,
}

impl QueueTime {
    /// Starts at `not_before` if the clock is behind it.
    pub(crate) fn new(clock: Arc<dyn Clock>, not_before: i64) -> Self {
        let now = clock.now().millis();
        let ahead = not_before.saturating_sub(now).max(0);
        Self { clock, reading: Mutex::new(Reading { clock: now, ahead }) }
    }

    /// The queue's time in milliseconds.
    pub(crate) fn now(&self) -> i64 {
        let mut reading = lock(&self.reading);
        let now = self.clock.now().millis();
        if now < reading.clock {
            reading.ahead = reading.ahead.saturating_add(reading.clock - now);
        }
        reading.clock = now;
        now.saturating_add(reading.ahead)
    }

    /// The clock's own time.
    pub(crate) fn clock(&self) -> Timestamp {
        self.clock.now()
    }
}
