//! The logs of what was taken of each limit, and where the next ones go.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::Priority;
use mc_core::ports::{RateLimit, Slot};
use serde::{Deserialize, Serialize};

/// Windows are kept this much longer than the platform's, because its clock sees our pushes a little later.
const MARGIN: f64 = 1.03;

/// A window is divided into so many spans at most.
const SPANS: u64 = 60;

/// Who comes too early waits at least this long.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// For a window of this length nothing urgent should have to wait.
const LONG: Duration = Duration::from_secs(10);

/// A limit as it is kept for some priority.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    /// How many a window may hold.
    capacity: u32,
    /// How long the window is, in milliseconds.
    window: i64,
    /// What is closer together than this is kept as one time.
    span: i64,
}

impl Kept {
    pub(super) fn new(limit: &RateLimit, priority: Priority) -> Self {
        // A tenth stays free for whatever is urgent, and at least one where the next window is far.
        let least = u32::from(limit.per >= LONG && limit.count > 1);
        let free = match priority {
            Priority::High => 0,
            Priority::Normal | Priority::Bulk => (limit.count / 10).max(least),
        };
        let per = limit.per.as_millis();
        Self {
            capacity: (limit.count - free).max(1),
            window: (per as f64 * MARGIN) as i64,
            span: (per as i64 / SPANS as i64).max(1),
        }
    }
}

/// What was taken of one limit within its last window: times and how much, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SlotLog(Vec<(i64, u32)>);

impl SlotLog {
    /// How much was taken after `oldest`.
    pub(super) fn used_since(&self, oldest: i64) -> u32 {
        self.0.iter().filter(|(at, _)| *at > oldest).map(|(_, n)| n).sum()
    }

    pub(super) fn forget_what_is_over(&mut self, kept: Kept, now: Timestamp) {
        self.0.retain(|(at, _)| *at > now.millis() - kept.window);
    }

    /// How long it is until the window has room for `n` more. What is more than a window holds goes alone.
    pub(super) fn wait(&self, kept: Kept, n: u32, now: Timestamp) -> Duration {
        let at = Timestamp::from_millis(self.earliest(kept, n, now.millis())).since(now);
        if at.is_zero() { at } else { at.max(SHORTEST_WAIT) }
    }

    fn earliest(&self, kept: Kept, n: u32, now: i64) -> i64 {
        let mut newer = n;
        for (at, count) in self.0.iter().rev() {
            newer = newer.saturating_add(*count);
            if newer > kept.capacity {
                return now.max(at + kept.window);
            }
        }
        now
    }

    /// Takes `n` at `at`, together with what was taken in the same span. The later time of the two counts.
    pub(super) fn take(&mut self, kept: Kept, n: u32, at: i64) {
        let place = self.0.partition_point(|(t, _)| *t <= at);
        match self.0.get_mut(place.wrapping_sub(1)) {
            Some((t, count)) if at - *t < kept.span => {
                *t = at;
                *count += n;
            }
            _ => self.0.insert(place, (at, n)),
        }
    }
}

/// The logs of one robot, one per limit.
pub(super) type Lane = Vec<SlotLog>;

