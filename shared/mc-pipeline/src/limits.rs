//! How many messages a project's callers may send: counted per second, minute and day of the clock.
//!
//! Windows are fixed, so a counter is a number and its window. All of a project's counters lie in one item, and one
//! conditional write takes from all of them or from none. Where no other process has the store, they are counted in
//! memory instead, and only the day's is stored, ahead and in steps: after a crash at most one step of the day (a
//! hundredth of its limit) counts as used though it was not, and never the other way round.
//!
//! Invariant: a request is counted whole or refused whole.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mc_core::model::ProjectLimits;
use mc_core::ports::{Attrs, Change, Cond, Item, Op, Store, WriteError};
use mc_core::{Error, ErrorKind, Result, Timestamp};

use crate::accept::Refusal;
use crate::keys;

/// A write that meets others is made again this often.
const TRIES: usize = 20;

/// A day's count is forgotten after two days without messages.
const LIFE: Duration = Duration::from_secs(2 * 86_400);

/// The windows: name, length in seconds, and the attributes of window and count.
const WINDOWS: [Window; 3] = [
    Window { name: "second", seconds: 1, at: "sw", used: "s" },
    Window { name: "minute", seconds: 60, at: "mw", used: "m" },
    Window { name: "day", seconds: 86_400, at: "dw", used: "d" },
];

/// The place of the day among the windows.
const DAY: usize = 2;

struct Window {
    name: &'static str,
    seconds: i64,
    at: &'static str,
    used: &'static str,
}

/// One limit, as it stands after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `second`, `minute` or `day`.
    pub window: &'static str,
    /// How long the window is, in seconds.
    pub seconds: u32,
    /// How many messages fit into it.
    pub limit: u32,
    /// How many are left.
    pub remaining: u32,
    /// When it begins anew.
    pub resets_in: Duration,
}

/// What was taken for a request, so that what it did not need can be given back.
pub struct Taken {
    /// The limits, as they stand.
    pub standing: Vec<Standing>,
    day: Option<i64>,
}

/// A counter: the number of its window since the epoch, and what was used in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    window: i64,
    used: i64,
}

type Counts = [Count; 3];

/// The counters of a project in the only process there is.
#[derive(Default)]
struct Alone {
    loaded: bool,
    counts: Counts,
    /// The day's count as the store has it: never less than what was used.
    stored: i64,
}

/// What projects may send, and how much of it is used.
pub struct Limits {
    store: Arc<dyn Store>,
    alone: bool,
    counted: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Alone>>>>,
    seen: Mutex<HashMap<String, Counts>>,
}

impl Limits {
    /// Limits that are counted in this store, or in memory if no other process has it.
    pub fn new(store: Arc<dyn Store>, alone: bool) -> Self {
        Self { store, alone, counted: Mutex::default(), seen: Mutex::default() }
    }

    /// Takes room for `n` messages, or refuses them all.
    pub async fn take(
        &self,
        project: &str,
        limits: &ProjectLimits,
        n: usize,
        now: Timestamp,
    ) -> std::result::Result<Taken, Refusal> {
        let (caps, n) = (caps(limits), i64::try_from(n).unwrap_or(i64::MAX));
        if let Some(least) = caps.iter().flatten().min().filter(|least| n > **least) {
            let detail = format!("a batch of this project has at most {least} messages, as its limits say");
            return Err(Refusal::field("batch_over_limit", "/messages", detail));
        }
        let counts = match self.alone {
            true => self.take_alone(project, &caps, n, now).await?,
            false => self.take_shared(project, &caps, n, now).await?,
        };
        match counts {
            Ok(counts) => {
                let day = caps[DAY].map(|_| counts[DAY].window);
                Ok(Taken { standing: standing(&caps, &counts, now), day })
            }
            Err(counts) => Err(refusal(&caps, &counts, n, now)),
        }
    }

    /// Gives back what a day was counted for messages that were not accepted. The shorter limits keep their count: a
    /// request that is refused is work too.
    pub async fn give_back(&self, project: &str, taken: &mut Taken, unused: usize) -> Result<()> {
        let (Some(day), unused) = (taken.day, unused as i64) else { return Ok(()) };
        if unused == 0 {
            return Ok(());
        }
        if let Some(standing) = taken.standing.iter_mut().find(|s| s.window == WINDOWS[DAY].name) {
            standing.remaining = standing.remaining.saturating_add(unused as u32).min(standing.limit);
        }
        if self.alone {
            let state = self.state(project);
            let mut state = state.lock().await;
            if state.counts[DAY].window == day {
                state.counts[DAY].used -= unused;
            }
            return Ok(());
        }
        let changes = vec![Change::Add(WINDOWS[DAY].used.into(), -unused)];
        let same_day = vec![Cond::Eq(WINDOWS[DAY].at.into(), day.into())];
        match self.store.write(Op::Update(keys::limits(project), changes, same_day)).await {
            Ok(_) | Err(WriteError::Conflict(_)) => Ok(()),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }

    fn state(&self, project: &str) -> Arc<tokio::sync::Mutex<Alone>> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        match counted.get(project) {
            Some(state) => state.clone(),
            None => counted.entry(project.to_owned()).or_default().clone(),
        }
    }

