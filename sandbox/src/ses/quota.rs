//! How many recipients an account may write to, in a second and in any 24 hours.

use std::collections::VecDeque;

use super::error;
use crate::answer::Refusal;

const SECOND_MS: u64 = 1_000;
const DAY_MS: u64 = 86_400_000;

/// Recipients, not mails: that is what SES counts.
pub(super) struct Quota {
    limited: bool,
    /// When, how many, and how many of them count for the day.
    sent: VecDeque<(u64, usize, usize)>,
}

impl Quota {
    pub(super) fn new(limited: bool) -> Quota {
        Quota { limited, sent: VecDeque::new() }
    }

    /// Recipients of the last 24 hours.
    pub(super) fn used(&mut self, now: u64) -> usize {
        while self.sent.front().is_some_and(|(at, ..)| now.saturating_sub(*at) >= DAY_MS) {
            self.sent.pop_front();
        }
        self.sent.iter().map(|(.., counted)| counted).sum()
    }

    /// Takes a mail to `all` recipients, of whom `counted` use up the day's quota.
    pub(super) fn take(
        &mut self,
        all: usize,
        counted: usize,
        (per_day, per_second): (f64, f64),
        now: u64,
    ) -> Result<(), Refusal> {
        let day = self.used(now) + counted;
        let recent = self.sent.iter().rev().take_while(|(at, ..)| now.saturating_sub(*at) < SECOND_MS);
        let second: usize = recent.map(|(_, all, _)| all).sum::<usize>() + all;
        if self.limited && per_day >= 0.0 && day as f64 > per_day {
            return Err(error(400, "LimitExceededException", "Daily message quota exceeded."));
        }
        // A mail to more people than a second holds goes out when the second is free.
        if self.limited && second > all && second as f64 > per_second {
            return Err(error(429, "TooManyRequestsException", "Maximum sending rate exceeded."));
        }
        self.sent.push_back((now, all, counted));
        Ok(())
    }
}
