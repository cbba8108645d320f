//! Ids: a prefix that says what it is, and a ULID that sorts by time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::time::Timestamp;

/// The id of one accepted request, `msg_01J…`. Its time is the time of acceptance, from which its partition follows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Ulid);

impl MessageId {
    /// What every message id starts with.
    pub const PREFIX: &'static str = "msg_";

    /// Gives a ULID its meaning.
    pub fn new(ulid: Ulid) -> Self {
        Self(ulid)
    }

    /// The bare ULID, as keys use it.
    pub fn ulid(self) -> Ulid {
        self.0
    }

    /// When the id was made.
    pub fn time(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX))
    }

    /// The id of the message's `index`-th delivery (one channel's part): `dlv_01J…-0`.
    pub fn delivery(self, index: usize) -> String {
        format!("dlv_{}-{index}", self.0)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        let mut text = [0u8; ulid::ULID_LEN];
        f.write_str(self.0.array_to_str(&mut text))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a message id.
#[derive(Debug, thiserror::Error)]
#[error("not a message id: it starts with msg_ and 26 letters and digits follow")]
pub struct BadId;

impl FromStr for MessageId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let ulid = text.strip_prefix(Self::PREFIX).ok_or(BadId)?;
        Ulid::from_string(ulid).map(Self).map_err(|_| BadId)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether `name` may name a resource: `[A-Za-z0-9._~-]{1,64}`, which needs no escaping in any path.
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = MessageId::new(Ulid::from_parts(1_700_000_000_123, 42));
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        assert_eq!(id.time().millis(), 1_700_000_000_123);
        assert!(id.to_string().starts_with("msg_01HF"));
        assert!("01HF7YAT31000000000000001A".parse::<MessageId>().is_err());
        assert!("msg_zzz".parse::<MessageId>().is_err());
    }

    #[test]
    fn names_need_no_escaping() {
        assert!(is_name("ops-robot_1.2~x"));
        for bad in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
