//! Saying that little or nothing is left of a quota: once for each window, to the project's webhooks and system log.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mc_core::model::{Event, EventKind};
use mc_core::ports::Window;
use mc_core::{Result, Timestamp};
use ring::digest;
use serde_json::json;
use ulid::Ulid;

use super::book::{Allowance, HOLD, lies_within};
use super::notes::{self, UsedUp};
use super::{QuotaItem, items, ledger};
use crate::center::Center;
use crate::repo::ChannelEntry;
use crate::{syslog, tell};

/// Below this much of a quota it is said to be low, in percent, if the channel does not say.
const LOW: f64 = 10.0;

/// Notes that a window is used up, and says so if it was not said of this window before.
///
/// `refused` is whether the platform said it, and not our count.
pub(crate) async fn used_up(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    window: Window,
    refused: bool,
) -> Result<()> {
    let Some(allowance) = entry.allowances.iter().find(|a| a.window == window) else { return Ok(()) };
    let now = center.clock.now();
    let note = ledger::known(center, project, entry).await?.notes.of(window);
    let lies = |at: Timestamp| lies_within(allowance, at, now);
    let holds = |u: UsedUp| !refused || (u.refused && u.at >= entry.doc.updated_at && now.since(u.at) < HOLD);
    let is_noted = note.used_up.is_some_and(|u| lies(u.at) && holds(u));
    let is_said = note.said_used_up.is_some_and(lies);
    if is_noted && is_said {
        return Ok(());
    }
    if !is_noted {
        notes::change(center, project, &entry.name, |notes| {
            notes.entry(window).used_up = Some(UsedUp { at: now, refused });
            true
        })
        .await?;
        center.ledger.forget(project, entry);
    }
    if !is_said {
        let item = items(center, project, entry).await?.into_iter().find(|item| item.window == window);
        if let Some(item) = item {
            say(center, project, allowance, EventKind::QuotaExhausted, &item).await?;
        }
    }
    center.ledger.forget(project, entry);
    Ok(())
}

/// Says of every window of a channel what is to be said of it.
pub(crate) async fn look(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    items: &[QuotaItem],
) -> Result<()> {
    let given = entry.doc.alarm.as_ref().and_then(|alarm| alarm.get("remaining_below_percent"));
    let low = given.and_then(serde_json::Value::as_f64).unwrap_or(LOW);
    let now = center.clock.now();
    for item in items {
        let Some(allowance) = entry.allowances.iter().find(|a| a.window == item.window) else { continue };
        let Some(percent) = item.remaining_percent else { continue };
        let note = ledger::known(center, project, entry).await?.notes.of(item.window);
        let said = |at: Option<Timestamp>| at.is_some_and(|at| lies_within(allowance, at, now));
        // Whoever has heard that nothing is left need not hear that little is.
        if percent < low && !said(note.said_low) && !said(note.said_used_up) {
            say(center, project, allowance, EventKind::QuotaLow, item).await?;
            center.ledger.forget(project, entry);
        }
        if item.limit.is_some_and(|limit| item.used >= limit) && !said(note.said_used_up) {
            used_up(center, project, entry, item.window, false).await?;
        }
    }
    Ok(())
}

/// The event first and the note that it was said last: a crash in between has it said again under the same id.
async fn say(
    center: &Center,
    project: &str,
    allowance: &Allowance,
    kind: EventKind,
    item: &QuotaItem,
) -> Result<()> {
    let now = center.clock.now();
    let (window, channel) = (allowance.window, &item.channel);
    // A rolling window has no name, so the day's does.
    let begins = allowance.turn.period(window, now).map_or_else(
        || Timestamp::from_millis(now.millis() - now.millis().rem_euclid(86_400_000)),
        |period| period.begins,
    );
    let word = kind.as_str().rsplit('.').next().unwrap_or_default();
    let id = format!("evt_{}-{word}", id_of(&[project, channel, window.as_str(), word], begins));
    let data = json!({
        "channel": channel,
        "kind": item.kind,
        "window": window,
        "unit": item.unit,
        "limit": item.limit,
        "used": item.used,
        "reserved": item.reserved,
        "remaining": item.remaining,
        "remaining_percent": item.remaining_percent,
        "source": item.source,
        "resets_at": item.resets_at,
        "forecast": item.forecast,
    });
    let event = Event { kind, timestamp: now, data: data.clone() };
    tell::emit(center, project, &begins.day(), vec![(id, event)]).await?;
    let is_first = AtomicBool::new(false);
    notes::change(center, project, channel, |notes| {
        let note = notes.entry(window);
        let said = if kind == EventKind::QuotaLow { &mut note.said_low } else { &mut note.said_used_up };
        let first = !said.is_some_and(|at| lies_within(allowance, at, now));
        is_first.store(first, Relaxed);
        if first {
            *said = Some(now);
        }
        first
    })
    .await?;
    if is_first.into_inner() {
        syslog::note(center, project, kind.as_str(), data).await?;
    }
    Ok(())
}

/// The same id for the same thing in the same window, whoever says it.
fn id_of(parts: &[&str], begins: Timestamp) -> Ulid {
    let hash = digest::digest(&digest::SHA256, parts.join("\0").as_bytes());
    let mut random = [0; 16];
    random[..10].copy_from_slice(&hash.as_ref()[..10]);
    let random = u128::from_be_bytes(random) >> 48;
    Ulid::from_parts(u64::try_from(begins.millis()).unwrap_or(0), random)
}
