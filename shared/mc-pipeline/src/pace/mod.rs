//! Pacing: pushes take slots under the platform's limits, reserved ahead of time and shared by every consumer.
//!
//! A limit is kept exactly as platforms count it, over any window: the log of the slots in the last window is stored
//! with the channel, and a new slot goes where the window still has room. Slots of the same small span are kept as
//! one number, so the log stays short however large the limit is. `high` may use every slot, everything else leaves
//! some free for it.
//!
//! A platform may limit the people in a window beside the calls. Who a share's pushes name is known once it is claimed, so
//! slots are given out while there is room for a push of the largest size, and each push is then counted ([`admit`]).

mod slots;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mc_core::model::Priority;
use mc_core::ports::{
    Attr, Batching, Change, Cond, Item, Op, QuotaUnit, RateLimit, Slot, Window, WriteError,
};
use mc_core::{Result, Timestamp};
use serde::de::DeserializeOwned;

use crate::center::Center;
use crate::keys;
use crate::quota::{self, Counters, Full, QuotaItem, Source, Why};
use crate::repo::ChannelEntry;
use slots::{Kept, Lane, SlotLog, take_slots};

/// The attributes of the stored logs: of slots, and of people.
const SLOTS: &str = "l";
const PEOPLE: &str = "p";

/// A slot is reserved at most this far ahead; who would wait longer comes back later.
pub const HORIZON: Duration = Duration::from_secs(30);

/// A slot that was not used by this long after its time is reserved anew.
pub const STALE: Duration = Duration::from_millis(1500);

