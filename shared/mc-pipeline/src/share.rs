//! A share: up to 200 recipients of one delivery, the unit of work.
//!
//! What changes (state, lease, outcomes) is a small *hot* item; the recipients are written once, in a *cold* item of
//! their own when they are large. A message with a single small share keeps all of it in its head, so that it costs
//! three writes from acceptance to its final state.

use mc_core::model::{Attempt, Recipient};
use mc_core::ports::{Attr, Attrs, Change, Cond};
use mc_core::state::{Counts, State};
use mc_core::{Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::receipts::Pushed;

mod head;

pub use head::{Final, Head};

/// At most this many recipients in a share.
pub const MAX_RECIPIENTS: usize = 200;

/// Recipients up to this size stay with what changes.
pub const INLINE_BYTES: usize = 512;

/// Attempts kept of each share: the first ones and the last ones tell the story.
const KEPT_ATTEMPTS: usize = 20;

/// Names of attributes, short because every write stores them.
pub mod attr {
    /// The accepted request (head).
    pub const DOC: &str = "doc";
    /// How many shares there are (head). A message's only share, kept in the head, is number 0; shares with items of
    /// their own are numbered from 1.
    pub const SHARES: &str = "n";
    /// How often the message was moved to another time (head).
    pub const MOVED: &str = "mv";
    /// When somebody cancelled the message (head).
    pub const CANCELED: &str = "cx";
    /// That the message's condition said yes (head).
    pub const ASKED: &str = "ok";
    /// Which delivery a share belongs to.
    pub const DELIVERY: &str = "d";
    /// What the share waits for.
    pub const PHASE: &str = "st";
    /// One letter per recipient.
    pub const LETTERS: &str = "rs";
    /// How often it was claimed.
    pub const ATTEMPT: &str = "at";
    /// The last claim whose outcome is known.
    pub const RECORDED: &str = "rec";
    /// When it was last claimed; 0 when nobody holds it.
    pub const LEASED: &str = "lg";
    /// Not before.
    pub const DUE: &str = "due";
    /// The attempts.
    pub const LOG: &str = "log";
    /// What went wrong for whom.
    pub const ERRORS: &str = "err";
    /// The recipients, if they are few.
    pub const RECIPIENTS: &str = "to";
    /// What was pushed, by the platform's ids, where receipts or recalls need it.
    pub const PUSHES: &str = "pu";
    /// How many parts of a split content the broadcast has sent.
    pub const PARTS: &str = "pt";

    /// The final state of one share, kept in the head.
    pub fn final_of(share: u32) -> String {
        format!("s{share}")
    }
}

/// What a share waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its first claim.
    Queued,
    /// The outcome of a push.
    Sending,
    /// Another try.
    Retrying,
    /// Nothing: every recipient is decided.
    Final,
}

impl Phase {
    /// The letter it is stored as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Queued => "q",
            Phase::Sending => "p",
            Phase::Retrying => "t",
            Phase::Final => "z",
        }
    }

    fn read(text: Option<&str>) -> Result<Self> {
        match text {
            Some("q") => Ok(Phase::Queued),
            Some("p") => Ok(Phase::Sending),
            Some("t") => Ok(Phase::Retrying),
            Some("z") => Ok(Phase::Final),
            other => Err(Error::new(ErrorKind::Corrupt, "a share is in no known phase")
                .with("phase", other.unwrap_or("none"))),
        }
    }
}

/// What went wrong for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientError {
    /// Its place in the share.
    #[serde(rename = "i")]
    pub index: u32,
    /// The platform's code.
    #[serde(rename = "c")]
    pub code: String,
    /// The platform's words.
    #[serde(rename = "t")]
    pub text: String,
}

/// A share as it was read.
#[derive(Clone, Debug)]
pub struct Share {
    /// Which share of its message.
    pub index: u32,
    /// Which delivery it belongs to.
    pub delivery: usize,
    /// What it waits for.
    pub phase: Phase,
    /// One state letter per recipient.
    pub letters: Vec<u8>,
    /// How often it was claimed.
    pub attempt: i64,
    /// The last claim whose outcome is known.
    pub recorded: i64,
    /// When it was last claimed.
    pub leased: Timestamp,
    /// Not before.
    pub due: Timestamp,
    /// The attempts.
    pub log: Vec<Attempt>,
    /// What went wrong for whom.
    pub errors: Vec<RecipientError>,
    /// The recipients, unless they lie in a cold item.
    pub recipients: Option<Vec<Recipient>>,
    /// What was pushed, by the platform's ids; more of it may lie in items of its own.
    pub pushes: Vec<Pushed>,
    /// How many parts of a split content the broadcast has sent.
    pub parts: usize,
}

