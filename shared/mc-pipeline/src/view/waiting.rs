//! Why a delivery does not go on now, as far as what is stored of it says.

use mc_core::Timestamp;
use mc_core::model::{Attempt, Outcome};
use serde::Serialize;

use crate::quota::Full;
use crate::share::{Head, Phase, Share};

/// What a delivery waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// In one word.
    pub reason: Reason,
    /// Until when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// In a sentence.
    pub detail: String,
}

/// What may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The message's own time.
    SendAt,
    /// Its condition, which has not said yes.
    Condition,
    /// The end of somebody's quiet hours.
    QuietHours,
    /// A window of a quota that is used up.
    Quota,
    /// Room below a limit of pushes or people in a minute.
    Pace,
    /// Another try, after one that failed.
    Retry,
    /// Its turn in the channel's queue, or room below the channel's rate; also where the channel takes nothing any more.
    Turn,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 7] = [
        Reason::SendAt,
        Reason::Condition,
        Reason::QuietHours,
        Reason::Quota,
        Reason::Pace,
        Reason::Retry,
        Reason::Turn,
    ];

    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::SendAt => "send_at",
            Reason::Condition => "condition",
            Reason::QuietHours => "quiet_hours",
            Reason::Quota => "quota",
            Reason::Pace => "pace",
            Reason::Retry => "retry",
            Reason::Turn => "turn",
        }
    }

    /// Whether it is the channel that is waited for, and not the message's time or its people.
    pub(super) const fn is_of_channel(self) -> bool {
        matches!(self, Reason::Quota | Reason::Pace | Reason::Retry | Reason::Turn)
    }
}

/// The detail where the channel that is waited for takes nothing any more: deliveries only learn that when their turn comes.
pub(super) const NO_CHANNEL: &str =
    "its channel was deleted or switched off; if it still is when its turn comes, it fails with channel_gone";

/// The same where the channel cannot be built of what is stored.
pub(super) const BROKEN_CHANNEL: &str =
    "its channel has to be put anew; if it still has to when its turn comes, it fails with invalid_channel";

/// What a delivery of these shares waits for first; nothing while one of them is pushed, or when all are decided.
pub fn of_delivery(head: &Head, shares: &[&Share], now: Timestamp) -> Option<Waiting> {
    if head.canceled.is_some() || shares.iter().any(|share| share.phase == Phase::Sending) {
        return None;
    }
    let open = shares.iter().filter(|share| share.phase != Phase::Final);
    open.map(|share| of_share(head, share, now)).min_by_key(|waiting| waiting.until)
}

fn of_share(head: &Head, share: &Share, now: Timestamp) -> Waiting {
    let waits = |reason, until, detail: &str| Waiting { reason, until, detail: detail.to_owned() };
    if let Some(at) = head.doc.send_at.filter(|at| *at > now) {
        return waits(Reason::SendAt, Some(at), "its send_at has not come yet");
    }
    if head.doc.condition.is_some() && !head.asked {
        let detail = "its condition has not said yes yet; without an answer it is asked again";
        return waits(Reason::Condition, None, detail);
    }
    let due = Some(share.due).filter(|due| *due > now);
    match (failed(share, now), due) {
        (Some(attempt), _) => after(attempt),
        // Who only sleeps is queued as before.
        (None, Some(due)) if share.phase == Phase::Queued => {
            waits(Reason::QuietHours, Some(due), "its recipients are in their quiet hours")
        }
        (None, Some(due)) => {
            waits(Reason::Pace, Some(due), "a limit of the channel leaves no room for the rest before")
        }
        (None, None) => waits(
            Reason::Turn,
            None,
            "it is due, and waits for its turn or for room below the channel's rate",
        ),
    }
}

/// The last try, if it failed and another one is still to come.
fn failed(share: &Share, now: Timestamp) -> Option<&Attempt> {
    let last = share.log.last().filter(|_| share.phase == Phase::Retrying)?;
    let failed = matches!(last.outcome, Outcome::Failed | Outcome::InDoubt);
    (failed && last.next.is_some_and(|next| next > now)).then_some(last)
}

fn after(attempt: &Attempt) -> Waiting {
    let code = attempt.code.as_deref().unwrap_or_default();
    let text = attempt.text.as_deref().unwrap_or_default();
    if Full::is_code(code) {
        return Waiting { reason: Reason::Quota, until: attempt.next, detail: text.to_owned() };
    }
    let detail = format!("the last try failed: {code} {text}").trim_end().to_owned();
    Waiting { reason: Reason::Retry, until: attempt.next, detail }
}