    /// Counts in memory; the inner answer is the counts after taking, or those that left no room.
    async fn take_alone(
        &self,
        project: &str,
        caps: &Caps,
        n: i64,
        now: Timestamp,
    ) -> Result<std::result::Result<Counts, Counts>> {
        let state = self.state(project);
        let mut state = state.lock().await;
        if !state.loaded {
            let item = self.store.get(&keys::limits(project)).await?;
            state.counts[DAY] = item.map_or_else(Count::default, |item| counts_of(&item.attrs)[DAY]);
            (state.stored, state.loaded) = (state.counts[DAY].used, true);
        }
        let today = state.counts[DAY].window;
        let counts = rolled(&state.counts, now);
        if counts[DAY].window != today {
            state.stored = 0;
        }
        let Some(after) = added(caps, &counts, n) else { return Ok(Err(counts)) };
        if let Some(cap) = caps[DAY]
            && after[DAY].used > state.stored
        {
            let ahead = (after[DAY].used + cap / 100).min(cap);
            let attrs = Attrs::new().with(WINDOWS[DAY].at, after[DAY].window).with(WINDOWS[DAY].used, ahead);
            let item = Item::new(keys::limits(project), attrs).expiring(now.after(LIFE));
            self.store.write(Op::put(item)).await?;
            state.stored = ahead;
        }
        state.counts = after;
        Ok(Ok(after))
    }

    /// Counts in the store, in one write unless a window has just begun or another process was faster.
    async fn take_shared(
        &self,
        project: &str,
        caps: &Caps,
        n: i64,
        now: Timestamp,
    ) -> Result<std::result::Result<Counts, Counts>> {
        let known = |counts: Option<Counts>| counts.unwrap_or_default();
        let mut before = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            known(seen.get(project).copied())
        };
        for _ in 0..TRIES {
            let op = taking(project, caps, &before, n, now);
            let (item, taken) = match self.store.write(op).await {
                Ok(item) => (item, true),
                Err(WriteError::Conflict(conflict)) => (conflict.current, false),
                Err(WriteError::Failed(error)) => return Err(error),
            };
            before = known(item.map(|item| counts_of(&item.attrs)));
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(project.to_owned(), before);
            if taken {
                return Ok(Ok(before));
            }
            let counts = rolled(&before, now);
            if added(caps, &counts, n).is_none() {
                return Ok(Err(counts));
            }
        }
        Err(Error::new(ErrorKind::Throttled, "the limits of a project are counted by too many at once"))
    }
}

/// The limits by window.
type Caps = [Option<i64>; 3];

fn caps(limits: &ProjectLimits) -> Caps {
    let cap = |limit: Option<NonZeroU32>| limit.map(|limit| i64::from(limit.get()));
    [cap(limits.messages_per_second), cap(limits.messages_per_minute), cap(limits.messages_per_day)]
}

fn counts_of(attrs: &Attrs) -> Counts {
    WINDOWS.map(|w| Count {
        window: attrs.num(w.at).unwrap_or_default(),
        used: attrs.num(w.used).unwrap_or_default(),
    })
}

/// The counters as of now. A clock that is behind another's stays in the other's window.
fn rolled(counts: &Counts, now: Timestamp) -> Counts {
    let mut rolled = *counts;
    for (count, window) in rolled.iter_mut().zip(&WINDOWS) {
        let current = now.millis().div_euclid(window.seconds * 1000);
        if current > count.window {
            *count = Count { window: current, used: 0 };
        }
    }
    rolled
}

/// The counters with `n` more, if there is room in all that have a limit.
fn added(caps: &Caps, counts: &Counts, n: i64) -> Option<Counts> {
    let mut after = *counts;
    for (count, cap) in after.iter_mut().zip(caps) {
        if let Some(cap) = cap {
            count.used += n;
            if count.used > *cap {
                return None;
            }
        }
    }
    Some(after)
}

/// The write that takes `n` if the item is as it was seen, but for counts that grew within their limits.
fn taking(project: &str, caps: &Caps, before: &Counts, n: i64, now: Timestamp) -> Op {
    let (mut changes, mut conds) = (vec![Change::Expire(Some(now.after(LIFE)))], Vec::new());
    for (index, window) in WINDOWS.iter().enumerate() {
        let Some(cap) = caps[index] else { continue };
        let (old, new) = (before[index].window, rolled(before, now)[index].window);
        conds.push(match old {
            0 => Cond::Absent(window.at.into()),
            old => Cond::Eq(window.at.into(), old.into()),
        });
        if old == new {
            conds.push(Cond::Le(window.used.into(), cap - n));
            changes.push(Change::Add(window.used.into(), n));
        } else {
            changes.push(Change::set(window.at, new));
            changes.push(Change::set(window.used, n));
        }
    }
    Op::Update(keys::limits(project), changes, conds)
}

fn standing(caps: &Caps, counts: &Counts, now: Timestamp) -> Vec<Standing> {
    let one = |(index, window): (usize, &Window)| {
        let cap = caps[index]?;
        let end = (counts[index].window + 1) * window.seconds * 1000;
        Some(Standing {
            window: window.name,
            seconds: window.seconds as u32,
            limit: cap as u32,
            remaining: (cap - counts[index].used).max(0) as u32,
            resets_in: Duration::from_millis((end - now.millis()).max(0).unsigned_abs()),
        })
    };
    WINDOWS.iter().enumerate().filter_map(one).collect()
}

fn refusal(caps: &Caps, counts: &Counts, n: i64, now: Timestamp) -> Refusal {
    let standing = standing(caps, counts, now);
    // The longest wait first: who waits for the minute of a day that is used up comes too early.
    let full = standing.iter().rev().find(|s| i64::from(s.remaining) < n);
    let (window, wait) = full.map_or(("second", Duration::from_secs(1)), |s| (s.window, s.resets_in));
    let limit = full.map_or(0, |s| s.limit);
    let code = if window == WINDOWS[DAY].name { "daily_quota_exceeded" } else { "rate_limited" };
    let detail = format!("the project may send {limit} messages per {window}; nothing of this was accepted");
    Refusal::Limited { code, detail, wait, standing }
}
