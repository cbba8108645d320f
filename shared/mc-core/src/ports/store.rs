//! The narrow waist under everything that is remembered, in the terms a key-value table understands.

use std::borrow::Cow;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::queue::Outgoing;
use crate::error::Error;
use crate::time::Timestamp;

/// Where an item lives: a partition and a sort key inside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The partition; items of one partition can be listed in the order of `sk`.
    pub pk: String,
    /// The place inside the partition, ordered as bytes.
    pub sk: String,
}

impl Key {
    /// A key of its two parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// The value of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attr {
    /// A whole number.
    Num(i64),
    /// A text.
    Text(String),
    /// Bytes, mostly a JSON document.
    Bytes(Bytes),
}

impl From<i64> for Attr {
    fn from(value: i64) -> Self {
        Attr::Num(value)
    }
}

impl From<Timestamp> for Attr {
    fn from(value: Timestamp) -> Self {
        Attr::Num(value.millis())
    }
}

impl From<&str> for Attr {
    fn from(value: &str) -> Self {
        Attr::Text(value.to_owned())
    }
}

impl From<String> for Attr {
    fn from(value: String) -> Self {
        Attr::Text(value)
    }
}

impl From<Vec<u8>> for Attr {
    fn from(value: Vec<u8>) -> Self {
        Attr::Bytes(value.into())
    }
}

/// A handful of named attributes. Their order is that in which they were set, and says nothing.
#[derive(Clone, Debug, Default, Eq, Serialize, Deserialize)]
pub struct Attrs(Vec<(Cow<'static, str>, Attr)>);

impl PartialEq for Attrs {
    /// Not every store keeps the order, so it does not count.
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Attrs {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an attribute, for building an item in one expression.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Attr>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds or replaces an attribute.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Attr>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes an attribute away.
    pub fn remove(&mut self, name: &str) -> Option<Attr> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(at).1)
    }

    /// The attribute, if it is there.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The attribute as a number, if it is there and is one.
    pub fn num(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Attr::Num(n)) => Some(*n),
            _ => None,
        }
    }

    /// The attribute as text, if it is there and is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Attr::Text(t)) => Some(t),
            _ => None,
        }
    }

    /// The attribute as bytes, if it is there and is one.
    pub fn bytes(&self, name: &str) -> Option<&Bytes> {
        match self.get(name) {
            Some(Attr::Bytes(b)) => Some(b),
            _ => None,
        }
    }

    /// All attributes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.0.iter().map(|(n, v)| (n.as_ref(), v))
    }
}

/// One stored thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it lives.
    pub key: Key,
    /// What it holds.
    pub attrs: Attrs,
    /// When it is forgotten, if ever. A store may round it up to the whole second.
    pub expires_at: Option<Timestamp>,
}

impl Item {
    /// An item that is kept until somebody deletes it.
    pub fn new(key: Key, attrs: Attrs) -> Self {
        Self { key, attrs, expires_at: None }
    }

    /// The same item, forgotten at `at`.
    #[must_use]
    pub fn expiring(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }
}

