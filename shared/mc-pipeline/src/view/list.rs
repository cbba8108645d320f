//! Listing messages: by time, newest first, without an index on the way of a message.

use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::ports::{Item, Query};
use mc_core::state::MessageStatus;
use mc_core::{Result, Timestamp};
use ulid::Ulid;

use super::message::{MessageView, of_head, whole};
use crate::center::Center;
use crate::keys;

/// At most this many heads are looked at for one page; a page may be short.
const LOOKED_AT: usize = 2000;

/// So many are looked at before a page is empty though there may be more: scripts take an empty page for the last one.
const LOOKED_AT_FOR_NONE: usize = 20_000;

/// What a listing asks for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only with this status.
    pub status: Option<MessageStatus>,
    /// Only through this channel.
    pub channel: Option<String>,
    /// Only of this template.
    pub template: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only with this reference; looked up, not searched for.
    pub reference: Option<String>,
    /// Only sent by them.
    pub sender: Option<String>,
    /// Accepted at or after this; by default 24 hours ago.
    pub from: Option<Timestamp>,
    /// Accepted before this; by default now.
    pub to: Option<Timestamp>,
}

/// A page of messages.
pub struct MessagePage {
    /// The messages.
    pub items: Vec<MessageView>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// A page of a project's messages, newest first.
pub async fn list(
    center: &Center,
    project: &str,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<MessagePage> {
    let before = cursor.and_then(|c| Ulid::from_string(c).ok());
    match &filter.reference {
        Some(reference) => by_reference(center, project, filter, reference, limit, before).await,
        // These are few among many, and mostly accepted long ago.
        None if filter.status == Some(MessageStatus::Scheduled) => {
            scheduled(center, project, filter, limit, before).await
        }
        None => by_time(center, project, filter, limit, before).await,
    }
}

/// A message that waits for its time to go through this channel, if there is one. Looks at all that wait.
pub async fn scheduled_through(center: &Center, project: &str, channel: &str) -> Result<Option<MessageId>> {
    let filter = Filter {
        status: Some(MessageStatus::Scheduled),
        channel: Some(channel.to_owned()),
        ..Filter::default()
    };
    let mut before = None;
    loop {
        let page = scheduled(center, project, &filter, 200, before).await?;
        if let Some(found) = page.items.first() {
            return Ok(Some(found.id));
        }
        match page.next_cursor.and_then(|cursor| Ulid::from_string(&cursor).ok()) {
            Some(next) => before = Some(next),
            None => return Ok(None),
        }
    }
}

async fn by_reference(
    center: &Center,
    project: &str,
    filter: &Filter,
    reference: &str,
    limit: usize,
    before: Option<Ulid>,
) -> Result<MessagePage> {
    let mut query = Query::prefix(keys::reference_partition(project, reference), "", limit);
    query.newest_first = true;
    if let Some(before) = before {
        query.to = before.to_string();
    }
    let page = center.store.query(&query).await?;
    let ids: Vec<MessageId> =
        page.items.iter().filter_map(|i| Ulid::from_string(&i.key.sk).ok().map(MessageId::new)).collect();
    let heads: Vec<_> = ids.iter().map(|id| keys::head(project, *id, center.spread)).collect();
    let mut items = Vec::new();
    for (id, head) in ids.iter().zip(center.store.get_many(&heads).await?) {
        if let Some(item) = head {
            items.extend(shown(center, project, *id, &item, filter).await?);
        }
    }
    let next_cursor = page.more.then(|| ids.last().map(|id| id.ulid().to_string())).flatten();
    Ok(MessagePage { items, next_cursor })
}

async fn scheduled(
    center: &Center,
    project: &str,
    filter: &Filter,
    limit: usize,
    before: Option<Ulid>,
) -> Result<MessagePage> {
    let mut below = before.map(|b| b.to_string());
    let (mut items, mut looked_at) = (Vec::new(), 0);
    loop {
        let (mut found, mut sure_above) = (Vec::new(), String::new());
        for shard in 0..center.spread.max(1) {
            let mut query = Query::prefix(keys::scheduled_partition(project, shard), "", limit);
            query.newest_first = true;
            if let Some(below) = &below {
                query.to.clone_from(below);
            }
            let page = center.store.query(&query).await?;
            if page.more
                && let Some(last) = page.items.last()
            {
                // Below this, the shard may hold messages that were not read yet.
                sure_above = sure_above.max(last.key.sk.clone());
            }
            found.extend(page.items.into_iter().map(|i| i.key.sk));
        }
        found.retain(|sk| *sk >= sure_above);
        found.sort_unstable_by(|a, b| b.cmp(a));
        let ids: Vec<MessageId> =
            found.iter().filter_map(|sk| Ulid::from_string(sk).ok().map(MessageId::new)).collect();
        let heads: Vec<_> = ids.iter().map(|id| keys::head(project, *id, center.spread)).collect();
        for (id, head) in ids.iter().zip(center.store.get_many(&heads).await?) {
            let view = head.as_ref().map(|item| of_head(center, *id, item)).transpose()?;
            if let Some(view) = view.filter(|view| matches(filter, view)) {
                items.push(view);
            }
            looked_at += 1;
            if is_enough(items.len(), limit, looked_at) {
                return Ok(MessagePage { items, next_cursor: Some(id.ulid().to_string()) });
            }
        }
        if sure_above.is_empty() {
            return Ok(MessagePage { items, next_cursor: None });
        }
        below = Some(sure_above);
    }
}

async fn by_time(
    center: &Center,
    project: &str,
    filter: &Filter,
    limit: usize,
    before: Option<Ulid>,
) -> Result<MessagePage> {
    let now = center.clock.now();
    let from = filter.from.unwrap_or_else(|| now.before(Duration::from_secs(86_400)));
    let to = filter.to.unwrap_or_else(|| now.after(Duration::from_secs(1)));
    let from_ulid = Ulid::from_parts(u64::try_from(from.millis()).unwrap_or(0), 0);
    let mut below = Ulid::from_parts(u64::try_from(to.millis()).unwrap_or(0), 0);
    if let Some(before) = before {
        below = below.min(before);
    }
    let (mut items, mut looked_at) = (Vec::new(), 0);
    while below > from_ulid {
        let (heads, next) = newest_below(center, project, from_ulid, below).await?;
        for (ulid, item) in heads {
            looked_at += 1;
            below = ulid;
            items.extend(shown(center, project, MessageId::new(ulid), &item, filter).await?);
            if is_enough(items.len(), limit, looked_at) {
                return Ok(MessagePage { items, next_cursor: Some(below.to_string()) });
            }
        }
        match next {
            Some(next) => below = next,
            None => break,
        }
    }
    Ok(MessagePage { items, next_cursor: None })
}

/// Whether a page ends here, because it is full or enough was looked at for it.
fn is_enough(found: usize, limit: usize, looked_at: usize) -> bool {
    found >= limit || looked_at >= if found > 0 { LOOKED_AT } else { LOOKED_AT_FOR_NONE }
}

/// Some of the newest heads of the day that ends at `below`, in order, and where to go on.
async fn newest_below(
    center: &Center,
    project: &str,
    from: Ulid,
    below: Ulid,
) -> Result<(Vec<(Ulid, Item)>, Option<Ulid>)> {
    const CHUNK: usize = 200;
    // What lies right below midnight belongs to the day before.
    let newest = Timestamp::from_millis(i64::try_from(below.timestamp_ms()).unwrap_or(i64::MAX));
    let newest = if below.random() == 0 { newest.before(Duration::from_millis(1)) } else { newest };
    let day_start =
        Timestamp::parse(&format!("{}T00:00:00Z", &newest.to_string()[..10])).unwrap_or(Timestamp::EPOCH);
    let start = Ulid::from_parts(u64::try_from(day_start.millis()).unwrap_or(0), 0).max(from);
    let (mut heads, mut sure_above) = (Vec::new(), start);
    for shard in 0..center.spread.max(1) {
        let query = Query {
            pk: keys::day_partition(project, &newest.day(), shard),
            from: keys::head_sort(MessageId::new(start)),
            to: keys::head_sort(MessageId::new(below)),
            newest_first: true,
            limit: CHUNK,
        };
        let page = center.store.query(&query).await?;
        let ulids = page.items.into_iter().filter_map(|i| Some((Ulid::from_string(&i.key.sk[2..]).ok()?, i)));
        let of_shard: Vec<(Ulid, Item)> = ulids.collect();
        if page.more
            && let Some((last, _)) = of_shard.last()
        {
            // Below this, the shard may hold heads that were not read yet.
            sure_above = sure_above.max(*last);
        }
        heads.extend(of_shard);
    }
    heads.retain(|(ulid, _)| *ulid >= sure_above);
    heads.sort_by_key(|(ulid, _)| std::cmp::Reverse(*ulid));
    let next = (sure_above > from).then_some(sure_above);
    Ok((heads, next))
}

/// The message, if it is asked for. A head learns of shares outside of it when they are decided; of a message that is under
/// way they are read as well, if it may be one that is asked for.
async fn shown(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Item,
    filter: &Filter,
) -> Result<Option<MessageView>> {
    let under_way =
        |status: MessageStatus| matches!(status, MessageStatus::Queued | MessageStatus::Processing);
    let mut view = of_head(center, id, head)?;
    if under_way(view.status) {
        if !suits(filter, &view) || !filter.status.is_none_or(under_way) {
            return Ok(None);
        }
        view = whole(center, project, id, head).await?;
    }
    Ok(matches(filter, &view).then_some(view))
}

fn matches(filter: &Filter, view: &MessageView) -> bool {
    filter.status.is_none_or(|s| s == view.status) && suits(filter, view)
}

/// Whether it is what is asked for, wherever it stands.
fn suits(filter: &Filter, view: &MessageView) -> bool {
    let text = |name: &str| view.request.get(name);
    filter.channel.as_ref().is_none_or(|c| view.deliveries.iter().any(|d| d.channel == *c))
        && filter
            .template
            .as_ref()
            .is_none_or(|t| text("template").and_then(|v| v["name"].as_str()) == Some(t.as_str()))
        && filter.tag.as_ref().is_none_or(|t| {
            text("tags").and_then(|v| v.as_array()).is_some_and(|tags| tags.iter().any(|v| v == t.as_str()))
        })
        && filter
            .sender
            .as_ref()
            .is_none_or(|sender| text("sender").and_then(|v| v.as_str()) == Some(sender.as_str()))
        && filter.from.is_none_or(|from| view.created_at >= from)
        && filter.to.is_none_or(|to| view.created_at < to)
}
