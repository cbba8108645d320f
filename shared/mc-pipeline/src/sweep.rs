//! Messages that are written and that nobody works on, because the process that accepted them ended before it had queued
//! their tasks.
//!
//! Where store and queue share a transaction there are none. Elsewhere the heads and shares of some minutes ago are looked
//! over, twice in all: what was due and was never claimed gets its task again. A task that is in the queue all the same
//! finds its work done by the other one, or does it first: a claim has one winner.
//!
//! A request with an `Idempotency-Key` that is repeated need not wait for that: its own messages are looked at at once.
//!
//! The first look, after minutes, leaves alone what waits for good reasons: a channel that sends as fast as it may, and more
//! than a few at once, which is a queue that is full and no crash. The second look takes everything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::ports::{Attrs, Group, Item, Key, Op, Outgoing, Query, Task};
use mc_core::{Result, Timestamp};
use ulid::Ulid;

use crate::center::Center;
use crate::condition;
use crate::share::{Head, Share, is_unclaimed};
use crate::{keys, pace};

/// One of the looks.
struct Look {
    /// Where it remembers how far it came.
    name: &'static str,
    /// It looks at what is so old.
    age: Duration,
    /// It takes so much time at once, and looks again when so much has passed.
    span: Duration,
    /// Whether what may be waiting for good reasons is left alone.
    careful: bool,
}

const LATE: Look = Look { name: "late", age: minutes(60), span: minutes(15), careful: false };

const LOOKS: [Look; 2] = [Look { name: "soon", age: minutes(3), span: minutes(5), careful: true }, LATE];

/// More than so many at once are no crash but a queue that is full.
const FEW: usize = 500;

/// After a time without looks, at most so many spans are made up for in one run.
const MOST_SPANS: usize = 12;

/// Items read at once.
const PAGE: usize = 500;

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// Queues what was written and not queued; answers how many tasks. To be called every five minutes.
///
/// How far it came is kept in the store, so that a run that is left out or breaks off is made up for by the next one.
pub async fn sweep(center: &Center) -> Result<usize> {
    let mut queued = 0;
    for look in &LOOKS {
        let end = center.clock.now().before(look.age);
        let Some(mut from) = since(center, look, end).await? else { continue };
        for _ in 0..MOST_SPANS {
            // A run may come a little before its time.
            if end.since(from) + minutes(1) < look.span || from >= end {
                break;
            }
            let to = from.after(look.span).min(end);
            queued += look.between(center, from, to).await?;
            center.store.write(Op::put(mark(look, to))).await?;
            from = to;
        }
    }
    if queued > 0 {
        tracing::warn!(queued, "tasks of messages that were written and not queued are queued");
    }
    Ok(queued)
}

/// Queues what was written and not queued of these messages alone, given by their heads; answers how many tasks.
pub(crate) async fn queue_again(center: &Center, project: &Arc<str>, heads: &[Item]) -> Result<usize> {
    let now = center.clock.now();
    let mut found = Vec::new();
    for item in heads {
        found.extend(unclaimed(project, item, now));
        let head = Head::read(item)?;
        // Once one of its shares is decided they were queued all, as they are in one request.
        if head.inline.is_some() || !head.finals.is_empty() {
            continue;
        }
        let Some(message) = message_of(item) else { continue };
        let mut query = Query::prefix(item.key.pk.clone(), keys::share_prefix(message), PAGE);
        loop {
            let page = center.store.query(&query).await?;
            found.extend(page.items.iter().filter_map(|item| unclaimed(project, item, now)));
            match page.items.last() {
                Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
                _ => break,
            }
        }
    }
    LATE.queue(center, found).await
}

fn mark(look: &Look, to: Timestamp) -> Item {
    Item::new(Key::new(keys::SWEPT, look.name), Attrs::new().with("t", to))
}

/// How far an earlier run came. The first run begins now.
async fn since(center: &Center, look: &Look, end: Timestamp) -> Result<Option<Timestamp>> {
    let found = center.store.get(&Key::new(keys::SWEPT, look.name)).await?;
    let at = found.and_then(|item| item.attrs.num("t")).map(Timestamp::from_millis);
    if at.is_none() {
        center.store.write(Op::put(mark(look, end))).await?;
    }
    Ok(at)
}

/// A share that was never claimed.
struct Unclaimed {
    project: Arc<str>,
    message: MessageId,
    share: Share,
    /// Its message, if the share lives in it.
    head: Option<Head>,
}

impl Look {
    /// Looks over all projects' messages of a time.
    async fn between(&self, center: &Center, from: Timestamp, to: Timestamp) -> Result<usize> {
        let mut queued = 0;
        for project in center.projects.names().await? {
            let project: Arc<str> = project.into();
            for (from, to) in days(from, to) {
                for spread in 0..center.spread.max(1) {
                    queued += self.partition(center, &project, spread, from, to).await?;
                }
            }
        }
        Ok(queued)
    }

