//! What scheduled sends have reserved: messages by the quarter of an hour in which they fall due, and the next run of each
//! schedule by its time ([`runs`]).
//!
//! A message's reservation is over as soon as its quarter begins: from then on the send itself is counted. So nothing has
//! to be taken back when a message runs, and whatever a crash leaves wrong is gone with its quarter.

use std::collections::BTreeMap;
use std::time::Duration;

use mc_core::model::MessageDoc;
use mc_core::ports::{Attr, Batching, Change, Item, Key, MAX_DELAY, Op, Query, QuotaUnit, Random};
use mc_core::{Result, Timestamp};

use super::runs;
use crate::center::Center;
use crate::keys;
use crate::repo::ChannelEntry;

const QUARTER: i64 = 900_000;
const DAY_MS: i64 = 86_400_000;

/// In this last part of each quarter those who wait for a quota look whether there is more of it, but not so near to its
/// end that they may come late.
const LOOKS: Duration = Duration::from_secs(180);
const NEAR: Duration = Duration::from_secs(15);

/// What is reserved from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promises {
    /// By messages, in quarters counted from 1970.
    messages: BTreeMap<i64, i64>,
    /// By the next run of each schedule.
    runs: Vec<(Timestamp, i64)>,
}

impl Promises {
    /// How much falls due before `ends`: messages after the quarter that runs, and runs from now on.
    pub fn between(&self, now: Timestamp, ends: Timestamp) -> u64 {
        let (from, to) = (now.millis().div_euclid(QUARTER) + 1, ends.millis().div_euclid(QUARTER));
        let messages: i64 = self.messages.range(from..to.max(from)).map(|(_, n)| *n).sum();
        let runs: i64 = self.runs.iter().filter(|(at, _)| *at > now && *at < ends).map(|(_, n)| *n).sum();
        u64::try_from(messages.saturating_add(runs)).unwrap_or(0)
    }

    fn add(&mut self, item: &Item) {
        self.runs.extend(runs::read(item));
        let Ok(day) = item.key.sk.parse::<i64>() else { return };
        for (name, value) in item.attrs.iter() {
            if let (Some(Ok(quarter)), Attr::Num(n)) = (name.strip_prefix('q').map(str::parse::<i64>), value)
            {
                self.messages.insert(day * DAY_MS / QUARTER + quarter, *n);
            }
        }
    }
}

/// What is reserved for a channel until `ends`.
pub(crate) async fn load(center: &Center, project: &str, channel: &str, ends: Timestamp) -> Result<Promises> {
    let pk = keys::promises_partition(project, channel);
    let mut query = Query::prefix(pk, "", 100);
    query.from = runs::first();
    query.to = sort(day_of(ends) + 1);
    let mut promises = Promises::default();
    loop {
        let page = center.store.query(&query).await?;
        for item in &page.items {
            promises.add(item);
        }
        match page.items.last() {
            Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
            _ => return Ok(promises),
        }
    }
}

/// Something that a scheduled send reserves, or gives back.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The channel.
    pub channel: String,
    /// When the send falls due.
    pub at: Timestamp,
    /// How much, in the unit of the channel's quota; below zero it is given back.
    pub n: i64,
}

/// The writes that reserve for sends of a project, one for each channel and day. What falls due at once needs none.
///
/// Put them into the commit that makes the sends come true.
pub fn writes(project: &str, promises: &[Promise], now: Timestamp) -> Vec<Op> {
    let mut days: BTreeMap<(&str, i64), BTreeMap<i64, i64>> = BTreeMap::new();
    for Promise { channel, at, n } in promises {
        let quarter = at.millis().div_euclid(QUARTER);
        if quarter > now.millis().div_euclid(QUARTER) {
            *days.entry((channel, day_of(*at))).or_default().entry(quarter).or_default() += n;
        }
    }
    let write = |((channel, day), quarters): ((&str, i64), BTreeMap<i64, i64>)| {
        let of_day = |quarter: i64| format!("q{:02}", quarter - day * (DAY_MS / QUARTER));
        let adds = quarters.into_iter().filter(|(_, n)| *n != 0);
        let mut changes: Vec<Change> =
            adds.map(|(quarter, n)| Change::Add(of_day(quarter).into(), n)).collect();
        if changes.is_empty() {
            return None;
        }
        changes.push(Change::Expire(Some(Timestamp::from_millis((day + 1) * DAY_MS))));
        Some(Op::Update(Key::new(keys::promises_partition(project, channel), sort(day)), changes, Vec::new()))
    };
    days.into_iter().filter_map(write).collect()
}

/// What a message's deliveries reserve, or give back, if it falls due later.
pub(crate) async fn of_message(
    center: &Center,
    project: &str,
    doc: &MessageDoc,
    at: Timestamp,
    sign: i64,
) -> Result<Vec<Promise>> {
    let mut promises = Vec::new();
    for plan in doc.deliveries.iter().filter(|plan| plan.recipients > 0) {
        // A channel that is gone or broken keeps no quota.
        let Some(entry) = center.channels.find(project, &plan.channel).await?.live() else { continue };
        promises.extend(of_delivery(&entry, plan.recipients as usize, at, sign));
    }
    Ok(promises)
}

