//! What platforms tell after a push: receipts, clicks, addresses that must not be written to.
//!
//! A receipt names a push by the platform's id, which leads to a share and its recipients ([`index`]). Receipts arrive
//! late, twice and in any order: the state machine alone decides what they change ([`change`]), and one that comes
//! before its push is recorded waits for it ([`early`]).

mod action;
mod change;
mod early;
pub(crate) mod index;
mod outside;
pub(crate) mod poll;
mod recall;
mod units;

use mc_channels::{SesEvent, read_ses_event};
use mc_core::id::MessageId;
use mc_core::model::Kind;
use mc_core::ports::News;
use mc_core::state::State;
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use change::{Step, grouped};
pub use early::again;
use index::Place;
pub use index::Pushed;
pub use recall::{go_on, recall};
pub use units::Units;

pub(crate) use change::Turns;

use crate::center::Center;
use crate::repo::ChannelEntry;
use crate::stats::{Cell, Count};
use crate::suppress::{Reason, Suppression};
use crate::syslog;

/// What was told of one push, or of one recipient of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The recipient as the platform names it; everybody if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    pub(crate) state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// When it happened, as the platform says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
}

/// Takes over everything a platform told at once.
///
/// # Behavior
/// - What was told before changes nothing and is told to nobody again.
/// - Of the platform's words, the beginning is stored, on one line, however long they are.
/// - When this returns `Ok`, all of it is stored; on an error the platform should tell it again.
pub async fn apply(center: &Center, project: &str, entry: &ChannelEntry, news: Vec<News>) -> Result<()> {
    let mut receipts: Vec<(String, Vec<Told>)> = Vec::new();
    for one in news.into_iter().map(outside::tidied) {
        match one {
            News::Receipt { platform_id, to, state, code, text, at } => {
                let told = Told { to, state, code, text, at };
                match receipts.iter_mut().find(|(id, _)| *id == platform_id) {
                    Some((_, same)) => same.push(told),
                    None => receipts.push((platform_id, vec![told])),
                }
            }
            News::Action { platform_id, user, action, data } => {
                let pressed = action::Pressed { platform_id, user, action, data };
                action::tell(center, project, entry, pressed).await?;
            }
            News::Suppress { address, reason, text } => {
                let suppression = Suppression {
                    reason: Reason::of_news(reason),
                    text: text.clone(),
                    at: center.clock.now(),
                };
                center.suppressions.put(project, &address, &suppression).await?;
                let data = json!({"channel": entry.name, "address": address, "reason": reason, "text": text});
                syslog::note(center, project, "address.suppressed", data).await?;
            }
            News::Other { what, data } => {
                let kind = format!("channel.{what}");
                syslog::note(center, project, &kind, json!({"channel": entry.name, "data": data})).await?;
            }
        }
    }
    for (platform_id, told) in of_pushes(center, project, entry, receipts).await? {
        early::keep(center, project, entry, platform_id, told).await?;
    }
    Ok(())
}

/// Takes over what a platform told by calling us, whose call is verified.
pub async fn called(center: &Center, project: &str, entry: &ChannelEntry, news: Vec<News>) -> Result<()> {
    let cell = Cell::channel(entry.doc.kind, &entry.name, false);
    center.stats.note(center.clock.now(), project, cell, Count::Callbacks);
    apply(center, project, entry, news).await
}

/// Takes over what SES tells of a mail through EventBridge (the event's `detail`); answers how many things it told us.
///
/// # Behavior
/// - The mail itself says whose it is. A mail of somebody else in the same account, or of a channel that is gone, tells
///   us nothing.
pub async fn of_ses(center: &Center, detail: &Value) -> Result<usize> {
    let Some(SesEvent { project: Some(project), channel: Some(channel), news }) = read_ses_event(detail)
    else {
        return Ok(0);
    };
    let entry = center.channels.get(&project, &channel).await?;
    let Some(entry) = entry.filter(|entry| entry.doc.kind == Kind::EmailSes) else { return Ok(0) };
    let count = news.len();
    called(center, &project, &entry, news).await?;
    Ok(count)
}

/// What was told of some pushes, each under the platform's id.
type OfPushes = Vec<(String, Vec<Told>)>;

/// What was told of one share's pushes.
struct OfShare {
    message: MessageId,
    share: u32,
    news: Vec<(String, Place, Vec<Told>)>,
}

/// Applies what was told of some pushes, one write per share; answers those that are not recorded yet.
async fn of_pushes(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    receipts: OfPushes,
) -> Result<OfPushes> {
    let mut early = Vec::new();
    let mut shares: Vec<OfShare> = Vec::new();
    for (platform_id, told) in receipts {
        let Some(place) = index::locate(center, project, &entry.name, &platform_id).await? else {
            early.push((platform_id, told));
            continue;
        };
        let same = |of: &&mut OfShare| of.message == place.message && of.share == place.share;
        match shares.iter_mut().find(same) {
            Some(of) => of.news.push((platform_id, place, told)),
            None => shares.push(OfShare {
                message: place.message,
                share: place.share,
                news: vec![(platform_id, place, told)],
            }),
        }
    }
    for of in shares {
        if !change::change(center, project, entry, &of).await? {
            early.extend(of.news.into_iter().map(|(platform_id, _, told)| (platform_id, told)));
        }
    }
    Ok(early)
}