/// One lock per channel, so that consumers of one process never race for the same slots.
#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Locks {
    fn of(&self, channel: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(channel.to_owned()).or_default().clone()
    }

    /// The lock of whoever asks a channel's platform for its rate; slots are given out meanwhile.
    pub(crate) fn asking(&self, channel: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.of(&format!("{channel}#asking"))
    }
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
/// that keeps to no told rate gives slots at once; without quotas it remembers nothing.
pub async fn reserve(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    n: usize,
    priority: Priority,
    horizon: Duration,
) -> Result<std::result::Result<Vec<Slot>, Wait>> {
    let is_set = entry.allowances.iter().any(|a| a.declared.is_some());
    let limits = limits(center, project, entry, n).await?;
    let reserved = if !limits.is_empty() || entry.people.is_some() || is_set {
        by_write(center, project, entry, &limits, n, priority, horizon).await?
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

/// What so many pushes of a channel keep to: its own limits, and the rate that its platform told.
async fn limits<'a>(
    center: &Center,
    project: &str,
    entry: &'a ChannelEntry,
    pushes: usize,
) -> Result<Cow<'a, [RateLimit]>> {
    let told = quota::told_rate(center, project, entry, pushes).await?;
    Ok(match told.filter(|told| !entry.limits.contains(told)) {
        // The logs stand in the order of the limits, so what may come and go is the last.
        Some(told) => entry.limits.iter().copied().chain([told]).collect(),
        None => Cow::Borrowed(entry.limits.as_slice()),
    })
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
    limits: &[RateLimit],
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
        if let Some(limit) = &entry.people {
            let people: SlotLog = read(stored.as_ref(), PEOPLE);
            let wait = people.wait(Kept::new(limit, priority), largest_push(entry), now);
            if !wait.is_zero() {
                return Ok(Err(Wait::of(wait)));
            }
        }
        let mut lanes = read(stored.as_ref(), SLOTS);
        let slots =
            take_slots(&mut lanes, entry.channel.lanes().max(1), limits, some, priority, now, horizon);
        let slots = match slots {
            Ok(slots) => slots,
            Err(after) => return Ok(Err(Wait::of(after))),
        };
        let mut changes = changes(entry, version, SLOTS, serde_json::to_vec(&lanes)?, now);
        // What this process counted by the way rides along.
        let by_the_way = center.ledger.take(project, entry);
        if counts {
            let mut all = by_the_way.clone();
            *all.entry(quota::hour_of(now)).or_default() += slots.len() as u64;
            changes.extend(quota::changes(&entry.allowances, &counters, &all, now));
        }
        let failed =
            match center.store.write(Op::Update(key.clone(), changes, vec![unchanged(version)])).await {
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

/// Admits as many of these pushes, by how many people each names, as the platform's limit of people has room for now.
/// They are admitted in their order; with none, the answer says when to come back.
pub async fn admit(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    pushes: &[usize],
    priority: Priority,
) -> Result<std::result::Result<usize, Wait>> {
    let Some(limit) = &entry.people else { return Ok(Ok(pushes.len())) };
    let (now, kept) = (center.clock.now(), Kept::new(limit, priority));
    let key = keys::pace(project, &entry.name);
    let lock = center.pacing.of(&key.pk);
    let _held = lock.lock().await;
    loop {
        let stored = center.store.get(&key).await?;
        let version = stored.as_ref().and_then(|i| i.attrs.num("v"));
        let mut people: SlotLog = read(stored.as_ref(), PEOPLE);
        people.forget_what_is_over(kept, now);
        let mut admitted = 0;
        for push in pushes {
            let named = u32::try_from(*push).unwrap_or(u32::MAX);
            let wait = people.wait(kept, named, now);
            if !wait.is_zero() {
                if admitted == 0 {
                    return Ok(Err(Wait::of(wait)));
                }
                break;
            }
            people.take(kept, named, now.millis());
            admitted += 1;
        }
        let changes = changes(entry, version, PEOPLE, serde_json::to_vec(&people)?, now);
        match center.store.write(Op::Update(key.clone(), changes, vec![unchanged(version)])).await {
            Ok(_) => return Ok(Ok(admitted)),
            Err(WriteError::Conflict(_)) => {}
            Err(WriteError::Failed(error)) => return Err(error),
        }
    }
}

/// How many people a push names at most.
fn largest_push(entry: &ChannelEntry) -> u32 {
    match entry.channel.capability().batching {
        Batching::UpTo(n) => u32::try_from(n).unwrap_or(u32::MAX),
        Batching::Single | Batching::Broadcast => 1,
    }
}

/// Logs as they are stored; what cannot be read is as if nothing had been taken.
fn read<T: DeserializeOwned + Default>(stored: Option<&Item>, name: &str) -> T {
    let log = stored.and_then(|i| i.attrs.bytes(name));
    log.and_then(|b| serde_json::from_slice(b).ok()).unwrap_or_default()
}

/// What a change of a log writes.
fn changes(
    entry: &ChannelEntry,
    version: Option<i64>,
    name: &'static str,
    log: Vec<u8>,
    now: Timestamp,
) -> Vec<Change> {
    let longest = entry.limits.iter().chain(&entry.people).map(|l| l.per).max().unwrap_or_default();
    let keep = (longest * 2 + HORIZON).max(quota::keep_for(&entry.allowances));
    vec![
        Change::set("v", version.unwrap_or(0) + 1),
        Change::set(name, log),
        Change::Expire(Some(now.after(keep))),
    ]
}

/// That nobody has changed the logs meanwhile.
fn unchanged(version: Option<i64>) -> Cond {
    version.map_or(Cond::Absent("v".into()), |v| Cond::Eq("v".into(), Attr::Num(v)))
}

/// What a limit leaves now, over all lanes.
struct Left {
    limit: RateLimit,
    unit: QuotaUnit,
    all: u32,
    left: u32,
}

impl Left {
    fn percent(&self) -> f64 {
        quota::percent(u64::from(self.all), u64::from(self.left))
    }
}

async fn left(center: &Center, project: &str, entry: &ChannelEntry) -> Result<Vec<Left>> {
    let limits = limits(center, project, entry, 1).await?;
    if limits.is_empty() && entry.people.is_none() {
        return Ok(Vec::new());
    }
    let stored = center.store.get(&keys::pace(project, &entry.name)).await?;
    let now = center.clock.now().millis();
    let lanes: Vec<Lane> = read(stored.as_ref(), SLOTS);
    let people: SlotLog = read(stored.as_ref(), PEOPLE);
    let of = |limit: &RateLimit, log: Option<&SlotLog>| {
        let used = log.map_or(0, |log| log.used_since(now - limit.per.as_millis() as i64));
        limit.count.saturating_sub(used)
    };
    let count = usize::from(entry.channel.lanes().max(1));
    let slots = limits.iter().enumerate().map(|(i, limit)| Left {
        limit: *limit,
        unit: QuotaUnit::Calls,
        all: limit.count * count as u32,
        left: (0..count).map(|lane| of(limit, lanes.get(lane).and_then(|lane| lane.get(i)))).sum(),
    });
    let people = entry.people.iter().map(|limit| Left {
        limit: *limit,
        unit: QuotaUnit::Recipients,
        all: limit.count,
        left: of(limit, Some(&people)),
    });
    Ok(slots.chain(people).collect())
}

/// How many slots, or people, are left now under the tightest limit, over all lanes; `None` without limits. What fits into
/// a second is left out: it is a rate, and soon there is as much again.
pub(crate) async fn remaining(center: &Center, project: &str, entry: &ChannelEntry) -> Result<Option<u32>> {
    let left = left(center, project, entry).await?;
    Ok(left.iter().filter(|left| left.limit.per.as_secs() > 1).map(|left| left.left).min())
}

/// How the channel's minute stands under the tightest limit of one, if there is any.
pub(crate) async fn minute(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
) -> Result<Option<QuotaItem>> {
    let minutes = left(center, project, entry).await?.into_iter();
    let tightest = minutes
        .filter(|left| left.limit.per.as_secs() == 60)
        .min_by(|a, b| a.percent().total_cmp(&b.percent()).then(a.left.cmp(&b.left)));
    Ok(tightest.map(|minute| {
        let is_declared =
            minute.unit == QuotaUnit::Calls && entry.doc.limits.per_minute == Some(minute.limit.count);
        QuotaItem {
            channel: entry.name.to_string(),
            kind: entry.doc.kind,
            window: Window::Minute,
            rolling: true,
            unit: minute.unit,
            limit: Some(u64::from(minute.all)),
            used: u64::from(minute.all - minute.left),
            reserved: 0,
            remaining: Some(u64::from(minute.left)),
            remaining_percent: Some(minute.percent()),
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
    let Some(entry) = center.channels.find(project, channel).await?.live() else { return Ok(false) };
    Ok(left(center, project, &entry).await?.iter().any(|left| left.left.saturating_mul(2) < left.all))
}
