//! Items as DynamoDB keeps them: an attribute for each of ours, the keys `pk` and `sk`, and `ttl`.
//!
//! Nothing is wrapped: a number is a number, a text a text, bytes are bytes, so that an item costs what it holds. `ttl`
//! is in whole seconds, rounded up, because that is what DynamoDB's own expiry reads.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use mc_core::ports::{Attr, Attrs, Item, Key};
use mc_core::{Error, ErrorKind, Result, Timestamp};

/// The partition key.
const PK: &str = "pk";
/// The sort key.
const SK: &str = "sk";
/// When DynamoDB may remove the item, in seconds.
pub(super) const TTL: &str = "ttl";

/// Stands before a name that would otherwise be one of the table's own.
const ESCAPE: char = '=';

/// Attributes as the SDK has them.
pub(super) type Stored = HashMap<String, AttributeValue>;

/// The expiry as it is kept: seconds, rounded up.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000) + i64::from(at.millis().rem_euclid(1000) > 0)
}

/// A time as a condition compares it with a `ttl`: what is not above it has expired.
pub(super) fn now_seconds(now: Timestamp) -> AttributeValue {
    AttributeValue::N(now.seconds().to_string())
}

/// The expiry as whoever reads it will see it.
pub(super) fn rounded(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(seconds(at).saturating_mul(1000))
}

/// A key alone.
pub(super) fn of_key(key: &Key) -> Stored {
    let mut stored = Stored::with_capacity(2);
    stored.insert(PK.to_owned(), AttributeValue::S(key.pk.clone()));
    stored.insert(SK.to_owned(), AttributeValue::S(key.sk.clone()));
    stored
}

/// A whole item.
pub(super) fn of_item(item: &Item) -> Stored {
    let mut stored = of_key(&item.key);
    for (name, value) in item.attrs.iter() {
        stored.insert(stored_name(name).into_owned(), of_attr(value));
    }
    if let Some(at) = item.expires_at {
        stored.insert(TTL.to_owned(), AttributeValue::N(seconds(at).to_string()));
    }
    stored
}

/// A value as it is kept.
pub(super) fn of_attr(value: &Attr) -> AttributeValue {
    match value {
        Attr::Num(number) => AttributeValue::N(number.to_string()),
        Attr::Text(text) => AttributeValue::S(text.clone()),
        Attr::Bytes(bytes) => AttributeValue::B(Blob::new(bytes.as_ref())),
    }
}

/// A value as it was. DynamoDB's numbers reach further than ours, and stop at our ends.
fn to_attr(value: AttributeValue) -> Result<Attr> {
    match value {
        AttributeValue::N(number) => match number.parse() {
            Ok(number) => Ok(Attr::Num(number)),
            Err(_) if is_whole(&number) => {
                Ok(Attr::Num(if number.starts_with('-') { i64::MIN } else { i64::MAX }))
            }
            Err(_) => Err(corrupt("a number is not whole")),
        },
        AttributeValue::S(text) => Ok(Attr::Text(text)),
        AttributeValue::B(blob) => Ok(Attr::Bytes(Bytes::from(blob.into_inner()))),
        _ => Err(corrupt("an attribute is of a type that this program does not write")),
    }
}

