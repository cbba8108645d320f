//! How often one robot may speak.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::options::RateLimit;

/// From this many robots on, those that have been silent are forgotten.
const MANY_ROBOTS: usize = 10_000;

/// A sliding window per robot, and a block once it overflows.
///
/// Calls are counted, not deliveries: the pages speak of messages, but a platform counts what it must
/// answer, and counting too much is the stricter reading.
pub(crate) struct Limiter {
    limit: Option<RateLimit>,
    block_ms: u64,
    robots: Mutex<HashMap<String, Robot>>,
}

#[derive(Default)]
struct Robot {
    calls: VecDeque<u64>,
    blocked_until: u64,
}

impl Limiter {
    /// After an overflow the robot is blocked for `block_windows` whole windows.
    pub(crate) fn new(limit: Option<RateLimit>, block_windows: u64) -> Limiter {
        let block_ms = limit.map_or(0, |limit| millis(limit).saturating_mul(block_windows));
        Limiter { limit, block_ms, robots: Mutex::default() }
    }

    /// Whether this call still fits. Calls during a block do not prolong it.
    pub(crate) fn allows(&self, robot: &str, now: u64) -> bool {
        let Some(limit) = self.limit else { return true };
        let window = millis(limit);
        let mut robots = self.robots.lock().unwrap_or_else(PoisonError::into_inner);
        if robots.len() >= MANY_ROBOTS {
            robots.retain(|_, robot| robot.calls.back().is_some_and(|at| now.saturating_sub(*at) < window));
        }
        let robot = robots.entry(robot.to_owned()).or_default();
        if now < robot.blocked_until {
            return false;
        }
        while robot.calls.front().is_some_and(|at| now.saturating_sub(*at) >= window) {
            robot.calls.pop_front();
        }
        if robot.calls.len() >= limit.messages {
            robot.blocked_until = now.saturating_add(self.block_ms);
            return false;
        }
        robot.calls.push_back(now);
        true
    }
}

fn millis(limit: RateLimit) -> u64 {
    u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_21st_call_is_refused_and_starts_a_block() {
        let limiter = Limiter::new(Some(RateLimit::default()), 1);
        for call in 0..20 {
            assert!(limiter.allows("robot", 1_000 * call));
        }
        assert!(!limiter.allows("robot", 59_000));
        assert!(!limiter.allows("robot", 118_999), "blocked for a whole window after the overflow");
        assert!(limiter.allows("robot", 119_000));
        assert!(limiter.allows("other", 59_000), "each robot counts for itself");
    }

    #[test]
    fn the_window_slides() {
        let limiter = Limiter::new(Some(RateLimit::default()), 1);
        for _ in 0..20 {
            assert!(limiter.allows("robot", 0));
        }
        assert!(limiter.allows("robot", 60_000));
    }
}