/// What so many recipients of one channel reserve. A content that turns out to need several pushes is not foreseen.
pub(crate) fn of_delivery(
    entry: &ChannelEntry,
    recipients: usize,
    at: Timestamp,
    sign: i64,
) -> Option<Promise> {
    let n = i64::try_from(units(entry, recipients)).ok()?;
    (!entry.allowances.is_empty()).then(|| Promise { channel: entry.name.to_string(), at, n: n * sign })
}

/// How much so many recipients take of a channel's quota.
pub(crate) fn units(entry: &ChannelEntry, recipients: usize) -> usize {
    let by_people = entry.allowances.iter().any(|a| a.unit == QuotaUnit::Recipients);
    match entry.channel.capability().batching {
        Batching::Broadcast => 1,
        Batching::UpTo(most) if !by_people => recipients.div_ceil(most.max(1)),
        Batching::UpTo(_) | Batching::Single => recipients,
    }
}

/// When somebody who waits for a quota until `until` looks whether there is more of it by then: a limit may be raised, and
/// what was reserved may be given back.
///
/// That is late in a quarter. What its scheduled sends take is counted by then, and what those of the next one will take is
/// reserved still, so that whoever waits takes nothing of either.
pub(crate) fn look_again(until: Timestamp, now: Timestamp, random: &dyn Random) -> Timestamp {
    // In the last part of a quarter it is the next one's turn.
    let ends = (now.after(LOOKS).millis().div_euclid(QUARTER) + 1) * QUARTER;
    let before = NEAR + (LOOKS - NEAR).mul_f64(random.unit());
    Timestamp::from_millis(ends).before(before).min(now.after(MAX_DELAY)).min(until)
}

fn day_of(at: Timestamp) -> i64 {
    at.millis().div_euclid(DAY_MS)
}

/// Days counted from 1970; five digits until the year 2243.
fn sort(day: i64) -> String {
    format!("{:05}", day.max(0))
}

#[cfg(test)]
mod tests {
    use mc_core::ports::Attrs;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn promise(text: &str, n: i64) -> Promise {
        Promise { channel: "mail".into(), at: at(text), n }
    }

    fn kept(list: &[Promise], now: Timestamp) -> (Promises, usize) {
        let (mut promises, mut items) = (Promises::default(), BTreeMap::new());
        for op in writes("default", list, now) {
            let Op::Update(key, changes, _) = op else { panic!("{op:?}") };
            let item = items.entry(key.sk.clone()).or_insert_with(|| Item::new(key, Attrs::new()));
            changes.iter().for_each(|change| change.apply(item));
        }
        items.values().for_each(|item| promises.add(item));
        (promises, items.len())
    }

    #[test]
    fn a_reservation_is_over_when_its_quarter_begins() {
        let now = at("2026-12-01T08:00:00Z");
        let list = [
            promise("2026-12-01T09:05:00Z", 5),
            promise("2026-12-01T09:14:59Z", 2),
            promise("2026-12-02T09:00:00Z", 3),
            promise("2026-12-01T08:10:00Z", 100),
        ];
        let (promises, items) = kept(&list, now);
        assert_eq!(items, 2, "an item for each day");
        let evening = at("2026-12-01T16:00:00Z");
        assert_eq!(promises.between(now, evening), 7, "what falls due in this quarter is not reserved");
        assert_eq!(promises.between(now, at("2026-12-02T16:00:00Z")), 10);
        assert_eq!(promises.between(at("2026-12-01T08:59:59Z"), evening), 7);
        assert_eq!(promises.between(at("2026-12-01T09:00:00Z"), evening), 0);
    }

    #[test]
    fn who_waits_looks_late_in_each_quarter() {
        let random = mc_testkit::SeqRandom::default();
        let end = at("2026-12-02T00:00:00Z");
        let mut now = at("2026-12-01T08:00:00Z");
        for _ in 0..40 {
            let look = look_again(end, now, &random);
            assert!(look > now && look.since(now) <= MAX_DELAY, "{look}");
            let gone = look.millis().rem_euclid(QUARTER);
            assert!((12 * 60_000..=15 * 60_000 - 15_000).contains(&gone), "{look}");
            now = look;
        }
        let soon = now.after(Duration::from_secs(1));
        assert_eq!(look_again(soon, now, &random), soon, "not longer than it has to wait");
    }

    #[test]
    fn what_is_given_back_is_gone() {
        let now = at("2026-12-01T08:00:00Z");
        let (promises, items) =
            kept(&[promise("2026-12-01T09:00:00Z", 5), promise("2026-12-01T09:00:00Z", -5)], now);
        assert_eq!((promises, items), (Promises::default(), 0));
    }
}