fn is_whole(number: &str) -> bool {
    let digits = number.trim_start_matches('-');
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn expiry_of(stored: &Stored) -> Option<Timestamp> {
    let AttributeValue::N(seconds) = stored.get(TTL)? else { return None };
    Some(Timestamp::from_millis(seconds.parse::<i64>().ok()?.saturating_mul(1000)))
}

/// Whether an item counts at `now`.
pub(super) fn lives(stored: &Stored, now: Timestamp) -> bool {
    expiry_of(stored).is_none_or(|at| at.seconds() > now.seconds())
}

/// Takes an item apart. All values have to be here.
pub(super) fn to_item(mut stored: Stored) -> Result<Item> {
    let expires_at = expiry_of(&stored);
    stored.remove(TTL);
    let mut key = |name: &str| match stored.remove(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(corrupt("an item has no key")),
    };
    let key = Key { pk: key(PK)?, sk: key(SK)? };
    let mut attrs = Attrs::new();
    for (mut name, value) in stored {
        if name.starts_with(ESCAPE) {
            name.remove(0);
        }
        attrs.set(name, to_attr(value)?);
    }
    Ok(Item { key, attrs, expires_at })
}

/// The sort key of an item that was read.
pub(super) fn sort_key(stored: &Stored) -> Option<&str> {
    stored.get(SK).and_then(|sk| sk.as_s().ok()).map(String::as_str)
}

/// The key of an item that was read.
pub(super) fn key_of(stored: &Stored) -> Option<Key> {
    let text = |name: &str| stored.get(name).and_then(|value| value.as_s().ok()).cloned();
    Some(Key { pk: text(PK)?, sk: text(SK)? })
}

/// The name under which an attribute is kept: its own, unless the table itself uses it.
pub(super) fn stored_name(name: &str) -> Cow<'_, str> {
    if matches!(name, PK | SK | TTL) || name.starts_with(ESCAPE) {
        Cow::Owned(format!("{ESCAPE}{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

pub(super) fn corrupt(what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}

/// How large DynamoDB reckons an item: names and texts in bytes of UTF-8, two digits of a number per byte.
pub(super) fn size(stored: &Stored) -> u64 {
    stored.iter().map(|(name, value)| name.len() as u64 + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> u64 {
    match value {
        AttributeValue::N(number) => 1 + number.trim_start_matches('-').len().div_ceil(2) as u64,
        AttributeValue::S(text) => text.len() as u64,
        AttributeValue::B(blob) => blob.as_ref().len() as u64,
        AttributeValue::M(map) => 3 + map.len() as u64 + size(map),
        _ => 1,
    }
}

/// The write units of an item: 1 KB each, a begun one counts.
pub(super) fn write_units(size: u64) -> u64 {
    size.div_ceil(1024).max(1)
}

/// The read units of so many bytes read with strong consistency: 4 KB each, a begun one counts.
pub(super) fn read_units(size: u64) -> u64 {
    size.div_ceil(4096).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_comes_back_as_it_was() {
        let attrs = Attrs::new().with("n", i64::MIN).with("t", "消息").with("b", vec![0, 255]);
        let attrs = attrs.with("sk", "mine").with("ttl", 7).with("=sk", 1).with("==", 2);
        let item = Item::new(Key::new("p", "s"), attrs).expiring(Timestamp::from_millis(5000));
        assert_eq!(to_item(of_item(&item)).unwrap(), item);
    }

    #[test]
    fn an_expiry_is_never_too_early() {
        for (millis, expected) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(seconds(Timestamp::from_millis(millis)), expected);
        }
        let stored = Stored::from([(TTL.to_owned(), AttributeValue::N("2".to_owned()))]);
        assert!(
            lives(&stored, Timestamp::from_millis(1999)) && !lives(&stored, Timestamp::from_millis(2000))
        );
    }

    #[test]
    fn numbers_beyond_ours_stop_at_the_ends() {
        let read = |text: &str| to_attr(AttributeValue::N(text.to_owned()));
        assert_eq!(read("99999999999999999999").unwrap(), Attr::Num(i64::MAX));
        assert_eq!(read("-99999999999999999999").unwrap(), Attr::Num(i64::MIN));
        assert!(read("1.5").is_err());
    }

    #[test]
    fn sizes_are_those_that_are_paid() {
        let mut stored = of_key(&Key::new("p".repeat(100), "s".repeat(20)));
        assert_eq!(size(&stored), 124);
        stored.insert("n".to_owned(), AttributeValue::N("1796083200000".to_owned()));
        assert_eq!(size(&stored), 124 + 1 + 8);
        assert_eq!((write_units(1024), write_units(1025), read_units(4097)), (1, 2, 2));
    }
}
