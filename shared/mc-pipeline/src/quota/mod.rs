//! The ledger of quotas: what a platform lets each channel send in a day or a month, and what is left of it.
//!
//! Counted is what slots were reserved for, in one write per envelope and channel at most ([`ledger`], [`crate::pace`]);
//! scheduled sends reserve the time they fall due ([`Promise`], [`runs`]); the platform's own figures correct it all ([`poll`]).
//! Nothing is ever counted by looking at messages.

mod alert;
mod book;
mod counters;
mod ledger;
mod notes;
mod poll;
mod promises;
mod runs;

use std::collections::HashMap;

use futures_util::future::try_join_all;
use mc_core::model::Kind;
use mc_core::ports::{QuotaUnit, Turn, Window};
use mc_core::{Result, Timestamp};
use serde::Serialize;

pub use book::{Allowance, Full, Source, Why};
pub use ledger::flush;
pub use poll::{PATIENCE, Polled, poll};
pub use promises::{Promise, writes};

pub(crate) use alert::used_up;
pub(crate) use book::allowances;
pub(crate) use counters::{Counters, hour_of};
pub(crate) use ledger::{Ledger, changes, keep_for, known, take_up_to, told_rate};
pub(crate) use poll::{heard, too_fast};
pub(crate) use promises::{look_again, of_delivery, of_message, units};
pub(crate) use runs::{Need, free, needs_of_accepted, needs_of_plan, reserve};

use crate::center::Center;
use crate::pace;
use crate::repo::{self, ChannelEntry};