/// Takes up to `n` slots within the horizon, each through the robot that is free first.
pub(super) fn take_slots(
    lanes: &mut Vec<Lane>,
    count: u16,
    limits: &[RateLimit],
    n: usize,
    priority: Priority,
    now: Timestamp,
    horizon: Duration,
) -> Result<Vec<Slot>, Duration> {
    let kept: Vec<Kept> = limits.iter().map(|limit| Kept::new(limit, priority)).collect();
    lanes.resize(usize::from(count), Lane::new());
    for lane in lanes.iter_mut() {
        lane.resize(limits.len(), SlotLog::default());
        for (log, kept) in lane.iter_mut().zip(&kept) {
            log.forget_what_is_over(*kept, now);
        }
    }
    let mut slots = Vec::with_capacity(n);
    while slots.len() < n {
        let free = |lane: &Lane| {
            let times = lane.iter().zip(&kept).map(|(log, kept)| log.earliest(*kept, 1, now.millis()));
            times.max().unwrap_or(now.millis())
        };
        let Some((lane, at)) = lanes.iter().map(free).enumerate().min_by_key(|(_, at)| *at) else { break };
        let wait = Timestamp::from_millis(at).since(now);
        if wait > horizon {
            if slots.is_empty() {
                return Err(wait.saturating_sub(horizon).max(SHORTEST_WAIT));
            }
            break;
        }
        for (log, kept) in lanes[lane].iter_mut().zip(&kept) {
            log.take(*kept, 1, at);
        }
        slots.push(Slot { at: Timestamp::from_millis(at), lane: lane as u16 });
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::HORIZON;

    const ROBOT: RateLimit = RateLimit { count: 20, per: Duration::from_secs(60) };

    /// Reserves for `total` pushes as consumers do, coming back when told, and answers the times in seconds.
    fn run(lanes: u16, limit: RateLimit, priority: Priority, total: usize) -> Vec<(f64, u16)> {
        let (mut logs, mut now, mut times) = (Vec::new(), Timestamp::from_millis(1_000_000), Vec::new());
        let start = now;
        while times.len() < total {
            match take_slots(&mut logs, lanes, &[limit], total - times.len(), priority, now, HORIZON) {
                Ok(slots) => times.extend(slots.iter().map(|s| (s.at.since(start).as_secs_f64(), s.lane))),
                Err(wait) => now = now.after(wait),
            }
        }
        times
    }

    fn most_in_any_window(times: &[(f64, u16)], lane: u16, window: f64) -> usize {
        let times: Vec<f64> = times.iter().filter(|(_, l)| *l == lane).map(|(t, _)| *t).collect();
        times
            .iter()
            .map(|from| times.iter().filter(|t| **t >= *from && **t < from + window).count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn no_window_ever_holds_more_than_the_limit() {
        for priority in [Priority::High, Priority::Normal] {
            let times = run(1, ROBOT, priority, 90);
            assert!(most_in_any_window(&times, 0, 60.0) <= 20, "{times:?}");
        }
        let large = RateLimit { count: 1000, per: Duration::from_secs(60) };
        let times = run(1, large, Priority::High, 2500);
        assert!(most_in_any_window(&times, 0, 60.0) <= 1000);
        assert!(times.last().is_some_and(|(t, _)| *t < 130.0), "a large limit is used up, not wasted");
    }

    #[test]
    fn an_idle_robot_sends_at_once() {
        let times = run(1, ROBOT, Priority::Normal, 18);
        assert!(times.iter().all(|(t, _)| *t == 0.0));
    }

    #[test]
    fn a_pool_shares_the_work() {
        let times = run(3, ROBOT, Priority::Normal, 54);
        assert!(times.iter().all(|(t, _)| *t == 0.0), "three robots send three times as much at once");
        for lane in 0..3 {
            assert!(most_in_any_window(&times, lane, 60.0) <= 20);
        }
    }

    #[test]
    fn high_finds_a_free_slot_behind_a_campaign() {
        let (mut logs, now) = (Vec::new(), Timestamp::from_millis(1_000_000));
        let bulk = take_slots(&mut logs, 1, &[ROBOT], 100, Priority::Bulk, now, HORIZON).unwrap();
        assert_eq!(bulk.len(), 18);
        assert!(take_slots(&mut logs, 1, &[ROBOT], 1, Priority::Bulk, now, HORIZON).is_err());
        let high = take_slots(&mut logs, 1, &[ROBOT], 1, Priority::High, now, HORIZON).unwrap();
        assert_eq!(high[0].at, now);
    }

    #[test]
    fn a_small_limit_keeps_one_slot_for_what_is_urgent() {
        let per = Duration::from_secs(60);
        for (count, normal) in [(1, 1), (2, 1), (5, 4), (9, 8), (10, 9), (20, 18)] {
            let limit = RateLimit { count, per };
            assert_eq!(Kept::new(&limit, Priority::Normal).capacity, normal, "{count}");
            assert_eq!(Kept::new(&limit, Priority::High).capacity, count);
        }
        let second = RateLimit { count: 5, per: Duration::from_secs(1) };
        assert_eq!(Kept::new(&second, Priority::Bulk).capacity, 5, "the next second is near");
    }

    #[test]
    fn two_limits_are_both_kept() {
        let (mut logs, now) = (Vec::new(), Timestamp::from_millis(1_000_000));
        let second = RateLimit { count: 2, per: Duration::from_secs(1) };
        let slots = take_slots(&mut logs, 1, &[ROBOT, second], 16, Priority::High, now, HORIZON).unwrap();
        assert_eq!(slots.len(), 16);
        let spread = slots.last().unwrap().at.since(now);
        assert!(spread >= Duration::from_secs(7), "{spread:?}");
    }
}
