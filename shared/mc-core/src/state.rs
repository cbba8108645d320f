//! The state machine of recipients and deliveries, and the status of a message that follows from it.

use serde::{Deserialize, Serialize};

/// The state of one recipient of one delivery.
///
/// Stored as one letter each ([`State::letter`]), so that the states of 200 recipients take 200 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted and waiting for its first push.
    Queued,
    /// Claimed by a consumer that is pushing it now.
    Sending,
    /// A push failed in a way that another may not; the next one is planned.
    Retrying,
    /// The platform accepted it, and no more is known.
    Sent,
    /// The platform says it reached the recipient.
    Delivered,
    /// The platform says it was read.
    Read,
    /// It did not reach the recipient and will not be tried again.
    Failed,
    /// A push was begun and its outcome was lost; held until somebody decides.
    InDoubt,
    /// Its `expire_at` passed before it could be sent.
    Expired,
    /// The caller stopped it before it was claimed.
    Canceled,
    /// The recipient opted out, or the address is known to bounce.
    Suppressed,
    /// It was taken back on the platform after it was sent.
    Recalled,
}

impl State {
    /// Every state.
    pub const ALL: [State; 12] = [
        State::Queued,
        State::Sending,
        State::Retrying,
        State::Sent,
        State::Delivered,
        State::Read,
        State::Failed,
        State::InDoubt,
        State::Expired,
        State::Canceled,
        State::Suppressed,
        State::Recalled,
    ];

    /// The letter it is stored as.
    pub const fn letter(self) -> u8 {
        match self {
            State::Queued => b'q',
            State::Sending => b'p',
            State::Retrying => b't',
            State::Sent => b's',
            State::Delivered => b'd',
            State::Read => b'r',
            State::Failed => b'f',
            State::InDoubt => b'u',
            State::Expired => b'e',
            State::Canceled => b'c',
            State::Suppressed => b'x',
            State::Recalled => b'b',
        }
    }

    /// The state a letter stands for.
    pub fn from_letter(letter: u8) -> Option<State> {
        State::ALL.into_iter().find(|s| s.letter() == letter)
    }

    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Sending => "sending",
            State::Retrying => "retrying",
            State::Sent => "sent",
            State::Delivered => "delivered",
            State::Read => "read",
            State::Failed => "failed",
            State::InDoubt => "in_doubt",
            State::Expired => "expired",
            State::Canceled => "canceled",
            State::Suppressed => "suppressed",
            State::Recalled => "recalled",
        }
    }

    /// Whether the pipeline is done with the recipient: only receipts can still change it.
    pub const fn is_decided(self) -> bool {
        !matches!(self, State::Queued | State::Sending | State::Retrying)
    }

    /// Whether the platform accepted it at some time: these count as sent in a message's totals.
    pub const fn was_sent(self) -> bool {
        matches!(self, State::Sent | State::Delivered | State::Read | State::Recalled)
    }

    /// Whether a recipient in this state may go to `next`.
    ///
    /// A state may always stay as it is: receipts arrive twice. What is `sent` can only be taken back by a bounce
    /// (`failed`) or a recall; nothing else goes backwards.
    pub const fn may_become(self, next: State) -> bool {
        use State as S;
        match (self, next) {
            (S::Queued, n) => {
                !matches!(n, S::Delivered | S::Read | S::Recalled | S::InDoubt | S::Retrying | S::Sent)
            }
            // A claim whose outcome was lost may be claimed again, held, or turn out to be delivered by a receipt.
            (S::Sending, n) => !matches!(n, S::Queued | S::Canceled),
            (S::Retrying, n) => !matches!(n, S::Queued),
            (S::Sent, n) => matches!(n, S::Sent | S::Delivered | S::Read | S::Failed | S::Recalled),
            (S::Delivered, n) => matches!(n, S::Delivered | S::Read | S::Failed | S::Recalled),
            (S::Read, n) => matches!(n, S::Read | S::Recalled),
            (S::InDoubt, n) => matches!(n, S::InDoubt | S::Sent | S::Delivered | S::Read | S::Failed),
            (S::Failed, S::Failed)
            | (S::Expired, S::Expired)
            | (S::Canceled, S::Canceled)
            | (S::Suppressed, S::Suppressed)
            | (S::Recalled, S::Recalled) => true,
            (S::Failed | S::Expired | S::Canceled | S::Suppressed | S::Recalled, _) => false,
        }
    }
}

/// The status of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Waiting for its `send_at`.
    Scheduled,
    /// Accepted; nothing is claimed yet.
    Queued,
    /// At least one recipient is under way, not all are decided.
    Processing,
    /// Every recipient was sent.
    Completed,
    /// Some recipients were sent, some were not.
    Partial,
    /// No recipient was sent.
    Failed,
    /// It was stopped before anything was sent.
    Canceled,
    /// Its `expire_at` passed before anything was sent.
    Expired,
}

