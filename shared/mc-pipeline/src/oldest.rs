//! How long the oldest message waits that is due and that nobody has begun to send.
//!
//! There is no index of what waits: it would cost every message two writes. But messages lie in the order they were accepted
//! in, and what is begun stays so. So a look goes on where the last one stopped, at the first message that waits, and what is
//! begun is soon behind it. What becomes due long after the time in its id is out of that order: whoever writes it notes it
//! under its own time ([`note`]), and the notes are looked through in the same way.
//!
//! How far a look came is only a memory: two looks at once, or one that dies before it has written it down, make the next
//! one read something again.

use std::time::Duration;

use futures_util::future::try_join_all;
use mc_core::id::MessageId;
use mc_core::ports::{Attrs, Commit, Item, Key, Op, Query};
use mc_core::{Result, Timestamp};
use ulid::Ulid;

use crate::center::Center;
use crate::share::{Head, attr, is_unclaimed};
use crate::{keys, stats, sweep};

/// What is written is there so long after the time that it lies under, and until then is looked for again.
const LATE: Duration = Duration::from_secs(30);

/// The first look begins so long ago.
const FIRST: Duration = Duration::from_secs(3600);

/// What lies under an older time is left out, so that a message that nobody will ever begin does not hide the others for
/// ever: an hour more than the largest threshold of an alarm.
const LONGEST: Duration = Duration::from_secs(25 * 3600);

/// Items read at once, first and then: where something waits, it is mostly the first one.
const FEW: usize = 10;
const PAGE: usize = 500;

/// One look reads about so many messages of a partition; the next one goes on.
const MOST: usize = 20_000;

/// Notes a message of which something is due at `due`, if that lies out of the order of the ids.
pub(crate) fn note(center: &Center, project: &str, id: MessageId, due: Timestamp, commit: &mut Commit) {
    let at = due.max(center.clock.now());
    if at.since(id.time()) > LATE {
        let note = Item::new(keys::waiting(project, id, center.spread, at), Attrs::new());
        commit.ops.push(Op::put(note.expiring(at.after(LONGEST))));
    }
}

/// For how long the oldest of a project's messages waits that goes through this channel, or through any: it is due, nobody
/// has begun to send it, and no alarm made it. Zero if there is none; nothing while there was too much to look through.
///
/// To be called about once a minute. The first call looks an hour back, and no call further than 25 hours.
pub(crate) async fn age(center: &Center, project: &str, channel: Option<&str>) -> Result<Option<Duration>> {
    let now = center.clock.now();
    let look = Look { center, project, channel, now };
    let key = keys::waiting_mark(project, channel);
    let marks = center.store.get(&key).await?;
    let from = |mark: &str| {
        let at = marks.as_ref().and_then(|item| item.attrs.num(mark)).map(Timestamp::from_millis);
        at.unwrap_or(now.before(FIRST)).max(now.before(LONGEST))
    };
    let shards = 0..center.spread.max(1);
    let lines: Vec<(Order, u8)> =
        shards.flat_map(|shard| [(Order::Accepted, shard), (Order::Noted, shard)]).collect();
    let looks =
        lines.iter().copied().map(|(order, shard)| look.along(order, shard, from(&order.mark(shard))));
    let reached = try_join_all(looks).await?;

    let (mut attrs, mut oldest, mut is_whole) = (Attrs::new(), None::<Timestamp>, true);
    for ((order, shard), Reached { at, stop }) in lines.into_iter().zip(reached) {
        attrs.set(order.mark(shard), at.min(now.before(LATE)));
        match stop {
            Stop::Waits(since) => oldest = Some(oldest.map_or(since, |oldest| oldest.min(since))),
            Stop::Enough => is_whole = false,
            Stop::End => {}
        }
    }
    center.store.write(Op::put(Item::new(key, attrs).expiring(now.after(LONGEST)))).await?;
    Ok(oldest.map(|since| now.since(since)).or(is_whole.then_some(Duration::ZERO)))
}

/// In which order messages are looked through.
#[derive(Clone, Copy)]
enum Order {
    /// By the time in their ids.
    Accepted,
    /// By the time they are noted under.
    Noted,
}

impl Order {
    /// The attribute that remembers how far a look came along a partition.
    fn mark(self, shard: u8) -> String {
        match self {
            Order::Accepted => format!("a{shard}"),
            Order::Noted => format!("n{shard}"),
        }
    }

    /// Which message an item is about, and the time it lies under.
    fn place(self, item: &Item) -> Option<(Timestamp, MessageId)> {
        match self {
            Order::Accepted => sweep::message_of(item).map(|id| (id.time(), id)),
            Order::Noted => {
                let (at, id) = item.key.sk.split_once('#')?;
                let id = MessageId::new(Ulid::from_string(id).ok()?);
                Some((Timestamp::from_millis(at.parse().ok()?), id))
            }
        }
    }
}

/// How far a look came along one partition.
struct Reached {
    at: Timestamp,
    stop: Stop,
}

