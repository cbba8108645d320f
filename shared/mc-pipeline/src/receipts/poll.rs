//! Asking platforms that do not tell by themselves what became of a push.

use std::time::Duration;

use mc_core::ports::{Commit, Group, MAX_DELAY, Outgoing, SendFailure, Task, Verdict};
use mc_core::state::State;
use mc_core::{Result, Timestamp};

use super::index::{self, Pushed};
use crate::center::Center;
use crate::deliver::{find, load};
use crate::repo::ChannelEntry;
use crate::{due, tell};

/// Plans the first question about each push, as part of the commit that records them.
pub(crate) fn plan(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    pushed: &[Pushed],
    now: Timestamp,
    commit: &mut Commit,
) -> Result<()> {
    let Some(first) = entry.channel.polls().and_then(|polls| polls.after().first()) else { return Ok(()) };
    for push in pushed {
        due::send_at(center, question(project, entry, &push.id, 0), now.after(*first), commit)?;
    }
    Ok(())
}

fn question(project: &str, entry: &ChannelEntry, platform_id: &str, turn: u32) -> Outgoing {
    Outgoing {
        family: entry.doc.kind.family(),
        group: Group::from_text(format!("{project}:results")),
        task: Task::Poll {
            project: project.into(),
            channel: entry.name.clone(),
            platform_id: platform_id.to_owned(),
            turn,
        },
        delay: Duration::ZERO,
    }
}

/// Asks what became of a push, and plans the next question unless all is known.
///
/// Two that ask at once learn the same and change the same.
pub async fn poll(center: &Center, project: &str, channel: &str, id: &str, turn: u32) -> Result<Verdict> {
    let Some(entry) = center.channels.get(project, channel).await? else { return Ok(Verdict::Done) };
    let Some(polls) = entry.channel.polls() else { return Ok(Verdict::Done) };
    let Some(place) = index::locate(center, project, channel, id).await? else { return Ok(Verdict::Done) };
    let Some(head) = load::head(center, project, place.message).await? else { return Ok(Verdict::Done) };
    let Some(share) = load::share(center, project, place.message, &head, place.share).await? else {
        return Ok(Verdict::Done);
    };
    let known = |unit: usize| matches!(share.state_of(unit), State::Read | State::Failed | State::Recalled);
    if place.units.iter().all(known) {
        return Ok(Verdict::Done);
    }
    let people = load::recipients(center, project, place.message, &share, &head.doc).await?;
    let mut to: Vec<_> = place.units.iter().filter_map(|unit| people.get(unit).cloned()).collect();
    let asked = match find::again(&*entry.channel, &mut to).await {
        Ok(names) => polls.poll(id, &to).await.map(|mut polled| {
            find::as_kept(&mut polled.news, &names);
            polled
        }),
        Err(error) => Err(error),
    };
    match asked {
        Ok(polled) => {
            super::apply(center, project, &entry, polled.news).await?;
            if polled.done {
                return Ok(Verdict::Done);
            }
        }
        // The next question may be answered; after the last one nothing more is known.
        Err(error) => {
            tracing::warn!(channel, code = %error.code, "a platform does not tell what became of a push");
            if error.failure == SendFailure::Channel {
                tell::channel_failing(center, project, channel, &error.code, &error.text).await?;
            }
        }
    }
    let times = polls.after();
    let next = usize::try_from(turn).unwrap_or(usize::MAX).saturating_add(1);
    let (Some(now), Some(then)) = (times.get(next - 1), times.get(next)) else { return Ok(Verdict::Done) };
    let wait = then.saturating_sub(*now);
    let outgoing = question(project, &entry, id, turn + 1);
    if wait <= MAX_DELAY {
        return Ok(Verdict::Again { task: outgoing.task, after: wait });
    }
    let mut commit = Commit::default();
    due::send_at(center, outgoing, center.clock.now().after(wait), &mut commit)?;
    center.store.commit(commit).await?;
    Ok(Verdict::Done)
}