impl MessageStatus {
    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            MessageStatus::Scheduled => "scheduled",
            MessageStatus::Queued => "queued",
            MessageStatus::Processing => "processing",
            MessageStatus::Completed => "completed",
            MessageStatus::Partial => "partial",
            MessageStatus::Failed => "failed",
            MessageStatus::Canceled => "canceled",
            MessageStatus::Expired => "expired",
        }
    }

    /// Whether it can no longer change.
    pub const fn is_final(self) -> bool {
        !matches!(self, MessageStatus::Scheduled | MessageStatus::Queued | MessageStatus::Processing)
    }

    /// The status that the decided recipients' counts amount to.
    ///
    /// With nothing sent, the strongest reason names it: a failure (or a doubt, or a suppression) over an expiry over
    /// a cancellation.
    pub fn of_decided(counts: &Counts) -> MessageStatus {
        let sent: u32 = State::ALL.into_iter().filter(|s| s.was_sent()).map(|s| counts.get(s)).sum();
        let others = counts.total() - sent;
        if others == 0 {
            MessageStatus::Completed
        } else if sent > 0 {
            MessageStatus::Partial
        } else if counts.get(State::Canceled) == others {
            MessageStatus::Canceled
        } else if counts.get(State::Expired) + counts.get(State::Canceled) == others {
            MessageStatus::Expired
        } else {
            MessageStatus::Failed
        }
    }
}

/// How many recipients are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u32; State::ALL.len()]);

impl Counts {
    /// Counts the letters of a states string; letters of no state are not counted.
    pub fn of_letters(letters: &[u8]) -> Self {
        let mut counts = Self::default();
        for letter in letters {
            if let Some(state) = State::from_letter(*letter) {
                counts.add(state, 1);
            }
        }
        counts
    }

    /// How many are in `state`.
    pub const fn get(&self, state: State) -> u32 {
        self.0[state as usize]
    }

    /// Adds `n` to a state.
    pub fn add(&mut self, state: State, n: u32) {
        self.0[state as usize] += n;
    }

    /// Takes up to `n` out of a state.
    pub fn take(&mut self, state: State, n: u32) {
        self.0[state as usize] = self.0[state as usize].saturating_sub(n);
    }

    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Counts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// All recipients.
    pub fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    /// The states that have any, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (State, u32)> + '_ {
        State::ALL.into_iter().map(|s| (s, self.get(s))).filter(|(_, n)| *n > 0)
    }

    /// The compact form stored per share: `s12f1`.
    pub fn encode(&self) -> String {
        self.iter().map(|(s, n)| format!("{}{n}", s.letter() as char)).collect()
    }

    /// Reads the compact form; `None` when it is not one.
    pub fn decode(text: &str) -> Option<Self> {
        let mut counts = Self::default();
        let mut rest = text;
        while let Some(letter) = rest.bytes().next() {
            let state = State::from_letter(letter)?;
            let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
            counts.add(state, rest[1..=digits].parse().ok()?);
            rest = &rest[1 + digits..];
        }
        Some(counts)
    }
}

/// Every state with its count, none left out: nobody has to think of what is missing.
impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(State::ALL.into_iter().map(|s| (s.as_str(), self.get(s))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row per state, one column per state in the order of `State::ALL`; `x` where the step is allowed.
    const TABLE: [(&str, &str); 12] = [
        //                q p t s d r f u e c x b
        ("queued", "     x x . . . . x . x x x ."),
        ("sending", "    . x x x x x x x x . x x"),
        ("retrying", "   . x x x x x x x x x x x"),
        ("sent", "       . . . x x x x . . . . x"),
        ("delivered", "  . . . . x x x . . . . x"),
        ("read", "       . . . . . x . . . . . x"),
        ("failed", "     . . . . . . x . . . . ."),
        ("in_doubt", "   . . . x x x x x . . . ."),
        ("expired", "    . . . . . . . . x . . ."),
        ("canceled", "   . . . . . . . . . x . ."),
        ("suppressed", " . . . . . . . . . . x ."),
        ("recalled", "   . . . . . . . . . . . x"),
    ];

    #[test]
    fn every_step_is_as_the_table_says() {
        for (from, (name, row)) in State::ALL.into_iter().zip(TABLE) {
            assert_eq!(from.as_str(), name);
            let cells: Vec<&str> = row.split_whitespace().collect();
            assert_eq!(cells.len(), State::ALL.len(), "{name}");
            for (to, cell) in State::ALL.into_iter().zip(cells) {
                assert_eq!(from.may_become(to), cell == "x", "{name} -> {}", to.as_str());
            }
        }
    }

    #[test]
    fn nothing_decided_becomes_undecided() {
        for from in State::ALL.into_iter().filter(|s| s.is_decided()) {
            for to in State::ALL.into_iter().filter(|s| !s.is_decided()) {
                assert!(!from.may_become(to), "{} -> {}", from.as_str(), to.as_str());
            }
        }
    }

    #[test]
    fn letters_and_counts_survive_storage() {
        for state in State::ALL {
            assert_eq!(State::from_letter(state.letter()), Some(state));
        }
        let counts = Counts::of_letters(b"sssfqqd");
        assert_eq!(Counts::decode(&counts.encode()), Some(counts));
        assert_eq!(counts.total(), 7);
        assert_eq!(Counts::decode("s"), None);
        assert_eq!(Counts::decode("9"), None);
    }

    #[test]
    fn a_message_is_named_by_what_became_of_its_recipients() {
        let of = |letters: &str| MessageStatus::of_decided(&Counts::of_letters(letters.as_bytes()));
        assert_eq!(of("sdr"), MessageStatus::Completed);
        assert_eq!(of("sf"), MessageStatus::Partial);
        assert_eq!(of("ff"), MessageStatus::Failed);
        assert_eq!(of("fe"), MessageStatus::Failed);
        assert_eq!(of("ec"), MessageStatus::Expired);
        assert_eq!(of("cc"), MessageStatus::Canceled);
        assert_eq!(of("u"), MessageStatus::Failed);
        assert_eq!(of("b"), MessageStatus::Completed);
    }
}
