//! Asking platforms that do not tell by themselves what became of a push.

use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::Outcome;
use mc_core::ports::{Commit, Group, MAX_DELAY, News, Outgoing, Polls, SendFailure, Task, Verdict};
use mc_core::state::State;
use mc_core::{Result, Timestamp};

use super::index::{self, Pushed};
use crate::center::Center;
use crate::deliver::{find, load};
use crate::repo::ChannelEntry;
use crate::share::Share;
use crate::{due, tell, view};

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
        Ok(mut polled) => {
            let earlier = head.doc.retry_of;
            own_repeats(center, project, polls, earlier, &share, &mut polled.news).await?;
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

/// Takes "has it already" for what it is after a try that may have arrived: the platform has dropped the repeat because of
/// that try, so the recipient has the message. Without such a try it stays a failure.
async fn own_repeats(
    center: &Center,
    project: &str,
    polls: &dyn Polls,
    earlier: Option<MessageId>,
    share: &Share,
    news: &mut [News],
) -> Result<()> {
    let is_repeat = |state: State, code: Option<&str>| {
        state == State::Failed && code.is_some_and(|code| polls.has_it_already(code))
    };
    let any = |one: &News| match one {
        News::Receipt { state, code, .. } => is_repeat(*state, code.as_deref()),
        _ => false,
    };
    if !news.iter().any(any) || !may_have_arrived(center, project, earlier, share).await? {
        return Ok(());
    }
    for one in news {
        if let News::Receipt { state, code, text, .. } = one
            && is_repeat(*state, code.as_deref())
        {
            (*state, *code, *text) = (State::Delivered, None, None);
        }
    }
    Ok(())
}

/// Whether an earlier try may have reached somebody though nobody was told so: its outcome was lost, or, where the
/// message repeats another one, that one got no further than some of its parts.
async fn may_have_arrived(
    center: &Center,
    project: &str,
    mut earlier: Option<MessageId>,
    share: &Share,
) -> Result<bool> {
    let was_lost = |share: &Share| share.log.iter().any(|attempt| attempt.outcome == Outcome::InDoubt);
    if was_lost(share) {
        return Ok(true);
    }
    while let Some(id) = earlier {
        let Some(head) = load::head(center, project, id).await? else { break };
        let shares = view::shares(center, project, id, &head).await?;
        // A retry keeps the places of the deliveries.
        for before in shares.iter().filter(|before| before.delivery == share.delivery) {
            if was_lost(before) {
                return Ok(true);
            }
            let failed: Vec<usize> =
                (0..before.letters.len()).filter(|unit| before.state_of(*unit) == State::Failed).collect();
            if failed.is_empty() {
                continue;
            }
            let pushes = index::pushes(center, project, id, before).await?;
            if failed.into_iter().any(|unit| ended_between_parts(&pushes, unit)) {
                return Ok(true);
            }
        }
        earlier = head.doc.retry_of;
    }
    Ok(false)
}

/// Whether somebody was pushed some parts of a content and never the last one.
fn ended_between_parts(pushes: &[Pushed], unit: usize) -> bool {
    let mut mine = pushes.iter().filter(|push| push.units.iter().any(|one| one == unit)).peekable();
    mine.peek().is_some() && mine.all(|push| push.more)
}
