//! Counting those whom a channel begins with.

use std::sync::Arc;

use mc_core::Timestamp;

use super::Caller;
use super::commit::{Accepted, Outcome};
use crate::center::Center;
use crate::repo::ChannelEntry;
use crate::stats::{Count, Numbers, OWN, Part};

/// Recipients who come to a channel with a message that is being accepted.
pub(crate) struct Entering {
    pub(super) channel: Arc<ChannelEntry>,
    /// Which of the request's messages.
    pub(super) message: usize,
    pub(super) recipients: u64,
    pub(super) suppressed: u64,
}

impl Entering {
    /// Counts them, once their messages can no longer be lost.
    pub(super) fn count(&self, center: &Center, caller: &Caller, accepted: &Accepted, now: Timestamp) {
        let part = Part {
            project: &caller.project,
            channel: &self.channel.name,
            kind: self.channel.doc.kind,
            template: accepted.template.as_ref().map(|t| t.name.as_str()),
            own: caller.sender.starts_with(OWN),
        };
        let mut numbers = Numbers::of(Count::Accepted, self.recipients);
        numbers.add(Count::Suppressed, self.suppressed);
        center.stats.add(now, &part, &numbers);
    }
}

/// Counts those of all messages of a request.
pub(super) fn count_all(
    entering: &[Entering],
    center: &Center,
    caller: &Caller,
    outcomes: &[Outcome],
    now: Timestamp,
) {
    for one in entering {
        if let Some(Outcome::Accepted(accepted)) = outcomes.get(one.message) {
            one.count(center, caller, accepted, now);
        }
    }
}