/// A condition on the item as it is before a write. A missing attribute satisfies only `Absent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cond {
    /// There is an item under the key.
    Exists,
    /// There is no item under the key (an expired one counts as none).
    NotExists,
    /// The attribute is missing.
    Absent(Cow<'static, str>),
    /// The attribute equals the value.
    Eq(Cow<'static, str>, Attr),
    /// The attribute is one of the values.
    In(Cow<'static, str>, Vec<Attr>),
    /// The attribute is a number below the value.
    Lt(Cow<'static, str>, i64),
    /// The attribute is a number not above the value.
    Le(Cow<'static, str>, i64),
}

impl Cond {
    /// Whether the condition holds for the item as it is, for stores that evaluate it themselves.
    pub fn holds(&self, item: Option<&Attrs>) -> bool {
        let attr = |name: &str| item.and_then(|a| a.get(name));
        match self {
            Cond::Exists => item.is_some(),
            Cond::NotExists => item.is_none(),
            Cond::Absent(name) => attr(name).is_none(),
            Cond::Eq(name, value) => attr(name) == Some(value),
            Cond::In(name, values) => attr(name).is_some_and(|v| values.contains(v)),
            Cond::Lt(name, limit) => matches!(attr(name), Some(Attr::Num(n)) if n < limit),
            Cond::Le(name, limit) => matches!(attr(name), Some(Attr::Num(n)) if n <= limit),
        }
    }
}

/// One change to an item's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets the attribute.
    Set(Cow<'static, str>, Attr),
    /// Adds to a number; a missing attribute counts as 0.
    Add(Cow<'static, str>, i64),
    /// Takes the attribute away.
    Remove(Cow<'static, str>),
    /// Sets or clears when the item is forgotten.
    Expire(Option<Timestamp>),
}

impl Change {
    /// `Set` with less ceremony.
    pub fn set(name: impl Into<Cow<'static, str>>, value: impl Into<Attr>) -> Self {
        Change::Set(name.into(), value.into())
    }

    /// Applies the change, for stores that do it themselves.
    pub fn apply(&self, item: &mut Item) {
        match self {
            Change::Set(name, value) => item.attrs.set(name.clone(), value.clone()),
            Change::Add(name, n) => {
                let sum = item.attrs.num(name).unwrap_or(0).saturating_add(*n);
                item.attrs.set(name.clone(), sum);
            }
            Change::Remove(name) => {
                item.attrs.remove(name);
            }
            Change::Expire(at) => item.expires_at = *at,
        }
    }
}

/// A write of one item, made only if all of its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Replaces the whole item.
    Put(Item, Vec<Cond>),
    /// Changes some attributes, beginning from an empty item if there is none.
    Update(Key, Vec<Change>, Vec<Cond>),
    /// Deletes the item.
    Delete(Key, Vec<Cond>),
}

impl Op {
    /// Puts the item whatever is there.
    pub fn put(item: Item) -> Self {
        Op::Put(item, Vec::new())
    }

    /// Puts the item if there is none.
    pub fn put_new(item: Item) -> Self {
        Op::Put(item, vec![Cond::NotExists])
    }

    /// The key it writes.
    pub fn key(&self) -> &Key {
        match self {
            Op::Put(item, _) => &item.key,
            Op::Update(key, ..) | Op::Delete(key, _) => key,
        }
    }

    /// Its conditions.
    pub fn conds(&self) -> &[Cond] {
        match self {
            Op::Put(_, conds) | Op::Update(_, _, conds) | Op::Delete(_, conds) => conds,
        }
    }
}

/// Several writes and the tasks that follow from them.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Made first; if its conditions do not hold, nothing else happens and the answer is a [`Conflict`].
    pub guard: Option<Op>,
    /// Made after the guard, those of one item in their order and the others in any; one whose conditions do not hold
    /// is passed over.
    pub ops: Vec<Op>,
    /// Made in the same way after all of `ops`: what shows that the rest is there.
    pub then: Vec<Op>,
    /// Sent to the queue after the writes.
    pub tasks: Vec<Outgoing>,
}

/// The conditions of a write did not hold; nothing was changed.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The item that stood in the way, as it is now.
    pub current: Option<Item>,
}

/// Why a conditional write did not happen.
#[derive(Debug)]
pub enum WriteError {
    /// Its conditions did not hold.
    Conflict(Box<Conflict>),
    /// The store failed; whether the write happened is unknown.
    Failed(Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        WriteError::Failed(error)
    }
}

impl From<WriteError> for Error {
    /// For writes that cannot conflict.
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Failed(error) => error,
            WriteError::Conflict(_) => {
                Error::new(crate::ErrorKind::Internal, "a write met a condition nobody expected to fail")
            }
        }
    }
}

/// A listing of part of one partition.
#[derive(Clone, Debug)]
pub struct Query {
    /// The partition.
    pub pk: String,
    /// The first sort key to answer (included).
    pub from: String,
    /// The sort key to stop before (excluded).
    pub to: String,
    /// Whether the largest sort keys come first.
    pub newest_first: bool,
    /// At most this many items.
    pub limit: usize,
}

impl Query {
    /// All items of the partition whose sort key begins with `prefix`, smallest first.
    ///
    /// Sort keys are made of characters below U+10FFFF, which therefore ends the range.
    pub fn prefix(pk: impl Into<String>, prefix: impl Into<String>, limit: usize) -> Self {
        let from = prefix.into();
        let to = format!("{from}\u{10ffff}");
        Self { pk: pk.into(), from, to, newest_first: false, limit }
    }
}

/// What a query found.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The items, in the order asked for.
    pub items: Vec<Item>,
    /// Whether there may be more behind the last item.
    pub more: bool,
}

/// The store.
///
/// # Behavior (of every method)
/// - A read, other than a glance, sees every write that was answered before it began.
/// - An item whose `expires_at` has passed is never answered, and counts as absent in conditions, whether or not the
///   store has removed it yet.
/// - What was answered is durable: it survives the crash of the process and of the machine.
/// - [`crate::ErrorKind::Unavailable`] when the store cannot write now (no room, no connection); nothing half done.
#[async_trait]
pub trait Store: Send + Sync {
    /// The item under the key.
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error>;

    /// The items under the keys, in the keys' order.
    ///
    /// # Behavior
    /// - Any number of keys, also none, also the same one twice.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, Error>;

    /// The same at half the price, where reads are paid for.
    ///
    /// # Behavior
    /// - What was written within the last second or so may be missing: for what changes seldom, and where a moment does not matter.
    async fn glance(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, Error> {
        self.get_many(keys).await
    }

    /// Part of a partition, in order.
    ///
    /// # Behavior
    /// - Answers fewer than `limit` items with `more` set when a page is full for another reason.
    /// - An empty page with `more` set does not happen.
    async fn query(&self, query: &Query) -> Result<Page, Error>;

    /// Makes one write and answers the item as it is afterwards (`None` after a delete).
    ///
    /// # Behavior
    /// - Atomic with every other write to the same item.
    /// - On a conflict nothing is changed and the current item is answered.
    async fn write(&self, op: Op) -> Result<Option<Item>, WriteError>;

    /// Makes the guard, then the other writes, then queues the tasks; answers the guard's item (`None` without one).
    ///
    /// # Behavior
    /// - On a conflict of the guard nothing happens.
    /// - Where a store and its queue share a transaction, all happens or nothing does. Elsewhere a crash may leave a
    ///   part: the guard and some of `ops`; or all of those and some of `then`; or all writes and some tasks. Every
    ///   commit is therefore written so that making it again (without its guard) completes it.
    /// - Any number of writes and tasks.
    async fn commit(&self, commit: Commit) -> Result<Option<Item>, WriteError>;

    /// Over how many partitions one day's messages of a project are spread. Constant for the life of a table.
    fn spread(&self) -> u8;
}
