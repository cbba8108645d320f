//! Pacing: pushes take slots under the platform's limits, reserved ahead of time and shared by every consumer.
//!
//! A limit is kept exactly as platforms count it, over any window: the log of the slots in the last window is stored
//! with the channel, and a new slot goes where the window still has room. Slots of the same small span are kept as
//! one number, so the log stays short however large the limit is. `high` may use every slot, everything else leaves
//! some free for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mc_core::model::Priority;
use mc_core::ports::{Attr, Change, Cond, Item, Op, QuotaUnit, RateLimit, Slot, Window, WriteError};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::center::Center;
use crate::keys;
use crate::quota::{self, Counters, Full, QuotaItem, Source, Why};
use crate::repo::ChannelEntry;

/// A slot is reserved at most this far ahead; who would wait longer comes back later.
pub const HORIZON: Duration = Duration::from_secs(30);

/// A slot that was not used by this long after its time is reserved anew.
pub const STALE: Duration = Duration::from_millis(1500);

/// Windows are kept this much longer than the platform's, because its clock sees our pushes a little later.
const MARGIN: f64 = 1.03;

/// A window is divided into so many spans at most.
const SPANS: u64 = 60;

/// The slots of one limit's last window: times and how many, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SlotLog(Vec<(i64, u32)>);

impl SlotLog {
    fn forget_before(&mut self, oldest: i64) {
        self.0.retain(|(at, _)| *at > oldest);
    }

    /// The first time at which the window holds less than `capacity` slots.
    fn earliest(&self, now: i64, window: i64, capacity: u32) -> i64 {
        let mut newer = 0;
        for (at, count) in self.0.iter().rev() {
            newer += count;
            if newer >= capacity {
                return now.max(at + window);
            }
        }
        now
    }

    /// Takes a slot at `at`, together with one of the same span if there is one. The later time of the two counts.
    fn take(&mut self, at: i64, span: i64) {
        let place = self.0.partition_point(|(t, _)| *t <= at);
        match self.0.get_mut(place.wrapping_sub(1)) {
            Some((t, count)) if at - *t < span => {
                *t = at;
                *count += 1;
            }
            _ => self.0.insert(place, (at, 1)),
        }
    }
}

/// The logs of one robot, one per limit.
type Lane = Vec<SlotLog>;

/// One lock per channel, so that consumers of one process never race for the same slots.
#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Locks {
    fn of(&self, channel: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(channel.to_owned()).or_default().clone()
    }
}

/// How many of `count` slots are kept free for `high`.
fn kept_for_high(count: u32) -> u32 {
    count / 10
}

/// No slot now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When to come back.
    pub after: Duration,
    /// The quota that leaves nothing, if it is not only the pace.
    pub full: Option<Full>,
}

impl Wait {
    /// A wait for the pace alone.
    pub const fn of(after: Duration) -> Self {
        Self { after, full: None }
    }
}

/// Reserves up to `n` slots not further ahead than `horizon`; with none, the answer says when to come back.
///
/// What is reserved counts against the channel's quotas: in the same write where there is one. A channel without limits
/// gives slots at once; without quotas it remembers nothing.
pub async fn reserve(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    n: usize,
    priority: Priority,
    horizon: Duration,
) -> Result<std::result::Result<Vec<Slot>, Wait>> {
    let is_set = entry.allowances.iter().any(|a| a.declared.is_some());
    let reserved = if !entry.limits.is_empty() || is_set {
        by_write(center, project, entry, n, priority, horizon).await?
    } else if entry.allowances.is_empty() {
        Ok(at_once(center, entry, n))
    } else {
        let some = quota::take_up_to(center, project, entry, n, priority).await?;
        some.map(|some| at_once(center, entry, some)).map_err(|full| full_now(center, full))
    };
    if let Err(Wait { full: Some(Full { why: Why::UsedUp, window, .. }), .. }) = &reserved
        && let Err(error) = quota::used_up(center, project, entry, *window, false).await
    {
        tracing::warn!(error = %error, channel = &*entry.name, "nobody could be told of a quota that is used up");
    }
    Ok(reserved)
}

fn at_once(center: &Center, entry: &ChannelEntry, n: usize) -> Vec<Slot> {
    let (now, lanes) = (center.clock.now(), usize::from(entry.channel.lanes().max(1)));
    (0..n).map(|i| Slot { at: now, lane: (i % lanes) as u16 }).collect()
}