    /// Looks over one partition of one day: the heads that hold their share, and the shares by themselves.
    async fn partition(
        &self,
        center: &Center,
        project: &Arc<str>,
        spread: u8,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<usize> {
        let now = center.clock.now();
        let pk = keys::day_partition(project, &from.day(), spread);
        let mut queued = 0;
        for prefix in ["m#", "s#"] {
            let bound = |at: Timestamp| {
                format!("{prefix}{}", Ulid::from_parts(u64::try_from(at.millis()).unwrap_or(0), 0))
            };
            let mut query =
                Query { pk: pk.clone(), from: bound(from), to: bound(to), newest_first: false, limit: PAGE };
            loop {
                let page = center.store.query(&query).await?;
                let found: Vec<Unclaimed> =
                    page.items.iter().filter_map(|item| unclaimed(project, item, now)).collect();
                queued += self.queue(center, found).await?;
                match page.items.last() {
                    Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
                    _ => break,
                }
            }
        }
        Ok(queued)
    }

    /// Queues the tasks of what is to be taken.
    async fn queue(&self, center: &Center, mut found: Vec<Unclaimed>) -> Result<usize> {
        if found.is_empty() {
            return Ok(0);
        }
        if self.careful && found.len() > FEW {
            tracing::info!(
                waiting = found.len(),
                "so much waits in the queue that nothing is taken for lost"
            );
            return Ok(0);
        }
        // A share without its head was never accepted: the head is written last.
        let missing: Vec<usize> = (0..found.len()).filter(|n| found[*n].head.is_none()).collect();
        let heads: Vec<Key> = missing
            .iter()
            .map(|n| keys::head(&found[*n].project, found[*n].message, center.spread))
            .collect();
        for (n, head) in missing.into_iter().zip(center.store.get_many(&heads).await?) {
            found[n].head = head.as_ref().map(Head::read).transpose()?;
        }
        let mut busy: HashMap<String, bool> = HashMap::new();
        let mut tasks = Vec::new();
        for Unclaimed { project, message, share, head } in found {
            let Some(head) = head.filter(|head| head.canceled.is_none()) else { continue };
            if head.doc.condition.is_some() && !head.asked {
                // Its shares wait for an answer. That it is asked twice changes nothing.
                tasks.push(condition::task(&project, message, head.doc.priority, 0));
                continue;
            }
            let Some(plan) = head.doc.deliveries.get(share.delivery) else { continue };
            if self.careful {
                let busy = match busy.get(&plan.channel) {
                    Some(busy) => *busy,
                    None => {
                        let is_busy = pace::is_busy(center, &project, &plan.channel).await?;
                        busy.insert(plan.channel.clone(), is_busy);
                        is_busy
                    }
                };
                if busy {
                    continue;
                }
            }
            tasks.push(Outgoing {
                family: plan.kind.family(),
                group: Group::of(&project, head.doc.priority),
                task: Task::Deliver {
                    project: project.clone(),
                    message,
                    share: share.index,
                    channel: plan.channel.as_str().into(),
                    slot: None,
                },
                delay: Duration::ZERO,
            });
        }
        let count = tasks.len();
        if count > 0 {
            center.queue.send(tasks).await?;
        }
        Ok(count)
    }
}

/// The share of an item, if it was due and nobody ever claimed it.
fn unclaimed(project: &Arc<str>, item: &Item, now: Timestamp) -> Option<Unclaimed> {
    if !is_unclaimed(&item.attrs) {
        return None;
    }
    let message = message_of(item)?;
    let index = item.key.sk.split('#').nth(2).map_or(Some(0), |index| index.parse().ok())?;
    let share = Share::read(index, &item.attrs).ok()?;
    if share.due > now {
        return None;
    }
    let head = if index == 0 { Some(Head::read(item).ok()?) } else { None };
    Some(Unclaimed { project: project.clone(), message, share, head })
}

/// The message that a head or a share belongs to.
pub(crate) fn message_of(item: &Item) -> Option<MessageId> {
    Some(MessageId::new(Ulid::from_string(item.key.sk.split('#').nth(1)?).ok()?))
}

/// A time divided at midnight, as the partitions are.
pub(crate) fn days(from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    const DAY: i64 = 86_400_000;
    let mut days = Vec::new();
    let mut from = from;
    while from < to {
        let midnight = Timestamp::from_millis((from.millis().div_euclid(DAY) + 1) * DAY);
        days.push((from, midnight.min(to)));
        from = midnight;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_divided_at_midnight() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let (from, to) = (at("2026-12-01T23:58:00Z"), at("2026-12-02T00:03:00Z"));
        let midnight = at("2026-12-02T00:00:00Z");
        assert_eq!(days(from, to), [(from, midnight), (midnight, to)]);
        assert_eq!(days(midnight, to), [(midnight, to)]);
        assert_eq!(days(to, to), []);
    }
}