/// How one window of a channel stands.
#[derive(Clone, Debug, Serialize)]
pub struct QuotaItem {
    /// The channel.
    pub channel: String,
    /// Its kind.
    pub kind: Kind,
    /// The window.
    pub window: Window,
    /// Whether the window is what lies behind us at any time, and not a day or month of the calendar.
    pub rolling: bool,
    /// What is counted.
    pub unit: QuotaUnit,
    /// How much there is in a window, if that is known.
    pub limit: Option<u64>,
    /// How much of it is used.
    pub used: u64,
    /// How much of it scheduled sends have reserved until the window ends.
    pub reserved: u64,
    /// What is left, if the limit is known.
    pub remaining: Option<u64>,
    /// The same in percent of the limit.
    pub remaining_percent: Option<f64>,
    /// Where the limit comes from.
    pub source: Source,
    /// As of when: the platform's last answer, or now where only we count.
    pub checked_at: Timestamp,
    /// When the window begins anew; a rolling one does so all the time.
    pub resets_at: Option<Timestamp>,
    /// How many were counted within the last 60 minutes, where they are.
    pub per_hour: Option<u64>,
    /// When it runs out if that goes on, if that is before the window begins anew.
    pub forecast: Option<Timestamp>,
    /// When it was found to be used up, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted_at: Option<Timestamp>,
    /// Why the platform gave no figures when it was asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// How all of a project's channels stand, ordered by channel and window.
pub async fn list(center: &Center, project: &str) -> Result<Vec<QuotaItem>> {
    let channels = center.channels.all(project).await?;
    of(center, project, channels.into_iter().map(|(name, _)| name)).await
}

/// A page of the same, the channels first that were made last, or of one channel alone; the cursor is the last item's
/// channel and window.
pub async fn page(
    center: &Center,
    project: &str,
    only: Option<&str>,
    limit: usize,
    cursor: Option<&str>,
) -> Result<(Vec<QuotaItem>, Option<String>)> {
    let (begin, done) = match cursor.and_then(|c| c.rsplit_once(':')) {
        Some((place, "month")) => (Some(place.to_owned()), None),
        // Nothing comes between a channel's place and this, so the channel is looked at once more.
        Some((place, window)) => (Some(format!("{place}\u{1}")), Some((repo::name_of(place), window))),
        None => (None, None),
    };
    let channels = match only {
        Some(name) => {
            let found = center.channels.doc(project, name).await?;
            let items = found.into_iter().map(|doc| (name.to_owned(), doc)).collect();
            repo::Listed { items, next_cursor: None }
        }
        None => center.channels.list(project, limit, begin.as_deref()).await?,
    };
    let places: HashMap<String, String> =
        channels.items.iter().map(|(name, doc)| (name.clone(), repo::place(name, doc.created_at))).collect();
    let mut items = of(center, project, channels.items.into_iter().map(|(name, _)| name)).await?;
    if let Some((channel, window)) = done {
        let seen = Window::ALL.into_iter().find(|w| w.as_str() == window);
        items.retain(|item| item.channel != channel || Some(item.window) > seen);
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items
        .last()
        .and_then(|item| Some(format!("{}:{}", places.get(&item.channel)?, item.window.as_str())));
    let next = match channels.next_cursor {
        _ if more => last,
        Some(place) => Some(format!("{place}:{}", Window::Month.as_str())),
        None => None,
    };
    Ok((items, next))
}

/// Whether a cursor is one of [`page`].
pub fn is_cursor(cursor: &str) -> bool {
    cursor.rsplit_once(':').is_some_and(|(place, window)| {
        repo::is_place(place) && Window::ALL.iter().any(|w| w.as_str() == window)
    })
}

async fn of(center: &Center, project: &str, names: impl Iterator<Item = String>) -> Result<Vec<QuotaItem>> {
    let looked = names.map(|name| async move {
        match center.channels.get(project, &name).await {
            Ok(Some(entry)) => items(center, project, &entry).await,
            Ok(None) => Ok(Vec::new()),
            // A channel that cannot be opened any more hides no other's quota.
            Err(error) => {
                tracing::warn!(error = %error, project, channel = name, "a channel's quota could not be looked at");
                Ok(Vec::new())
            }
        }
    });
    Ok(try_join_all(looked).await?.into_iter().flatten().collect())
}

/// How one channel stands now.
pub(crate) async fn items(center: &Center, project: &str, entry: &ChannelEntry) -> Result<Vec<QuotaItem>> {
    let now = center.clock.now();
    let minute = pace::minute(center, project, entry).await?;
    let mut items: Vec<QuotaItem> = minute.into_iter().collect();
    if entry.allowances.is_empty() {
        return Ok(items);
    }
    let known = ledger::load(center, project, entry).await?;
    let pending = center.ledger.pending(project, entry);
    let book = known.book(entry, &known.counters, pending);
    for allowance in entry.allowances.iter() {
        let standing = book.standing(allowance, now);
        items.push(QuotaItem {
            channel: entry.name.to_string(),
            kind: entry.doc.kind,
            window: allowance.window,
            rolling: allowance.turn == Turn::Rolling,
            unit: allowance.unit,
            limit: standing.limit,
            used: standing.used,
            reserved: standing.reserved,
            remaining: standing.remaining,
            remaining_percent: standing
                .limit
                .zip(standing.remaining)
                .map(|(limit, left)| percent(limit, left)),
            source: standing.source,
            checked_at: standing.told_at.filter(|_| standing.source == Source::Platform).unwrap_or(now),
            resets_at: allowance.turn.period(allowance.window, now).map(|period| period.ends),
            per_hour: Some(book.per_hour(now).round() as u64),
            forecast: book.forecast(allowance, &standing, now),
            exhausted_at: standing.exhausted_at,
            trouble: known.notes.trouble.clone(),
        });
    }
    items.sort_by_key(|item| item.window);
    Ok(items)
}

/// What is left in percent, to two places.
pub(crate) fn percent(limit: u64, left: u64) -> f64 {
    let share = if limit == 0 { 0.0 } else { left as f64 * 100.0 / limit as f64 };
    (share * 100.0).round() / 100.0
}

/// How much a channel may send now, over all of its windows; `None` if nothing is known to limit it.
pub(crate) async fn remaining(center: &Center, project: &str, entry: &ChannelEntry) -> Result<Option<u64>> {
    let paced = pace::remaining(center, project, entry).await?.map(u64::from);
    let items = items(center, project, entry).await?;
    Ok(items.iter().filter_map(|item| item.remaining).chain(paced).min())
}