fn full_now(center: &Center, full: Full) -> Wait {
    Wait { after: full.until.since(center.clock.now()), full: Some(full) }
}

/// Reserves where a limit is to be kept exactly: slots and counts in one conditional write.
async fn by_write(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    n: usize,
    priority: Priority,
    horizon: Duration,
) -> Result<std::result::Result<Vec<Slot>, Wait>> {
    let now = center.clock.now();
    let key = keys::pace(project, &entry.name);
    let lock = center.pacing.of(&key.pk);
    let _held = lock.lock().await;
    let counts = !entry.allowances.is_empty();
    loop {
        let stored = center.store.get(&key).await?;
        let version = stored.as_ref().and_then(|i| i.attrs.num("v"));
        let counters = stored.as_ref().map(|i| Counters::read(&i.attrs)).unwrap_or_default();
        let mut some = n;
        if counts {
            let known = quota::known(center, project, entry).await?;
            let pending = center.ledger.pending(project, entry);
            match known.book(entry, &counters, pending).room(priority, now) {
                Ok(room) => some = n.min(usize::try_from(room).unwrap_or(usize::MAX)),
                Err(full) => return Ok(Err(full_now(center, full))),
            }
        }
        let mut lanes = lanes_of(stored.as_ref());
        let slots =
            take_slots(&mut lanes, entry.channel.lanes().max(1), &entry.limits, some, priority, now, horizon);
        let slots = match slots {
            Ok(slots) => slots,
            Err(after) => return Ok(Err(Wait::of(after))),
        };
        let longest = entry.limits.iter().map(|l| l.per).max().unwrap_or_default();
        let keep = (longest * 2 + HORIZON).max(quota::keep_for(&entry.allowances));
        let mut changes = vec![
            Change::set("v", version.unwrap_or(0) + 1),
            Change::set("l", serde_json::to_vec(&lanes)?),
            Change::Expire(Some(now.after(keep))),
        ];
        // What this process counted by the way rides along.
        let by_the_way = center.ledger.take(project, entry);
        if counts {
            let mut all = by_the_way.clone();
            *all.entry(quota::hour_of(now)).or_default() += slots.len() as u64;
            changes.extend(quota::changes(&entry.allowances, &counters, &all, now));
        }
        let cond = version.map_or(Cond::Absent("v".into()), |v| Cond::Eq("v".into(), Attr::Num(v)));
        let failed = match center.store.write(Op::Update(key.clone(), changes, vec![cond])).await {
            Ok(item) => {
                if let Some(item) = item.filter(|_| counts) {
                    center.ledger.learn(project, entry, Counters::read(&item.attrs));
                }
                return Ok(Ok(slots));
            }
            // Another process took slots at the same time: look again.
            Err(WriteError::Conflict(_)) => None,
            Err(WriteError::Failed(error)) => Some(error),
        };
        center.ledger.put_back(project, entry, &by_the_way);
        if let Some(error) = failed {
            return Err(error);
        }
    }
}

fn lanes_of(stored: Option<&Item>) -> Vec<Lane> {
    let log = stored.and_then(|i| i.attrs.bytes("l"));
    log.and_then(|b| serde_json::from_slice(b).ok()).unwrap_or_default()
}

/// How many slots each limit leaves now, over all lanes.
async fn left(center: &Center, project: &str, entry: &ChannelEntry) -> Result<Vec<(RateLimit, u32)>> {
    if entry.limits.is_empty() {
        return Ok(Vec::new());
    }
    let stored = center.store.get(&keys::pace(project, &entry.name)).await?;
    let (lanes, now) = (lanes_of(stored.as_ref()), center.clock.now().millis());
    let left = entry.limits.iter().enumerate().map(|(i, limit)| {
        let window = limit.per.as_millis() as i64;
        let of = |lane: usize| {
            let log = lanes.get(lane).and_then(|l: &Lane| l.get(i));
            let used: u32 =
                log.map_or(0, |log| log.0.iter().filter(|(t, _)| *t > now - window).map(|(_, n)| n).sum());
            limit.count.saturating_sub(used)
        };
        (*limit, (0..usize::from(entry.channel.lanes().max(1))).map(of).sum())
    });
    Ok(left.collect())
}