impl Share {
    /// A share as it begins.
    pub fn new(index: u32, delivery: usize, recipients: usize, due: Timestamp) -> Self {
        Self {
            index,
            delivery,
            phase: Phase::Queued,
            letters: vec![State::Queued.letter(); recipients],
            attempt: 0,
            recorded: 0,
            leased: Timestamp::EPOCH,
            due,
            log: Vec::new(),
            errors: Vec::new(),
            recipients: None,
            pushes: Vec::new(),
            parts: 0,
        }
    }

    /// Adds what the share begins with to an item's attributes.
    pub fn begin(&self, attrs: &mut Attrs) -> Result<()> {
        attrs.set(attr::DELIVERY, self.delivery as i64);
        attrs.set(attr::PHASE, self.phase.as_str());
        attrs.set(attr::LETTERS, String::from_utf8_lossy(&self.letters).into_owned());
        attrs.set(attr::ATTEMPT, 0);
        attrs.set(attr::RECORDED, 0);
        attrs.set(attr::LEASED, 0);
        attrs.set(attr::DUE, self.due);
        if !self.errors.is_empty() {
            attrs.set(attr::ERRORS, serde_json::to_vec(&self.errors)?);
        }
        Ok(())
    }

    /// Reads a share out of its own item, or out of a head that holds its only share.
    pub fn read(index: u32, attrs: &Attrs) -> Result<Self> {
        let num = |name| attrs.num(name).unwrap_or(0);
        Ok(Self {
            index,
            delivery: usize::try_from(num(attr::DELIVERY)).unwrap_or(0),
            phase: Phase::read(attrs.text(attr::PHASE))?,
            letters: attrs.text(attr::LETTERS).unwrap_or_default().as_bytes().to_vec(),
            attempt: num(attr::ATTEMPT),
            recorded: num(attr::RECORDED),
            leased: Timestamp::from_millis(num(attr::LEASED)),
            due: Timestamp::from_millis(num(attr::DUE)),
            log: json(attrs, attr::LOG)?.unwrap_or_default(),
            errors: json(attrs, attr::ERRORS)?.unwrap_or_default(),
            recipients: json(attrs, attr::RECIPIENTS)?,
            pushes: json(attrs, attr::PUSHES)?.unwrap_or_default(),
            parts: usize::try_from(num(attr::PARTS)).unwrap_or(0),
        })
    }

    /// How many recipients are in each state.
    pub fn counts(&self) -> Counts {
        Counts::of_letters(&self.letters)
    }

    /// The state of one recipient. While a push is under way, those not yet decided are `sending`.
    pub fn state_of(&self, recipient: usize) -> State {
        let state = self.letters.get(recipient).and_then(|l| State::from_letter(*l)).unwrap_or(State::Queued);
        if self.phase == Phase::Sending && !state.is_decided() { State::Sending } else { state }
    }

