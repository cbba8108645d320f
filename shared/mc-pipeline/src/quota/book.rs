//! How a channel stands in each of its windows, and who may still send. Pure: no store, no clock.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::{ChannelDoc, Priority};
use mc_core::ports::{Capability, DAY, QuotaUnit, Turn, Window};
use serde::Serialize;

use super::counters::{Counters, hour_of};
use super::notes::{Note, Notes};
use super::promises::Promises;

/// After a platform's refusal nothing is tried for so long, or until the window turns if that is sooner.
pub(crate) const HOLD: Duration = Duration::from_secs(3600);

/// How much of a quota `bulk` leaves for the others, in percent, if the channel does not say.
const KEPT_FOR_HIGH: u8 = 10;

/// A quota of a channel: what its kind says and what its operator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The window.
    pub window: Window,
    /// When it turns.
    pub turn: Turn,
    /// What is counted.
    pub unit: QuotaUnit,
    /// The number that the platform's documentation names.
    pub documented: Option<u64>,
    /// The operator's, which is truly kept.
    pub declared: Option<u64>,
}

/// The quotas of a channel: those its kind has and those its operator sets.
pub(crate) fn allowances(doc: &ChannelDoc, capability: &Capability) -> Vec<Allowance> {
    let declared = [(Window::Day, doc.limits.per_day), (Window::Month, doc.limits.per_month)];
    let of = |(window, declared): (Window, Option<u32>)| {
        let quota = capability.quotas.iter().find(|q| q.window == window);
        (quota.is_some() || declared.is_some()).then(|| Allowance {
            window,
            turn: Turn::of(doc.kind, window),
            // A window that only the operator sets is counted as the kind's own are.
            unit: quota.or(capability.quotas.first()).map_or(QuotaUnit::Calls, |q| q.unit),
            documented: quota.and_then(|q| q.documented),
            declared: declared.map(u64::from),
        })
    };
    declared.into_iter().filter_map(of).collect()
}

/// Where a limit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The platform said so.
    Platform,
    /// The operator set it.
    Declared,
    /// The platform's documentation says so of a usual account.
    Documented,
}

/// How a window stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub limit: Option<u64>,
    pub source: Source,
    pub used: u64,
    pub reserved: u64,
    pub remaining: Option<u64>,
    /// Since when it is used up, if it is.
    pub exhausted_at: Option<Timestamp>,
    /// When the platform said so, if it did.
    pub told_at: Option<Timestamp>,
}

/// Why nothing is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The platform said that it is used up.
    Refused,
    /// By our count it is used up.
    UsedUp,
    /// What is left is reserved for scheduled sends.
    Reserved,
    /// What is left is kept for `high` and `normal`.
    KeptForHigh,
}

/// A quota that leaves nothing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Which.
    pub window: Window,
    /// Why.
    pub why: Why,
    /// When there may be more.
    pub until: Timestamp,
}

impl Full {
    /// What an attempt is noted with.
    pub fn code(&self) -> &'static str {
        match self.why {
            Why::Refused | Why::UsedUp => "quota_used_up",
            Why::Reserved => "quota_reserved",
            Why::KeptForHigh => "quota_kept_for_high",
        }
    }

    /// Whether an attempt was noted with such a code.
    pub fn is_code(code: &str) -> bool {
        matches!(code, "quota_used_up" | "quota_reserved" | "quota_kept_for_high")
    }

    /// The same for people.
    pub fn text(&self) -> String {
        let window = self.window.as_str();
        let why = match self.why {
            Why::Refused => format!("the platform said that the {window}'s quota is used up"),
            Why::UsedUp => format!("the {window}'s quota is used up"),
            Why::Reserved => format!("what is left of the {window}'s quota is reserved for scheduled sends"),
            Why::KeptForHigh => {
                format!("what is left of the {window}'s quota is kept for messages that are not bulk")
            }
        };
        format!("not sent yet: {why}; it goes on at {}", self.until)
    }
}

/// Everything that is known of a channel's quotas.
pub(crate) struct Book<'a> {
    pub allowances: &'a [Allowance],
    pub counters: &'a Counters,
    /// Counted and not written yet.
    pub pending: u64,
    pub notes: &'a Notes,
    pub promises: &'a Promises,
    /// When the channel was last changed: what was noted before may not hold any more.
    pub changed_at: Timestamp,
    pub kept_for_high: Option<u8>,
}

