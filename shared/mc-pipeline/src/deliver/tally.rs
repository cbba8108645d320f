//! What the pushes of one claim came to, share by share.

use std::time::Duration;

use mc_core::model::{OnDoubt, Outcome, Priority, Recipient};
use mc_core::ports::{Batching, Figure, Random, SendError, SendFailure, Window};
use mc_core::state::State;
use mc_core::{Error, Timestamp};

use super::push::Ended;
use crate::center::Center;
use crate::pace::Wait;
use crate::people::quiet;
use crate::quota::{self, Full};
use crate::receipts::Pushed;
use crate::repo::ChannelEntry;
use crate::share::Share;

/// What the pushes of one claim came to.
#[derive(Default)]
pub struct Tally {
    pub outcome: Option<(Outcome, Option<String>, Option<String>)>,
    pub failure: Option<(SendFailure, String, String)>,
    pub waiting: Option<Timestamp>,
    /// The quota that leaves nothing, if that is waited for.
    pub full: Option<Full>,
    /// What refusals say of the channel.
    pub learned: Learned,
    /// Whether the platform took some of the pushes.
    pub took_some: bool,
    pub channel_failed: bool,
    /// What could not be shown as it was meant.
    pub warnings: Vec<String>,
    pub pushed: Vec<Pushed>,
    /// How many recipients failed and are tried again, and how many are given up.
    pub again: u64,
    pub gave_up: u64,
    /// Those who are in their quiet hours, and when the first of them wakes.
    pub asleep: Vec<usize>,
    pub wakes: Option<Timestamp>,
}

/// What the platform's refusals say of the channel, whatever becomes of the pushes.
#[derive(Clone, Copy, Default)]
pub struct Learned {
    /// The window whose quota is used up.
    pub used_up: Option<Window>,
    /// What the platform counted, if a refusal named the numbers.
    figure: Option<Figure>,
    /// Whether it was only too much at a time.
    too_fast: bool,
}

impl Learned {
    fn add(&mut self, entry: &ChannelEntry, error: &SendError) {
        let used_up = entry.channel.used_up(error);
        self.used_up = self.used_up.or(used_up);
        self.figure = self.figure.or(entry.channel.figure(error));
        self.too_fast |= used_up.is_none() && matches!(error.failure, SendFailure::Throttled { .. });
    }

    /// Notes it with the channel. What cannot be noted is learned again with the next refusal.
    pub async fn note(self, center: &Center, project: &str, entry: &ChannelEntry) {
        let failed = |error: Error, what: &'static str| {
            tracing::warn!(error = %error, channel = &*entry.name, "{what}");
        };
        if let Some(figure) = self.figure
            && let Err(error) = Box::pin(quota::heard(center, project, entry, figure)).await
        {
            failed(error, "what a platform counted could not be noted");
        }
        if let Some(window) = self.used_up
            && let Err(error) = Box::pin(quota::used_up(center, project, entry, window, true)).await
        {
            failed(error, "a quota that is used up could not be noted");
        }
        if self.too_fast
            && let Err(error) = Box::pin(quota::too_fast(center, project, entry)).await
        {
            failed(error, "a platform's rate could not be noted");
        }
    }
}

impl Tally {
    /// The open recipients of a share without those in their quiet hours, which are noted.
    pub fn leave_asleep(
        &mut self,
        entry: &ChannelEntry,
        priority: Priority,
        share: &Share,
        recipients: &[Recipient],
        now: Timestamp,
    ) -> Vec<usize> {
        let mut open = share.open();
        // A group robot disturbs a group, whoever is mentioned.
        if entry.channel.capability().batching != Batching::Broadcast {
            open.retain(|unit| match recipients.get(*unit).and_then(|r| quiet::wakes(r, priority, now)) {
                Some(at) => {
                    self.asleep.push(*unit);
                    self.wakes = Some(self.wakes.map_or(at, |first| first.min(at)));
                    false
                }
                None => true,
            });
        }
        open
    }

    pub fn wait_until(&mut self, at: Timestamp) {
        self.waiting = Some(self.waiting.map_or(at, |w| w.max(at)));
    }

    /// Waits for what leaves no room now: a quota, or the pace alone.
    pub fn wait(&mut self, wait: Wait, now: Timestamp, random: &dyn Random) {
        match wait.full {
            Some(full) => self.wait_for(full, random),
            None => self.wait_until(now.after(wait.after)),
        }
    }

    /// Waits until a window turns, and a little longer: the platform's clock is not ours, and not all come at once.
    pub fn wait_for(&mut self, full: Full, random: &dyn Random) {
        let (code, text) = (full.code(), full.text());
        self.wait_until(full.until.after(Duration::from_secs_f64(5.0 + 30.0 * random.unit())));
        self.note(Outcome::Failed, code, &text);
        self.full = Some(full);
    }

    /// Whether it is a quota that this waits for.
    pub fn waits_for_quota(&self) -> bool {
        self.full.is_some() || self.learned.used_up == Some(Window::Day)
    }

    /// Whether the platform took what its rate had room for and only throttled the rest: that is no failure, the rest has
    /// its turn next. A quota that is used up is another matter.
    pub fn is_getting_on(&self) -> bool {
        let throttled = matches!(self.failure, Some((SendFailure::Throttled { .. }, ..)));
        self.took_some && throttled && self.learned.used_up.is_none()
    }

