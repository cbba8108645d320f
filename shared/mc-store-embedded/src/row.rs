//! The form of what the tables hold.

use mc_core::ports::{Attrs, Family, Group, Item, Key, Task};
use mc_core::{Error, ErrorKind, Result, Timestamp};

use crate::fault::of_sqlite;

/// An item's attributes and expiry as they are stored, expired or not.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) attrs: Attrs,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Stored {
    /// Reads the columns `expires_at, attrs`, which begin at `first`.
    pub(crate) fn read(row: &rusqlite::Row<'_>, first: usize) -> Result<Self> {
        let expires_at = row.get::<_, Option<i64>>(first).map_err(of_sqlite)?.map(Timestamp::from_millis);
        let blob = row.get_ref(first + 1).map_err(of_sqlite)?.as_blob().map_err(damaged)?;
        Ok(Self { attrs: postcard::from_bytes(blob).map_err(damaged)?, expires_at })
    }

    pub(crate) fn lives(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }

    pub(crate) fn into_item(self, key: Key) -> Item {
        Item { key, attrs: self.attrs, expires_at: self.expires_at }
    }
}

/// Writes attributes into the buffer, replacing what it held.
pub(crate) fn encode_attrs<'b>(attrs: &Attrs, buffer: &'b mut Vec<u8>) -> Result<&'b [u8]> {
    buffer.clear();
    let emptied = std::mem::take(buffer);
    *buffer = postcard::to_extend(attrs, emptied).map_err(|error| {
        Error::new(ErrorKind::Internal, "an item's attributes cannot be written").because(error)
    })?;
    Ok(buffer)
}

/// Writes the tasks of an envelope. They are JSON because a task's form is told by its tag.
pub(crate) fn encode_tasks(tasks: &[Task]) -> Result<Vec<u8>> {
    serde_json::to_vec(tasks)
        .map_err(|error| Error::new(ErrorKind::Internal, "tasks cannot be written").because(error))
}

pub(crate) fn decode_tasks(blob: &[u8]) -> Result<Vec<Task>> {
    serde_json::from_slice(blob).map_err(damaged)
}

/// The place of an envelope in its table, and so its place in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowKey {
    pub(crate) family: Family,
    pub(crate) group: Group,
    pub(crate) place: Place,
}

/// When an envelope is due, and its number among those of the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) due: i64,
    pub(crate) seq: i64,
}

impl Place {
    /// Before every place.
    pub(crate) const START: Self = Self { due: i64::MIN, seq: i64::MIN };
}

/// One envelope, as it lies in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) place: Place,
    pub(crate) sent: i64,
    pub(crate) receives: i64,
    pub(crate) tasks: Vec<Task>,
}

/// The number a family has in the tables. Numbers are never given twice.
pub(crate) fn family_number(family: Family) -> i64 {
    match family {
        Family::Wecom => 0,
        Family::Dingtalk => 1,
        Family::Email => 2,
        Family::Webhook => 3,
        Family::Wechat => 4,
        Family::Feishu => 5,
    }
}

/// The family of a number, or `None` for one of a newer program.
pub(crate) fn family_of(number: i64) -> Option<Family> {
    Family::ALL.into_iter().find(|family| family_number(*family) == number)
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Corrupt, "a row of the embedded database cannot be read").because(error)
}