impl Book<'_> {
    fn own(&self, allowance: &Allowance, now: Timestamp) -> u64 {
        self.counters.used(allowance, now) + self.pending
    }

    fn reserved(&self, allowance: &Allowance, now: Timestamp) -> u64 {
        let ends = allowance.turn.period(allowance.window, now).map_or(now.after(DAY), |period| period.ends);
        self.promises.between(now, ends)
    }

    /// What the platform said it has seen, and what we have counted since; our own count where it said nothing.
    fn seen(&self, allowance: &Allowance, note: &Note, now: Timestamp) -> u64 {
        let own = self.own(allowance, now);
        let Some(told) = note.told else { return own };
        let Some(used) = told.used.filter(|_| lies_within(allowance, told.at, now)) else { return own };
        let counted = match allowance.turn {
            Turn::Rolling => self.counters.since(hour_of(told.at)) + self.pending,
            Turn::Beijing | Turn::Utc => own,
        };
        used + counted.saturating_sub(told.base)
    }

    /// The limits that hold, and what is used of each.
    fn limits(&self, allowance: &Allowance, note: &Note, now: Timestamp) -> Vec<(u64, Source, u64)> {
        let seen = self.seen(allowance, note, now);
        let platform = note.told.and_then(|told| told.limit);
        let platform = platform.map(|limit| (limit, Source::Platform, seen));
        let declared = allowance.declared.map(|limit| (limit, Source::Declared, self.own(allowance, now)));
        platform.into_iter().chain(declared).collect()
    }

    /// The platform's refusal of this window, unless the window or the channel is another one by now.
    fn refused(&self, allowance: &Allowance, note: &Note, now: Timestamp) -> Option<Timestamp> {
        let used_up = note.used_up.filter(|u| u.refused && u.at >= self.changed_at)?;
        let holds = match allowance.turn {
            Turn::Rolling => now.since(used_up.at) < HOLD,
            Turn::Beijing | Turn::Utc => lies_within(allowance, used_up.at, now),
        };
        holds.then_some(used_up.at)
    }

    /// How a window stands. Of several limits the one that leaves the least counts.
    pub fn standing(&self, allowance: &Allowance, now: Timestamp) -> Standing {
        let note = self.notes.of(allowance.window);
        let reserved = self.reserved(allowance, now);
        let refused = self.refused(allowance, &note, now);
        let mut limits = self.limits(allowance, &note, now);
        let seen = self.seen(allowance, &note, now);
        if limits.is_empty() {
            limits.extend(allowance.documented.map(|limit| (limit, Source::Documented, seen)));
        }
        let left =
            |(limit, _, used): &(u64, Source, u64)| limit.saturating_sub(*used).saturating_sub(reserved);
        let tightest = limits.into_iter().min_by_key(left);
        let told_at = note.told.map(|told| told.at);
        let source = if told_at.is_some() { Source::Platform } else { Source::Documented };
        let (limit, source, used) =
            tightest.map_or((None, source, seen), |(limit, source, used)| (Some(limit), source, used));
        let remaining = match refused {
            Some(_) => Some(0),
            None => tightest.as_ref().map(left),
        };
        let known = note.used_up.filter(|u| lies_within(allowance, u.at, now)).map(|u| u.at);
        let exhausted_at = refused.or(if limit.is_some_and(|limit| used >= limit) { known } else { None });
        Standing { limit, source, used, reserved, remaining, exhausted_at, told_at }
    }

    /// How many may be sent now. The documented number alone stops nobody: an account may well have more.
    pub fn room(&self, priority: Priority, now: Timestamp) -> Result<u64, Full> {
        let mut room = u64::MAX;
        for allowance in self.allowances {
            let note = self.notes.of(allowance.window);
            let full = |why| Full { window: allowance.window, why, until: self.anew(allowance, why, now) };
            // A month is not waited for: its pushes go on being refused, and the channel is said to fail.
            let refused = self.refused(allowance, &note, now).filter(|at| now.since(*at) < HOLD);
            if refused.is_some() && allowance.window == Window::Day {
                return Err(full(Why::Refused));
            }
            for (limit, _, used) in self.limits(allowance, &note, now) {
                let mut left = limit.saturating_sub(used);
                if left == 0 {
                    return Err(full(Why::UsedUp));
                }
                if priority != Priority::High {
                    left = left.saturating_sub(self.reserved(allowance, now));
                    if left == 0 {
                        return Err(full(Why::Reserved));
                    }
                }
                if priority == Priority::Bulk {
                    let percent = u64::from(self.kept_for_high.unwrap_or(KEPT_FOR_HIGH)).min(100);
                    left = left.saturating_sub((limit * percent).div_ceil(100));
                    if left == 0 {
                        return Err(full(Why::KeptForHigh));
                    }
                }
                room = room.min(left);
            }
        }
        Ok(room)
    }

    /// When a window that is full may hold more again.
    fn anew(&self, allowance: &Allowance, why: Why, now: Timestamp) -> Timestamp {
        if let Some(period) = allowance.turn.period(allowance.window, now) {
            return period.ends;
        }
        let own = self.counters.next_to_leave(now).filter(|_| why != Why::Refused && self.pending == 0);
        own.unwrap_or(now.after(HOLD)).max(now.after(Duration::from_secs(60)))
    }

    /// When a window runs out if the last hour's rate goes on, if that is before it turns.
    pub fn forecast(&self, allowance: &Allowance, standing: &Standing, now: Timestamp) -> Option<Timestamp> {
        let remaining = standing.remaining?;
        let rate = self.per_hour(now);
        if rate <= 0.0 {
            return None;
        }
        let at = now.after(Duration::from_secs_f64((remaining as f64 / rate * 3600.0).min(1e9)));
        let ends = allowance.turn.period(allowance.window, now).map_or(now.after(DAY), |period| period.ends);
        (at < ends).then_some(at)
    }

    /// How many in an hour, as of the last 60 minutes.
    pub fn per_hour(&self, now: Timestamp) -> f64 {
        self.counters.per_hour(now) + self.pending as f64
    }
}

/// Whether a time lies in the window that runs now.
pub(crate) fn lies_within(allowance: &Allowance, at: Timestamp, now: Timestamp) -> bool {
    match allowance.turn.period(allowance.window, now) {
        Some(period) => at >= period.begins,
        None => now.since(at) < DAY,
    }
}