/// Why it came no further.
enum Stop {
    /// Something waits, since then.
    Waits(Timestamp),
    /// It read enough for once.
    Enough,
    /// There is no more.
    End,
}

/// One look.
struct Look<'a> {
    center: &'a Center,
    project: &'a str,
    channel: Option<&'a str>,
    now: Timestamp,
}

impl Look<'_> {
    /// Looks along a partition, up to the first message that waits.
    async fn along(&self, order: Order, shard: u8, from: Timestamp) -> Result<Reached> {
        let mut room = MOST;
        for mut query in self.queries(order, shard, from) {
            loop {
                let page = self.center.store.query(&query).await?;
                room = room.saturating_sub(page.items.len());
                let last = page.items.last().filter(|_| page.more).cloned();
                for (at, id, head) in self.heads(order, page.items).await? {
                    let until = match order {
                        // What is due later is noted.
                        Order::Accepted => self.now.min(at.after(LATE)),
                        Order::Noted => self.now,
                    };
                    if let Some(due) = self.due(id, &head, until).await? {
                        return Ok(Reached { at, stop: Stop::Waits(due.max(at)) });
                    }
                }
                let Some(last) = last else { break };
                if room == 0 {
                    let at = order.place(&last).map_or(from, |(at, _)| at);
                    return Ok(Reached { at, stop: Stop::Enough });
                }
                query.from = format!("{}\0", last.key.sk);
                query.limit = PAGE;
            }
        }
        Ok(Reached { at: self.now, stop: Stop::End })
    }

    /// What to read, from this time until now.
    fn queries(&self, order: Order, shard: u8, from: Timestamp) -> Vec<Query> {
        let to = self.now.after(Duration::from_millis(1));
        let query = |pk, from, to| Query { pk, from, to, newest_first: false, limit: FEW };
        match order {
            Order::Accepted => {
                let first = |at: Timestamp| {
                    let id = Ulid::from_parts(u64::try_from(at.millis()).unwrap_or(0), 0);
                    keys::head_sort(MessageId::new(id))
                };
                let day = |at: Timestamp| keys::day_partition(self.project, &at.day(), shard);
                sweep::days(from, to)
                    .into_iter()
                    .map(|(from, to)| query(day(from), first(from), first(to)))
                    .collect()
            }
            Order::Noted => {
                let pk = keys::waiting_partition(self.project, shard);
                vec![query(pk, keys::millis(from), keys::millis(to))]
            }
        }
    }

    /// The heads that these items are, or name, each with the time it lies under.
    async fn heads(&self, order: Order, items: Vec<Item>) -> Result<Vec<(Timestamp, MessageId, Item)>> {
        let placed = |item: Item| order.place(&item).map(|(at, id)| (at, id, item));
        let placed: Vec<_> = items.into_iter().filter_map(placed).collect();
        match order {
            Order::Accepted => Ok(placed),
            Order::Noted => {
                let head = |id: MessageId| keys::head(self.project, id, self.center.spread);
                let named: Vec<Key> = placed.iter().map(|(_, id, _)| head(*id)).collect();
                let found = placed.iter().zip(self.center.store.get_many(&named).await?);
                Ok(found.filter_map(|((at, id, _), head)| Some((*at, *id, head?))).collect())
            }
        }
    }

    /// When something of the message was due, at `until` at the latest, that nobody has begun; of several the first share's.
    async fn due(&self, id: MessageId, item: &Item, until: Timestamp) -> Result<Option<Timestamp>> {
        let is_alone = item.attrs.num(attr::SHARES) == Some(1) && item.attrs.get(attr::PHASE).is_some();
        if is_alone && !is_unclaimed(&item.attrs) {
            return Ok(None);
        }
        // Whoever is to send one that cannot be read says so.
        let Ok(head) = Head::read(item) else { return Ok(None) };
        // One whose condition has not answered waits for that; the answer notes it.
        let is_asked_for = head.doc.condition.is_some() && !head.asked;
        if is_asked_for || head.is_final() || head.canceled.is_some() || stats::of_alarm(&head.doc) {
            return Ok(None);
        }
        let waits = |share: &Attrs| -> Option<Timestamp> {
            let due = share.num(attr::DUE).map(Timestamp::from_millis).filter(|due| *due <= until)?;
            let plan = head.doc.deliveries.get(usize::try_from(share.num(attr::DELIVERY)?).ok()?)?;
            let is_meant = self.channel.is_none_or(|name| name == plan.channel);
            (is_meant && is_unclaimed(share)).then_some(due)
        };
        let due = waits(&item.attrs);
        if is_alone || due.is_some() {
            return Ok(due);
        }
        let pk = keys::message_partition(self.project, id, self.center.spread);
        let mut query = Query::prefix(pk, keys::share_prefix(id), PAGE);
        loop {
            let page = self.center.store.query(&query).await?;
            let due = page.items.iter().find_map(|share| waits(&share.attrs));
            match page.items.last() {
                Some(last) if page.more && due.is_none() => query.from = format!("{}\0", last.key.sk),
                _ => return Ok(due),
            }
        }
    }
}