    /// The one state that describes the whole share.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Queued => State::Queued,
            Phase::Sending => State::Sending,
            Phase::Retrying => State::Retrying,
            Phase::Final => summary(&self.counts()),
        }
    }

    /// The recipients that are not decided yet.
    pub fn open(&self) -> Vec<usize> {
        let open = |l: &u8| State::from_letter(*l).is_some_and(|s| !s.is_decided());
        self.letters.iter().enumerate().filter(|(_, l)| open(l)).map(|(i, _)| i).collect()
    }

    /// Moves one recipient on; a step the state machine does not know is not taken.
    pub fn decide(&mut self, recipient: usize, to: State) {
        if recipient < self.letters.len() && self.state_of(recipient).may_become(to) {
            self.letters[recipient] = to.letter();
        }
    }

    /// Notes what went wrong for one recipient.
    pub fn note_error(&mut self, recipient: usize, code: &str, text: &str) {
        let index = recipient as u32;
        self.errors.retain(|e| e.index != index);
        self.errors.push(RecipientError { index, code: clip(code, 64), text: clip(text, 200) });
    }

    /// Adds an attempt, letting go of those in the middle when there are many.
    pub fn note_attempt(&mut self, attempt: Attempt) {
        self.log.push(attempt);
        if self.log.len() > KEPT_ATTEMPTS {
            self.log.remove(KEPT_ATTEMPTS / 4);
        }
    }

    /// The changes that write everything an attempt may have changed.
    pub fn changes(&self) -> Result<Vec<Change>> {
        let mut changes = vec![
            Change::set(attr::PHASE, self.phase.as_str()),
            Change::set(attr::LETTERS, String::from_utf8_lossy(&self.letters).into_owned()),
            Change::set(attr::RECORDED, self.recorded),
            Change::set(attr::LEASED, self.leased),
            Change::set(attr::DUE, self.due),
            Change::set(attr::LOG, serde_json::to_vec(&self.log)?),
        ];
        if !self.errors.is_empty() {
            changes.push(Change::set(attr::ERRORS, serde_json::to_vec(&self.errors)?));
        }
        if !self.pushes.is_empty() {
            changes.push(Change::set(attr::PUSHES, serde_json::to_vec(&self.pushes)?));
        }
        if self.parts > 0 {
            changes.push(Change::set(attr::PARTS, self.parts as i64));
        }
        Ok(changes)
    }

    /// The condition under which the holder of this claim may write: nobody claimed it since.
    pub fn still_mine(&self) -> Vec<Cond> {
        vec![
            Cond::Eq(attr::ATTEMPT.into(), Attr::Num(self.attempt)),
            Cond::Eq(attr::PHASE.into(), "p".into()),
        ]
    }
}

/// The one state that describes decided recipients: any failure shows.
pub fn summary(counts: &Counts) -> State {
    const BY_WEIGHT: [State; 9] = [
        State::Failed,
        State::InDoubt,
        State::Expired,
        State::Canceled,
        State::Suppressed,
        State::Recalled,
        State::Sent,
        State::Delivered,
        State::Read,
    ];
    BY_WEIGHT.into_iter().find(|s| counts.get(*s) > 0).unwrap_or(State::Sent)
}

/// Whether these are the attributes of a share that nobody has claimed yet.
pub fn is_unclaimed(attrs: &Attrs) -> bool {
    attrs.text(attr::PHASE) == Some(Phase::Queued.as_str()) && attrs.num(attr::ATTEMPT) == Some(0)
}

/// Reads a JSON attribute.
pub fn json<T: serde::de::DeserializeOwned>(attrs: &Attrs, name: &str) -> Result<Option<T>> {
    let read = attrs.bytes(name).map(|bytes| serde_json::from_slice(bytes)).transpose();
    read.map_err(|error| Error::from(error).with("attribute", name))
}

/// The beginning of a text, cut at a character.
pub fn clip(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use mc_core::model::Outcome;
    use mc_core::ports::{Item, Key};

    #[test]
    fn a_share_survives_storage() {
        let mut share = Share::new(3, 1, 4, Timestamp::from_millis(5));
        let mut attrs = Attrs::new();
        share.begin(&mut attrs).unwrap();
        share.phase = Phase::Sending;
        share.decide(0, State::Sent);
        share.decide(1, State::Failed);
        share.note_error(1, "550", "no such user");
        share.note_attempt(Attempt {
            at: Timestamp::from_millis(9),
            ms: 12,
            outcome: Outcome::Sent,
            code: None,
            text: None,
            next: None,
            warnings: Vec::new(),
        });
        let mut item = Item::new(Key::new("p", "s"), attrs);
        for change in share.changes().unwrap() {
            change.apply(&mut item);
        }
        let read = Share::read(3, &item.attrs).unwrap();
        assert_eq!(read.letters, b"sfqq");
        assert_eq!(read.errors, share.errors);
        assert_eq!(read.log, share.log);
        assert_eq!(read.open(), vec![2, 3]);
    }

    #[test]
    fn what_is_decided_stays_decided() {
        let mut share = Share::new(0, 0, 1, Timestamp::EPOCH);
        share.phase = Phase::Sending;
        share.decide(0, State::Failed);
        share.decide(0, State::Sent);
        assert_eq!(share.letters, b"f");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(clip("企业微信", 7), "企业…");
    }
}
