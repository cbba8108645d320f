//! A message's head: what was accepted, and what became of each share.

use mc_core::model::MessageDoc;
use mc_core::ports::{Attr, Item, Key};
use mc_core::state::{Counts, State};
use mc_core::{Error, ErrorKind, Result, Timestamp};

use super::{Share, attr, json};

/// A head as it was read.
#[derive(Clone, Debug)]
pub struct Head {
    /// Where it lives.
    pub key: Key,
    /// What was accepted.
    pub doc: MessageDoc,
    /// How many shares there are.
    pub shares: u32,
    /// The final states of the shares that have one.
    pub finals: Vec<Final>,
    /// When somebody cancelled the message.
    pub canceled: Option<Timestamp>,
    /// Whether its condition said yes.
    pub asked: bool,
    /// The share inside the head, if that is where it is.
    pub inline: Option<Share>,
}

/// The final state of one share, as its head keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Final {
    /// Which share.
    pub share: u32,
    /// Which delivery it belongs to, so that a listing need not read the share.
    pub delivery: usize,
    /// Its recipients' states when it was decided, without those that went on to another channel.
    pub counts: Counts,
    /// How many failed here and went on to another channel.
    pub moved: u32,
    /// Their states by now, where receipts have changed them.
    pub changed: Option<Counts>,
    /// When it was decided.
    pub at: Timestamp,
    /// The first of the shares that go on with those who failed here, and how many there are.
    pub next: (u32, u32),
}

impl Final {
    /// The text the head keeps.
    pub fn encode(&self) -> String {
        let ((first, count), millis) = (self.next, self.at.millis());
        let (counts, delivery, moved) = (self.counts.encode(), self.delivery, self.moved);
        let mut text = format!("{counts}@{millis}>{first}+{count}/{delivery}-{moved}");
        if let Some(changed) = &self.changed {
            text.push('|');
            text.push_str(&changed.encode());
        }
        text
    }

    /// The recipients' states by now.
    pub fn now(&self) -> Counts {
        self.changed.unwrap_or(self.counts)
    }

    /// The same with those who failed here and went on, which is how the delivery itself stands.
    pub fn of_delivery(&self) -> Counts {
        let mut counts = self.now();
        counts.add(State::Failed, self.moved);
        counts
    }

    /// The same share after receipts.
    #[must_use]
    pub fn later(&self, counts: Counts) -> Self {
        Self { changed: (counts != self.counts).then_some(counts), ..*self }
    }

    fn decode(share: u32, text: &str) -> Option<Self> {
        let (text, changed) = text.split_once('|').map_or((text, None), |(t, c)| (t, Some(c)));
        let (counts, rest) = text.split_once('@')?;
        let (at, next) = rest.split_once('>')?;
        let (next, of) = next.split_once('/')?;
        let (first, count) = next.split_once('+')?;
        let (delivery, moved) = of.split_once('-')?;
        Some(Self {
            share,
            delivery: delivery.parse().ok()?,
            counts: Counts::decode(counts)?,
            moved: moved.parse().ok()?,
            changed: match changed {
                Some(changed) => Some(Counts::decode(changed)?),
                None => None,
            },
            at: Timestamp::from_millis(at.parse().ok()?),
            next: (first.parse().ok()?, count.parse().ok()?),
        })
    }
}

impl Head {
    /// Reads a head.
    pub fn read(item: &Item) -> Result<Self> {
        let attrs = &item.attrs;
        let doc: MessageDoc = json(attrs, attr::DOC)?.ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "a message has no document").with("key", &item.key.sk)
        })?;
        let shares = u32::try_from(attrs.num(attr::SHARES).unwrap_or(0)).unwrap_or(0);
        let mut finals: Vec<Final> = attrs
            .iter()
            .filter_map(|(name, value)| match value {
                Attr::Text(text) => Final::decode(name.strip_prefix('s')?.parse().ok()?, text),
                Attr::Num(_) | Attr::Bytes(_) => None,
            })
            .collect();
        finals.sort_by_key(|f| f.share);
        let inline = attrs.text(attr::PHASE).map(|_| Share::read(0, attrs)).transpose()?;
        let canceled = attrs.num(attr::CANCELED).map(Timestamp::from_millis);
        let asked = attrs.num(attr::ASKED).is_some();
        Ok(Self { key: item.key.clone(), doc, shares, finals, canceled, asked, inline })
    }

    /// Whether every share has its final state.
    pub fn is_final(&self) -> bool {
        self.finals.len() as u32 >= self.shares && self.shares > 0
    }

    /// Where the recipients of the shares that are final stand by now.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for f in &self.finals {
            counts.merge(&f.now());
        }
        counts
    }

    /// What became of them when they were decided: the message's status follows from it and stays.
    pub fn decided(&self) -> Counts {
        let mut counts = Counts::default();
        for f in &self.finals {
            counts.merge(&f.counts);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_keeps_what_was_decided_beside_what_receipts_changed() {
        let decided = Counts::of_letters(b"ssf");
        let note = Final {
            share: 2,
            delivery: 1,
            counts: decided,
            moved: 3,
            changed: None,
            at: Timestamp::from_millis(9),
            next: (4, 1),
        };
        assert_eq!(Final::decode(2, &note.encode()), Some(note));
        let later = note.later(Counts::of_letters(b"drf"));
        assert_eq!(Final::decode(2, &later.encode()), Some(later));
        assert_eq!((later.counts, later.now()), (decided, Counts::of_letters(b"drf")));
        assert_eq!(later.later(decided), note);
    }
}
