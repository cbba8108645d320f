//! How many people an app may write to.

use std::collections::{HashMap, VecDeque};

use super::DAY_MS;
use crate::answer::Refusal;

const PER_ACCOUNT: u64 = 200;
const A_MINUTE: usize = 30;
const AN_HOUR: usize = 1000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const BEIJING_MS: u64 = 8 * HOUR_MS;

/// What an app has sent.
#[derive(Default)]
pub(super) struct Quota {
    day: u64,
    sent: u64,
    members: HashMap<String, VecDeque<u64>>,
}

impl Quota {
    /// Counts a message to so many people against the day's limit.
    pub(super) fn take(&mut self, people: usize, accounts: Option<u64>, now: u64) -> Result<(), Refusal> {
        let day = (now + BEIJING_MS) / DAY_MS;
        if self.day != day {
            (self.day, self.sent) = (day, 0);
        }
        let sent = self.sent + u64::try_from(people).unwrap_or(u64::MAX);
        if accounts.is_some_and(|accounts| sent > accounts * PER_ACCOUNT) {
            return Err(Refusal::new(45009, "reach max api daily quota limit"));
        }
        self.sent = sent;
        Ok(())
    }

    /// Whether a member may get one more message now.
    pub(super) fn member(&mut self, user: &str, now: u64) -> bool {
        let got = self.members.entry(user.to_lowercase()).or_default();
        while got.front().is_some_and(|at| now.saturating_sub(*at) >= HOUR_MS) {
            got.pop_front();
        }
        let this_minute = got.iter().rev().take_while(|at| now.saturating_sub(**at) < MINUTE_MS).count();
        let fits = this_minute < A_MINUTE && got.len() < AN_HOUR;
        if fits {
            got.push_back(now);
        }
        fits
    }
}
