//! Taking messages back on their platforms.

use std::time::Duration;

use futures_util::future::join_all;
use mc_core::id::MessageId;
use mc_core::model::Outcome;
use mc_core::ports::{Commit, Group, News, Outgoing, SendError, Task, Verdict};
use mc_core::state::State;
use mc_core::{Result, Timestamp};
use serde_json::json;

use super::index::{self, Pushed};
use crate::accept::{Caller, Refusal};
use crate::center::Center;
use crate::deliver::load;
use crate::repo::ChannelEntry;
use crate::share::{Head, Share};
use crate::syslog;
use crate::view::{self, MessageView};

/// A caller waits no longer than this; what is left goes on by itself.
const WAIT: Duration = Duration::from_secs(10);

/// So many calls to the platform at a time.
const WIDTH: usize = 8;

/// What one pass came to.
#[derive(Default)]
struct Pass {
    /// Recipients it was taken back from, or those parts of it that they got.
    recalled: usize,
    /// Channels that cannot take anything back, though they have sent it.
    unable: Vec<String>,
    /// The first refusal of a platform.
    refused: Option<(String, SendError)>,
    /// The share to go on with.
    next: Option<u32>,
}

/// Takes a message back from everybody it was sent to, where the platforms can.
///
/// # Behavior
/// - Who has it no more is left alone, so it may be called again.
/// - Who got some parts before one failed loses those, and stays failed.
/// - A conflict if nothing could be taken back; its words say why and what to do.
pub async fn recall(center: &Center, caller: &Caller, id: MessageId) -> Result<MessageView, Refusal> {
    let project = &*caller.project;
    let head = load::head(center, project, id).await?.ok_or(Refusal::NotFound("message"))?;
    caller.check_message(&head.doc)?;
    let until = center.clock.now().after(WAIT);
    let pass = pass(center, project, id, &head, 0, Some(until)).await?;
    if let Some(share) = pass.next {
        let outgoing = Outgoing {
            family: head.doc.deliveries.first().map_or(mc_core::ports::Family::Webhook, |d| d.kind.family()),
            group: Group::of(project, head.doc.priority),
            task: Task::Recall { project: project.into(), message: id, share },
            delay: Duration::ZERO,
        };
        let commit = Commit { tasks: vec![outgoing], ..Commit::default() };
        center.store.commit(commit).await.map_err(mc_core::Error::from)?;
    } else if pass.recalled == 0 {
        return Err(refusal(&pass));
    }
    view::get(center, project, id).await?.ok_or(Refusal::NotFound("message"))
}

/// Goes on with a message whose recall took too long for its caller.
pub async fn go_on(center: &Center, project: &str, id: MessageId, share: u32) -> Result<Verdict> {
    if let Some(head) = load::head(center, project, id).await? {
        pass(center, project, id, &head, share, None).await?;
    }
    Ok(Verdict::Done)
}

fn refusal(pass: &Pass) -> Refusal {
    let detail = match (&pass.refused, pass.unable.as_slice()) {
        (Some((channel, error)), _) => format!(
            "the platform of the channel {channel} does not take it back: {} {}; most platforms do so for a limited time only",
            error.code, error.text
        ),
        (None, []) => {
            "nobody has this message: what is not sent yet can be cancelled with /cancel".to_owned()
        }
        (None, unable) => format!(
            "the platforms of {} cannot take a message back; send a correction instead",
            unable.join(", ")
        ),
    };
    Refusal::Conflict { code: "not_recallable", detail }
}

async fn pass(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    from: u32,
    until: Option<Timestamp>,
) -> Result<Pass> {
    let mut pass = Pass::default();
    let mut shares = view::shares(center, project, id, head).await?;
    shares.sort_by_key(|share| share.index);
    for share in shares.iter().filter(|share| share.index >= from) {
        let (has_it, has_part) = (reached(share, has_all), reached(share, may_have_part));
        if !has_it && !has_part {
            continue;
        }
        if until.is_some_and(|until| center.clock.now() >= until) {
            pass.next = Some(share.index);
            break;
        }
        let name = &head.doc.deliveries[share.delivery].channel;
        let entry = center.channels.find(project, name).await?.live();
        match entry.filter(|entry| entry.channel.recalls().is_some()) {
            Some(entry) => of_share(center, project, id, &entry, share, &mut pass).await?,
            None if pass.unable.contains(name) || !(has_it || stopped(share)) => {}
            None => pass.unable.push(name.clone()),
        }
    }
    Ok(pass)
}

/// Whether somebody in a share is in such a state.
fn reached(share: &Share, is: fn(State) -> bool) -> bool {
    (0..share.letters.len()).any(|unit| is(share.state_of(unit)))
}

fn has_all(state: State) -> bool {
    matches!(state, State::Sent | State::Delivered | State::Read)
}

/// Whether the message may have ended between two of its parts.
fn may_have_part(state: State) -> bool {
    matches!(state, State::Failed | State::InDoubt | State::Expired | State::Canceled)
}

/// Whether a share's only push ended between two parts. One that was sent as a whole and came back later did not.
fn stopped(share: &Share) -> bool {
    share.parts > 0 && share.log.last().is_some_and(|attempt| attempt.outcome != Outcome::Sent)
}

/// Whether some recipients of a push, which these parts are of, have all of it, or those parts alone.
fn is_there(share: &Share, parts: &[Pushed]) -> bool {
    let any = |is: fn(State) -> bool| parts[0].units.iter().any(|unit| is(share.state_of(unit)));
    any(has_all) || (parts.iter().all(|part| part.more) && any(may_have_part))
}

/// Takes back every push of a share. A content in several parts is taken back when all of its parts are.
async fn of_share(
    center: &Center,
    project: &str,
    id: MessageId,
    entry: &ChannelEntry,
    share: &Share,
    pass: &mut Pass,
) -> Result<()> {
    let mut groups: Vec<Vec<Pushed>> = Vec::new();
    for push in index::pushes(center, project, id, share).await? {
        match groups.iter_mut().find(|group| group[0].units == push.units) {
            Some(parts) => parts.push(push),
            None => groups.push(vec![push]),
        }
    }
    groups.retain(|parts| is_there(share, parts));
    for some in groups.chunks(WIDTH) {
        let results = join_all(some.iter().map(|parts| take_back(entry, parts))).await;
        let mut news = Vec::new();
        for (parts, result) in some.iter().zip(results) {
            match result {
                Ok(()) => {
                    pass.recalled += parts[0].units.iter().count();
                    // Changes nothing for those who had some parts only: what has failed stays so.
                    news.push(News::Receipt {
                        platform_id: parts[0].id.clone(),
                        to: None,
                        state: State::Recalled,
                        code: None,
                        text: None,
                        at: None,
                    });
                }
                Err(error) => {
                    let data = json!({
                        "message_id": id, "channel": entry.name, "code": error.code, "text": error.text,
                    });
                    syslog::note(center, project, "recall.refused", data).await?;
                    pass.refused.get_or_insert((entry.name.to_string(), error));
                }
            }
        }
        super::apply(center, project, entry, news).await?;
    }
    Ok(())
}

async fn take_back(entry: &ChannelEntry, parts: &[Pushed]) -> Result<(), SendError> {
    let Some(recalls) = entry.channel.recalls() else { return Ok(()) };
    for part in parts {
        recalls.recall(&part.id).await?;
    }
    Ok(())
}
