//! Limits whose breaking is answered like a success: the message just does not reach the person.

use std::collections::HashMap;

use super::DAY_MS;

const PER_DAY: u32 = 500;
const PER_MINUTE: usize = 5_000;
const TO_ALL: u32 = 3;
const MINUTE_MS: u64 = 60_000;
/// Days are counted in China.
const BEIJING_MS: u64 = 8 * 3_600_000;

/// What an app has sent, to whom.
pub(super) struct Quota {
    limited: bool,
    day: u64,
    /// How much somebody got today.
    got: HashMap<String, u32>,
    /// What somebody got today, in the same words.
    seen: HashMap<String, Vec<String>>,
    to_all: u32,
    minute: u64,
    this_minute: usize,
}

impl Quota {
    pub(super) fn new(limited: bool) -> Quota {
        Quota {
            limited,
            day: 0,
            got: HashMap::new(),
            seen: HashMap::new(),
            to_all: 0,
            minute: 0,
            this_minute: 0,
        }
    }

    fn turn(&mut self, now: u64) {
        let (day, minute) = ((now + BEIJING_MS) / DAY_MS, now / MINUTE_MS);
        if self.day != day {
            (self.day, self.to_all) = (day, 0);
            self.got.clear();
            self.seen.clear();
        }
        if self.minute != minute {
            (self.minute, self.this_minute) = (minute, 0);
        }
    }

    /// Why somebody does not get a message now, in the platform's code; `None` if they do.
    pub(super) fn drops(&mut self, user: &str, message: &str, now: u64) -> Option<&'static str> {
        self.turn(now);
        let same = self.seen.entry(user.to_owned()).or_default();
        if same.iter().any(|seen| seen == message) {
            return Some("143106");
        }
        let got = self.got.entry(user.to_owned()).or_default();
        if self.limited && *got >= PER_DAY {
            return Some("143105");
        }
        if self.limited && self.this_minute >= PER_MINUTE {
            return Some("143103");
        }
        *got += 1;
        self.this_minute += 1;
        same.push(message.to_owned());
        None
    }

    /// Whether one more message may go to everybody today.
    pub(super) fn may_go_to_all(&mut self, now: u64) -> bool {
        self.turn(now);
        self.to_all += 1;
        !self.limited || self.to_all <= TO_ALL
    }
}
