//! Telling past events again.

use std::collections::HashSet;
use std::time::Duration;

use mc_core::ports::{Commit, Op, Query};
use mc_core::{Result, Timestamp};

use super::{EVENT_LIFE, notify, task};
use crate::center::Center;
use crate::keys;

/// Tells an endpoint every event it wants from `from` up to `to` again, under the same ids; answers how many.
pub async fn replay(
    center: &Center,
    project: &str,
    webhook: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<usize> {
    let Some(endpoint) = center.webhooks.get(project, webhook).await? else { return Ok(0) };
    let from = from.max(center.clock.now().before(EVENT_LIFE));
    let (mut seen, mut count) = (HashSet::new(), 0);
    let mut day = from;
    loop {
        let partition = keys::event_list_partition(project, &day.day());
        let mut query = Query::prefix(partition, "", 200);
        query.from = keys::event_list_sort(from, "");
        query.to = keys::event_list_sort(to.after(Duration::from_millis(1)), "");
        loop {
            let page = center.store.query(&query).await?;
            let mut commit = Commit::default();
            for item in &page.items {
                let Some((_, id)) = item.key.sk.split_once('#') else { continue };
                let wanted = notify::event(center, project, id)
                    .await?
                    .is_some_and(|e| endpoint.events.contains(&e.kind));
                if wanted && seen.insert(id.to_owned()) {
                    commit.ops.push(Op::Delete(keys::telling(project, webhook, id), Vec::new()));
                    commit.tasks.push(task(project, webhook, id));
                    count += 1;
                }
            }
            center.store.commit(commit).await?;
            match page.items.last() {
                Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
                _ => break,
            }
        }
        if day.day() >= to.day() || day > center.clock.now() {
            return Ok(count);
        }
        day = day.after(Duration::from_secs(86_400));
    }
}
