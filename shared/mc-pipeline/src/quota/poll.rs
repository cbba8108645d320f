//! Asking the platforms what they have counted, a few at a time and one poller at once.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use mc_core::model::Kind;
use mc_core::ports::{Attrs, Change, Cond, Figure, Item, Op, Turn, Window, WriteError};
use mc_core::{Result, Timestamp};

use super::counters::{Counters, hour_of};
use super::notes::Notes;
use super::{QuotaItem, alert, items, ledger, notes};
use crate::center::Center;
use crate::keys;
use crate::repo::ChannelEntry;

/// A platform is asked again after so long.
const ASK_EVERY: Duration = Duration::from_secs(270);

/// A poller that does not come to its end holds the others up for so long.
const LEASE: Duration = Duration::from_secs(120);

/// So many platforms are asked at a time.
const WIDTH: usize = 8;

/// A platform that does not answer within this is passed over.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a platform says with each refusal is noted again after so long.
const HEARD: Duration = Duration::from_secs(60);

/// That a platform was sent too much at a time is noted again after so long.
const NOTE_EVERY: Duration = Duration::from_secs(900);

const UNTIL: &str = "u";

/// What a poll came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Platforms that gave figures.
    pub told: usize,
    /// Platforms that gave none.
    pub failed: usize,
}

/// Asks every platform that tells and was not asked lately, says what is to be said, and sets the gauges.
///
/// `None` when another poller is at work. A platform that is down, slow or wrong leaves its last figures as they are and
/// harms no other.
pub async fn poll(center: &Center, patience: Duration) -> Result<Option<Polled>> {
    let Some(until) = take_lease(center).await? else { return Ok(None) };
    let polled = all(center, patience).await;
    let free = vec![Change::set(UNTIL, Timestamp::EPOCH)];
    // Whoever took longer than the lease has lost it, and the next one's is not theirs to end.
    let ours = vec![Cond::Eq(UNTIL.into(), until.into())];
    match center.store.write(Op::Update(keys::quota_lease(), free, ours)).await {
        Ok(_) | Err(WriteError::Conflict(_)) => polled.map(Some),
        Err(WriteError::Failed(error)) => Err(error),
    }
}

/// Until when the lease is ours, if nobody else has it.
async fn take_lease(center: &Center) -> Result<Option<Timestamp>> {
    let (key, now) = (keys::quota_lease(), center.clock.now());
    let until = now.after(LEASE);
    let over = vec![Cond::Lt(UNTIL.into(), now.millis())];
    let taken = match center.store.write(Op::Update(key.clone(), vec![Change::set(UNTIL, until)], over)).await
    {
        Err(WriteError::Conflict(conflict)) if conflict.current.is_none() => {
            let first = Item::new(key, Attrs::new().with(UNTIL, until));
            center.store.write(Op::put_new(first)).await
        }
        other => other,
    };
    match taken {
        Ok(_) => Ok(Some(until)),
        Err(WriteError::Conflict(_)) => Ok(None),
        Err(WriteError::Failed(error)) => Err(error),
    }
}

async fn all(center: &Center, patience: Duration) -> Result<Polled> {
    let mut channels = Vec::new();
    for project in center.projects.names().await? {
        for (channel, doc) in center.channels.all(&project).await? {
            if doc.enabled {
                channels.push((project.clone(), channel));
            }
        }
    }
    let asked = stream::iter(channels.into_iter().map(|(project, channel)| async move {
        let looked = one(center, &project, &channel, patience).await;
        looked.unwrap_or_else(|error| {
            tracing::warn!(error = %error, project, channel, "a channel's quota could not be looked at");
            (None, Vec::new())
        })
    }));
    let looked: Vec<_> = asked.buffer_unordered(WIDTH).collect().await;
    let mut polled = Polled::default();
    for (told, _) in &looked {
        match told {
            Some(true) => polled.told += 1,
            Some(false) => polled.failed += 1,
            None => {}
        }
    }
    gauges(looked.iter().flat_map(|(_, items)| items));
    Ok(polled)
}

/// Looks at one channel; answers whether its platform told, if it was asked, and how the channel stands.
async fn one(
    center: &Center,
    project: &str,
    channel: &str,
    patience: Duration,
) -> Result<(Option<bool>, Vec<QuotaItem>)> {
    let Some(entry) = center.channels.get(project, channel).await? else { return Ok((None, Vec::new())) };
    if entry.allowances.is_empty() {
        return Ok((None, Vec::new()));
    }
    let told = ask(center, project, &entry, patience).await?;
    let items = items(center, project, &entry).await?;
    alert::look(center, project, &entry, &items).await?;
    Ok((told, items))
}

