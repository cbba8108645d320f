//! What was counted of a channel: one number for each period, next to the channel's pace.
//!
//! A number only ever grows, and its name says of which hour, day or month it is. So a window turns without anybody
//! doing anything, and several processes add at once without reading.

use std::collections::BTreeMap;

use mc_core::Timestamp;
use mc_core::ports::{Attr, Attrs, Change, Turn, Window};

use super::Allowance;

const HOUR: i64 = 3_600_000;

/// A rolling day is counted as the hour that runs and so many before it: never less than the platform counts.
const ROLLING: i64 = 24;

/// For the rate of now, the hour before is enough.
const RECENT: i64 = 1;

/// The hour in which a time lies, counted from 1970.
pub(crate) fn hour_of(at: Timestamp) -> i64 {
    at.millis().div_euclid(HOUR)
}

/// The counted numbers by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// Those of a stored pace; its other attributes are passed over.
    pub fn read(attrs: &Attrs) -> Self {
        let counted = attrs.iter().filter_map(|(name, value)| match value {
            Attr::Num(n) if is_name(name) => Some((name.to_owned(), u64::try_from(*n).unwrap_or(0))),
            _ => None,
        });
        Self(counted.collect())
    }

    /// The changes that count `n` more in an hour.
    pub fn adds(allowances: &[Allowance], hour: i64, n: u64) -> Vec<Change> {
        let at = Timestamp::from_millis(hour * HOUR);
        let names = allowances.iter().filter_map(|a| name_of(a, at)).chain([format!("h{hour}")]);
        names.map(|name| Change::Add(name.into(), i64::try_from(n).unwrap_or(i64::MAX))).collect()
    }

    /// The changes that drop what no window holds any more.
    pub fn stale(&self, allowances: &[Allowance], now: Timestamp) -> Vec<Change> {
        let hours = if allowances.iter().any(|a| a.turn == Turn::Rolling) { ROLLING } else { RECENT };
        let oldest = hour_of(now) - hours;
        let current: Vec<String> = allowances.iter().filter_map(|a| name_of(a, now)).collect();
        let over = |name: &str| match name.strip_prefix('h').map(str::parse::<i64>) {
            Some(Ok(hour)) => hour < oldest,
            _ => !current.iter().any(|c| c == name),
        };
        let names = self.0.keys().filter(|name| over(name));
        names.map(|name| Change::Remove(name.clone().into())).collect()
    }

    /// What a window holds now.
    pub fn used(&self, allowance: &Allowance, now: Timestamp) -> u64 {
        match name_of(allowance, now) {
            Some(name) => self.0.get(&name).copied().unwrap_or(0),
            None => self.since(hour_of(now) - ROLLING),
        }
    }

    /// What was counted in an hour.
    pub fn hour(&self, hour: i64) -> u64 {
        self.0.get(&format!("h{hour}")).copied().unwrap_or(0)
    }

    /// What was counted from an hour on.
    pub fn since(&self, hour: i64) -> u64 {
        self.hours().filter(|(h, _)| *h >= hour).map(|(_, n)| n).sum()
    }

    /// When the oldest of a rolling day's hours leaves it.
    pub fn next_to_leave(&self, now: Timestamp) -> Option<Timestamp> {
        let oldest = hour_of(now) - ROLLING;
        let first = self.hours().filter(|(h, n)| *h >= oldest && *n > 0).map(|(h, _)| h).min()?;
        Some(Timestamp::from_millis((first + ROLLING + 1) * HOUR))
    }

    /// How many in an hour, as of the last 60 minutes: this hour's and of the hour before the part that is left of it.
    pub fn per_hour(&self, now: Timestamp) -> f64 {
        let hour = hour_of(now);
        let gone = now.millis().rem_euclid(HOUR) as f64 / HOUR as f64;
        self.hour(hour) as f64 + self.hour(hour - 1) as f64 * (1.0 - gone)
    }

    fn hours(&self) -> impl Iterator<Item = (i64, u64)> {
        self.0.iter().filter_map(|(name, n)| Some((name.strip_prefix('h')?.parse().ok()?, *n)))
    }
}

/// The name of a calendar's number; a rolling window is the sum of its hours.
fn name_of(allowance: &Allowance, at: Timestamp) -> Option<String> {
    let period = allowance.turn.period(allowance.window, at)?;
    let letter = if allowance.window == Window::Month { 'm' } else { 'd' };
    Some(format!("{letter}{}", period.name))
}

fn is_name(name: &str) -> bool {
    let digits = name.strip_prefix(['d', 'm', 'h']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use mc_core::ports::{Item, Key, QuotaUnit};

    use super::*;

    fn allowance(window: Window, turn: Turn) -> Allowance {
        Allowance { window, turn, unit: QuotaUnit::Calls, documented: None, declared: None }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn count(item: &mut Item, allowances: &[Allowance], now: Timestamp, n: u64) -> Counters {
        let before = Counters::read(&item.attrs);
        for change in
            Counters::adds(allowances, hour_of(now), n).into_iter().chain(before.stale(allowances, now))
        {
            change.apply(item);
        }
        Counters::read(&item.attrs)
    }

    #[test]
    fn a_day_and_a_month_turn_by_themselves() {
        let both = [allowance(Window::Day, Turn::Beijing), allowance(Window::Month, Turn::Beijing)];
        let mut item = Item::new(Key::new("p", "p"), Attrs::new().with("v", 7));
        let before = at("2026-11-30T23:59:00+08:00");
        let counted = count(&mut item, &both, before, 5);
        assert_eq!(both.map(|a| counted.used(&a, before)), [5, 5]);
        let midnight = at("2026-12-01T00:00:00+08:00");
        assert_eq!(both.map(|a| counted.used(&a, midnight)), [0, 0]);
        let counted = count(&mut item, &both, midnight, 2);
        assert_eq!(both.map(|a| counted.used(&a, midnight)), [2, 2]);
        let next = at("2026-12-02T12:00:00+08:00");
        let counted = count(&mut item, &both, next, 1);
        assert_eq!(both.map(|a| counted.used(&a, next)), [1, 3]);
        // What is over is not kept: two periods and one hour, besides the version.
        assert_eq!(item.attrs.iter().count(), 4, "{:?}", item.attrs);
    }

    #[test]
    fn a_rolling_day_never_counts_less_than_24_hours() {
        let day = [allowance(Window::Day, Turn::Rolling)];
        let mut item = Item::new(Key::new("p", "p"), Attrs::new());
        let first = at("2026-12-01T10:59:59Z");
        count(&mut item, &day, first, 7);
        let counted = count(&mut item, &day, at("2026-12-01T20:00:00Z"), 1);
        assert_eq!(counted.used(&day[0], at("2026-12-02T10:59:59Z")), 8);
        let leaves = at("2026-12-02T11:00:00Z");
        assert_eq!(counted.next_to_leave(at("2026-12-02T10:00:00Z")), Some(leaves));
        assert_eq!(counted.used(&day[0], leaves), 1);
    }

    #[test]
    fn the_rate_is_that_of_the_last_60_minutes() {
        let day = [allowance(Window::Day, Turn::Beijing)];
        let mut item = Item::new(Key::new("p", "p"), Attrs::new());
        count(&mut item, &day, at("2026-12-01T10:10:00Z"), 100);
        let counted = count(&mut item, &day, at("2026-12-01T11:05:00Z"), 30);
        assert!((counted.per_hour(at("2026-12-01T11:15:00Z")) - 105.0).abs() < 0.01);
    }
}