/// How many slots are left now under the tightest limit, over all lanes; `None` without limits.
pub(crate) async fn remaining(center: &Center, project: &str, entry: &ChannelEntry) -> Result<Option<u32>> {
    Ok(left(center, project, entry).await?.into_iter().map(|(_, left)| left).min())
}

/// How the channel's minute stands, if it has a limit of one.
pub(crate) async fn minute(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
) -> Result<Option<QuotaItem>> {
    let minutes = left(center, project, entry).await?.into_iter();
    let tightest = minutes.filter(|(limit, _)| limit.per.as_secs() == 60).min_by_key(|(_, left)| *left);
    Ok(tightest.map(|(limit, left)| {
        let all = limit.count * u32::from(entry.channel.lanes().max(1));
        let is_declared = entry.doc.limits.per_minute == Some(limit.count);
        QuotaItem {
            channel: entry.name.to_string(),
            kind: entry.doc.kind,
            window: Window::Minute,
            rolling: true,
            unit: QuotaUnit::Calls,
            limit: Some(u64::from(all)),
            used: u64::from(all - left),
            reserved: 0,
            remaining: Some(u64::from(left)),
            remaining_percent: Some(quota::percent(u64::from(all), u64::from(left))),
            source: if is_declared { Source::Declared } else { Source::Documented },
            checked_at: center.clock.now(),
            resets_at: None,
            per_hour: None,
            forecast: None,
            exhausted_at: None,
            trouble: None,
        }
    }))
}

/// Whether more than half of a channel's slots are taken, so that what waits for it may be waiting for one.
pub async fn is_busy(center: &Center, project: &str, channel: &str) -> Result<bool> {
    let Some(entry) = center.channels.get(project, channel).await? else { return Ok(false) };
    let Some(left) = remaining(center, project, &entry).await? else { return Ok(false) };
    let tightest = entry.limits.iter().map(|limit| limit.count).min().unwrap_or(0);
    Ok(left.saturating_mul(2) < tightest.saturating_mul(u32::from(entry.channel.lanes().max(1))))
}

/// Takes up to `n` slots within the horizon, each through the robot that is free first.
fn take_slots(
    lanes: &mut Vec<Lane>,
    count: u16,
    limits: &[RateLimit],
    n: usize,
    priority: Priority,
    now: Timestamp,
    horizon: Duration,
) -> std::result::Result<Vec<Slot>, Duration> {
    lanes.resize(usize::from(count), Lane::new());
    let windows: Vec<i64> = limits.iter().map(|l| (l.per.as_millis() as f64 * MARGIN) as i64).collect();
    for lane in lanes.iter_mut() {
        lane.resize(limits.len(), SlotLog::default());
        for (log, window) in lane.iter_mut().zip(&windows) {
            log.forget_before(now.millis() - window);
        }
    }
    let capacity = |limit: &RateLimit| match priority {
        Priority::High => limit.count.max(1),
        Priority::Normal | Priority::Bulk => (limit.count - kept_for_high(limit.count)).max(1),
    };
    let mut slots = Vec::with_capacity(n);
    while slots.len() < n {
        let free = |lane: &Lane| {
            let times = lane.iter().zip(limits).zip(&windows);
            times
                .map(|((log, l), w)| log.earliest(now.millis(), *w, capacity(l)))
                .max()
                .unwrap_or(now.millis())
        };
        let Some((lane, at)) = lanes.iter().map(free).enumerate().min_by_key(|(_, at)| *at) else { break };
        let wait = Timestamp::from_millis(at).since(now);
        if wait > horizon {
            if slots.is_empty() {
                return Err(wait.saturating_sub(horizon).max(Duration::from_millis(200)));
            }
            break;
        }
        for (log, limit) in lanes[lane].iter_mut().zip(limits) {
            let span = (limit.per.as_millis() as u64 / SPANS).max(1);
            log.take(at, span as i64);
        }
        slots.push(Slot { at: Timestamp::from_millis(at), lane: lane as u16 });
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn two_limits_are_both_kept() {
        let (mut logs, now) = (Vec::new(), Timestamp::from_millis(1_000_000));
        let second = RateLimit { count: 2, per: Duration::from_secs(1) };
        let slots = take_slots(&mut logs, 1, &[ROBOT, second], 16, Priority::High, now, HORIZON).unwrap();
        assert_eq!(slots.len(), 16);
        let spread = slots.last().unwrap().at.since(now);
        assert!(spread >= Duration::from_secs(7), "{spread:?}");
    }
}