    /// How the try is noted. One that is getting on was no failure, and says beside that why it is not done.
    pub fn take_outcome(&mut self) -> Option<(Outcome, Option<String>, Option<String>)> {
        let throttled = match &self.failure {
            Some((SendFailure::Throttled { .. }, code, text)) => Some((code.clone(), text.clone())),
            _ => None,
        };
        match (self.outcome.take(), throttled) {
            (None, Some((code, text))) => Some((Outcome::Failed, Some(code), Some(text))),
            (Some((Outcome::Sent, ..)), Some((code, text))) => Some((Outcome::Sent, Some(code), Some(text))),
            (outcome, _) => outcome,
        }
    }

    /// When a share comes back whose next try is told to be at `next`: whoever waits for a quota looks before that whether
    /// there is more of it.
    pub fn comes_back(&self, next: Timestamp, now: Timestamp, random: &dyn Random) -> Timestamp {
        match (&self.full, &self.failure) {
            (Some(_), None) => quota::look_again(next, now, random),
            _ => next,
        }
    }

    /// Applies one push's end to the share's letters. What the rest of it waits for is noted by [`Self::wait`].
    pub fn add(&mut self, entry: &ChannelEntry, share: &mut Share, ended: Ended) {
        let Ended { units, result, pushed, parts, waiting, warnings } = ended;
        self.pushed.extend(pushed);
        share.parts = share.parts.max(parts);
        for code in warnings {
            if !self.warnings.iter().any(|known| *known == code) {
                self.warnings.push(code.into_owned());
            }
        }
        match result {
            Ok(receipt) => {
                if waiting.is_some() {
                    return;
                }
                for refused in &receipt.refused {
                    if let Some(unit) = units.get(refused.index) {
                        share.decide(*unit, State::Failed);
                        share.note_error(*unit, &refused.code, &refused.text);
                        self.note(Outcome::Failed, &refused.code, &refused.text);
                    }
                }
                let sent = units.len().saturating_sub(receipt.refused.len());
                for unit in units {
                    share.decide(unit, State::Sent);
                }
                self.took_some |= sent > 0;
                if sent > 0 && self.outcome.is_none() {
                    self.outcome = Some((Outcome::Sent, None, None));
                }
            }
            Err(error) => self.fail(entry, share, &units, error),
        }
    }

    fn fail(&mut self, entry: &ChannelEntry, share: &mut Share, units: &[usize], error: SendError) {
        self.learned.add(entry, &error);
        let SendError { failure, code, text } = error;
        let label = match failure {
            SendFailure::Permanent => "permanent",
            SendFailure::Channel => "channel",
            SendFailure::Throttled { .. } => "throttled",
            SendFailure::Transient { .. } => "transient",
            SendFailure::Doubt => "doubt",
        };
        metrics::counter!("message_center_push_failures_total", "kind" => entry.doc.kind.as_str(), "class" => label)
            .increment(1);
        let hold = entry.doc.on_doubt == OnDoubt::Hold && entry.channel.capability().dedupe.is_none();
        match failure {
            SendFailure::Permanent | SendFailure::Channel => {
                for unit in units {
                    share.decide(*unit, State::Failed);
                    share.note_error(*unit, &code, &text);
                }
                self.channel_failed |= failure == SendFailure::Channel;
                self.note(Outcome::Failed, &code, &text);
            }
            SendFailure::Doubt if hold => {
                for unit in units {
                    share.decide(*unit, State::InDoubt);
                    share.note_error(*unit, &code, &text);
                }
                metrics::counter!("message_center_in_doubt_total").increment(1);
                self.note(Outcome::InDoubt, &code, &text);
            }
            SendFailure::Doubt => {
                metrics::counter!("message_center_in_doubt_total").increment(1);
                self.note(Outcome::InDoubt, &code, &text);
                self.keep(failure, code, text);
            }
            // What a rate makes of the attempt shows once it is known what the platform took ([`Self::take_outcome`]).
            SendFailure::Throttled { .. } if self.learned.used_up.is_none() => self.keep(failure, code, text),
            SendFailure::Throttled { .. } | SendFailure::Transient { .. } => {
                self.note(Outcome::Failed, &code, &text);
                self.keep(failure, code, text);
            }
        }
    }

    /// A failure names the attempt even when other pushes went well.
    fn note(&mut self, outcome: Outcome, code: &str, text: &str) {
        let failed = matches!(self.outcome, Some((Outcome::Failed | Outcome::InDoubt, ..)));
        if !failed {
            self.outcome = Some((outcome, Some(code.to_owned()), Some(text.to_owned())));
        }
    }

    /// Of several failures that may be repeated, the one with the longest wait decides.
    fn keep(&mut self, failure: SendFailure, code: String, text: String) {
        let wait = |f: &SendFailure| match f {
            SendFailure::Throttled { after } | SendFailure::Transient { after } => after.unwrap_or_default(),
            SendFailure::Permanent | SendFailure::Channel | SendFailure::Doubt => Duration::ZERO,
        };
        if self.failure.as_ref().is_none_or(|(old, ..)| wait(&failure) > wait(old)) {
            self.failure = Some((failure, code, text));
        }
    }
}