async fn ask(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    patience: Duration,
) -> Result<Option<bool>> {
    let Some(source) = entry.channel.quota_source() else { return Ok(None) };
    let now = center.clock.now();
    let asked = ledger::known(center, project, entry).await?.notes.asked_at;
    if asked.is_some_and(|asked| asked >= entry.doc.updated_at && now.since(asked) < ASK_EVERY) {
        return Ok(None);
    }
    // Our count is read before the platform's, so that nothing is left out of both.
    let known = ledger::load(center, project, entry).await?;
    let pending = center.ledger.pending(project, entry);
    let answer = match tokio::time::timeout(patience, source.figures()).await {
        Ok(Ok(figures)) if figures.iter().any(|figure| figure.limit == Some(0)) => {
            // Nobody is let in to send nothing; taken for true it would hold everything back until the window turns.
            Err("the platform says that nothing may be sent at all, which is not taken for a figure"
                .to_owned())
        }
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the platform did not answer in time".to_owned()),
    };
    match &answer {
        Ok(_) => {}
        Err(trouble) => tracing::warn!(project, channel = &*entry.name, trouble, "a platform tells no quota"),
    }
    notes::change(center, project, &entry.name, |notes| {
        notes.asked_at = Some(now);
        notes.trouble = answer.as_ref().err().cloned();
        if let Ok(figures) = &answer {
            notes.per_second = rate_of(figures);
        }
        for figure in answer.iter().flatten() {
            hear(notes, entry, &known.counters, pending, *figure, now);
        }
        true
    })
    .await?;
    center.ledger.forget(project, entry);
    Ok(Some(answer.is_ok()))
}

/// How many pushes in a second a platform takes, if it says so.
fn rate_of(figures: &[Figure]) -> Option<u32> {
    let second = figures.iter().find(|figure| figure.window == Window::Second)?;
    second.limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

/// Notes that a platform was just sent too much at a time, and has its rate looked up. A channel with limits of its own is
/// left to the next poll, and so is one whose platform was asked lately: its rate is known, and others send through the
/// account, too.
pub(crate) async fn too_fast(center: &Center, project: &str, entry: &ChannelEntry) -> Result<()> {
    let tells = !entry.allowances.is_empty() && entry.channel.quota_source().is_some();
    if !entry.limits.is_empty() || !tells {
        return Ok(());
    }
    // All that were throttled at once come here together, and one of them asks.
    let asking = center.pacing.asking(&keys::pace(project, &entry.name).pk);
    let Ok(_held) = asking.try_lock() else { return Ok(()) };
    let now = center.clock.now();
    let noted = ledger::known(center, project, entry).await?.notes.too_fast_at;
    if noted.is_none_or(|at| now.since(at) >= NOTE_EVERY) {
        notes::change(center, project, &entry.name, |notes| {
            notes.too_fast_at = Some(now);
            true
        })
        .await?;
        center.ledger.forget(project, entry);
    }
    ask(center, project, entry, PATIENCE).await.map(|_| ())
}

/// Notes what a platform counted, beside what we had counted of the same window.
fn hear(
    notes: &mut Notes,
    entry: &ChannelEntry,
    counters: &Counters,
    pending: u64,
    figure: Figure,
    now: Timestamp,
) {
    let Some(allowance) = entry.allowances.iter().find(|a| a.window == figure.window) else { return };
    let base = match allowance.turn {
        Turn::Rolling => counters.hour(hour_of(now)),
        Turn::Beijing | Turn::Utc => counters.used(allowance, now),
    };
    notes.hear(figure, base + pending, now);
}

/// Notes what a platform counted that said it unasked. It says so with every refusal, which is written down once in a while.
pub(crate) async fn heard(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    figure: Figure,
) -> Result<()> {
    let now = center.clock.now();
    let told = ledger::known(center, project, entry).await?.notes.of(figure.window).told;
    if told.is_some_and(|told| told.limit == figure.limit && now.since(told.at) < HEARD) {
        return Ok(());
    }
    let known = ledger::load(center, project, entry).await?;
    let pending = center.ledger.pending(project, entry);
    notes::change(center, project, &entry.name, |notes| {
        hear(notes, entry, &known.counters, pending, figure, now);
        true
    })
    .await?;
    center.ledger.forget(project, entry);
    Ok(())
}

/// For each kind what is left of its tightest quota, in percent and in its own unit.
fn gauges<'a>(items: impl Iterator<Item = &'a QuotaItem>) {
    let mut least: Vec<(Kind, f64, u64)> = Vec::new();
    for item in items {
        let (Some(percent), Some(remaining)) = (item.remaining_percent, item.remaining) else { continue };
        match least.iter_mut().find(|(kind, ..)| *kind == item.kind) {
            Some(tightest) if tightest.1 > percent => *tightest = (item.kind, percent, remaining),
            Some(_) => {}
            None => least.push((item.kind, percent, remaining)),
        }
    }
    for (kind, percent, remaining) in least {
        metrics::gauge!("message_center_quota_left_percent", "kind" => kind.as_str()).set(percent);
        metrics::gauge!("message_center_quota_remaining", "kind" => kind.as_str()).set(remaining as f64);
    }
}
