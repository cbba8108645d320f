//! What lies further ahead than a queue's delay: a row per task in one sharded index, promoted when it is near.

use std::time::Duration;

use futures_util::future::try_join_all;
use mc_core::ports::{Attrs, Commit, Group, Item, Key, MAX_DELAY, Op, Outgoing, Query, Task};
use mc_core::{Error, ErrorKind, Result, Timestamp};
use ulid::Ulid;

use crate::center::Center;
use crate::keys;

/// Rows are promoted this long before their time; the queue keeps the rest of the wait.
pub const AHEAD: Duration = Duration::from_secs(120);

/// Rows promoted in one write.
const BATCH: usize = 500;

/// The row of a task that is due at `at`.
pub fn row(center: &Center, outgoing: &Outgoing, at: Timestamp) -> Result<Op> {
    row_of(center, outgoing, at, center.ids.ulid(center.clock.now()))
}

/// The same under a name of the caller's: written again, it is the same row.
pub fn row_of(center: &Center, outgoing: &Outgoing, at: Timestamp, name: Ulid) -> Result<Op> {
    let attrs = Attrs::new()
        .with("f", outgoing.family.as_str())
        .with("g", outgoing.group.as_str())
        .with("t", serde_json::to_vec(&outgoing.task)?);
    Ok(Op::put_new(Item::new(key_of(center, at, name), attrs)))
}

/// Where the row of this name is.
pub fn key_of(center: &Center, at: Timestamp, name: Ulid) -> Key {
    let shard = (name.random() % u128::from(center.spread.max(1))) as u8;
    Key::new(keys::due_partition(shard), keys::due_sort(at, &name.to_string()))
}

/// Sends a task at `at`: through the queue when that is near, else through the index.
pub fn send_at(center: &Center, mut outgoing: Outgoing, at: Timestamp, commit: &mut Commit) -> Result<()> {
    outgoing.delay = at.since(center.clock.now());
    if outgoing.delay <= MAX_DELAY {
        commit.tasks.push(outgoing);
    } else {
        commit.ops.push(row(center, &outgoing, at)?);
    }
    Ok(())
}

/// Moves every row that is near into the queue; answers how many.
///
/// The rows go after their tasks are queued. Two promoters at once, or a crash between, queue a task twice: its claim
/// finds the work done.
pub async fn promote(center: &Center) -> Result<usize> {
    let shards = (0..center.spread.max(1)).map(|shard| promote_shard(center, shard));
    Ok(try_join_all(shards).await?.into_iter().sum())
}

async fn promote_shard(center: &Center, shard: u8) -> Result<usize> {
    let mut promoted = 0;
    loop {
        let now = center.clock.now();
        let mut query = Query::prefix(keys::due_partition(shard), "", BATCH);
        query.to = keys::due_sort(now.after(AHEAD), "");
        let page = center.store.query(&query).await?;
        if page.items.is_empty() {
            return Ok(promoted);
        }
        let mut commit = Commit::default();
        for item in &page.items {
            match read(item, now) {
                Ok(outgoing) => commit.tasks.push(outgoing),
                // It is put aside for somebody to look at: what comes after it must not wait for that.
                Err(error) => {
                    tracing::error!(error = %error, "a due row is put aside");
                    let key = Key::new(keys::DUE_ASIDE, item.key.sk.clone());
                    commit.ops.push(Op::put(Item::new(key, item.attrs.clone())));
                }
            }
        }
        // The tasks first: a commit's tasks follow its writes, so the rows go in a second one.
        center.store.commit(commit).await?;
        let ops = page.items.iter().map(|i| Op::Delete(i.key.clone(), Vec::new())).collect();
        center.store.commit(Commit { ops, ..Commit::default() }).await?;
        promoted += page.items.len();
    }
}

fn read(item: &Item, now: Timestamp) -> Result<Outgoing> {
    let corrupt = || Error::new(ErrorKind::Corrupt, "a due row cannot be read").with("key", &item.key.sk);
    let at: i64 = item.key.sk.split('#').next().and_then(|ms| ms.parse().ok()).ok_or_else(corrupt)?;
    let family = item
        .attrs
        .text("f")
        .and_then(|f| mc_core::ports::Family::ALL.into_iter().find(|family| family.as_str() == f))
        .ok_or_else(corrupt)?;
    let group = Group::from_text(item.attrs.text("g").ok_or_else(corrupt)?.to_owned());
    let task: Task = serde_json::from_slice(item.attrs.bytes("t").ok_or_else(corrupt)?)?;
    Ok(Outgoing { family, group, task, delay: Timestamp::from_millis(at).since(now) })
}
