//! One write of one item.

use mc_core::Timestamp;
use mc_core::ports::{Attrs, Change, Cond, Item, Key, Op};
use rusqlite::Connection;

use super::group::Trouble;
use crate::row::{Stored, encode_attrs};

const GET: &str = "SELECT expires_at, attrs FROM item WHERE pk = ?1 AND sk = ?2";
const PUT: &str = "REPLACE INTO item (pk, sk, expires_at, attrs) VALUES (?1, ?2, ?3, ?4)";
/// One step instead of a read and a write: an expired item counts as none and is overwritten.
const PUT_NEW: &str = "INSERT INTO item (pk, sk, expires_at, attrs) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (pk, sk) DO UPDATE SET expires_at = excluded.expires_at, attrs = excluded.attrs \
    WHERE item.expires_at <= ?5";
const DELETE: &str = "DELETE FROM item WHERE pk = ?1 AND sk = ?2";
const NOTE_EXPIRY: &str = "INSERT OR IGNORE INTO expiry (at, pk, sk) VALUES (?1, ?2, ?3)";

/// What a write did.
pub(super) enum Applied {
    /// The item is as it was given.
    Put,
    /// The item is now this.
    Updated(Item),
    /// There is no item any more.
    Deleted,
    /// The conditions did not hold for this item.
    Refused(Option<Item>),
}

/// Makes the write if its conditions hold.
pub(super) fn apply(
    connection: &Connection,
    op: &Op,
    now: Timestamp,
    scratch: &mut Vec<u8>,
) -> Result<Applied, Trouble> {
    match op {
        Op::Put(item, conds) if conds.as_slice() == [Cond::NotExists] => {
            put_new(connection, item, now, scratch)
        }
        Op::Put(item, conds) if conds.is_empty() => {
            put(connection, &item.key, &item.attrs, item.expires_at, None, scratch)?;
            Ok(Applied::Put)
        }
        Op::Put(item, conds) => {
            let (there, was) = read(connection, &item.key, now)?;
            if !hold(conds, there.as_ref()) {
                return Ok(refused(there, &item.key));
            }
            put(connection, &item.key, &item.attrs, item.expires_at, was, scratch)?;
            Ok(Applied::Put)
        }
        Op::Update(key, changes, conds) => {
            let (there, was) = read(connection, key, now)?;
            if !hold(conds, there.as_ref()) {
                return Ok(refused(there, key));
            }
            let item = changed(there, key, changes);
            put(connection, key, &item.attrs, item.expires_at, was, scratch)?;
            Ok(Applied::Updated(item))
        }
        Op::Delete(key, conds) => {
            if !conds.is_empty() {
                let (there, _) = read(connection, key, now)?;
                if !hold(conds, there.as_ref()) {
                    return Ok(refused(there, key));
                }
            }
            connection.prepare_cached(DELETE)?.execute((&key.pk, &key.sk))?;
            Ok(Applied::Deleted)
        }
    }
}

/// The item if it lives, and the expiry of whatever is stored.
fn read(
    connection: &Connection,
    key: &Key,
    now: Timestamp,
) -> Result<(Option<Stored>, Option<Timestamp>), Trouble> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query((&key.pk, &key.sk))?;
    let Some(row) = rows.next()? else { return Ok((None, None)) };
    let stored = Stored::read(row, 0)?;
    let was = stored.expires_at;
    Ok((Some(stored).filter(|s| s.lives(now)), was))
}

fn hold(conds: &[Cond], there: Option<&Stored>) -> bool {
    conds.iter().all(|cond| cond.holds(there.map(|s| &s.attrs)))
}

fn refused(there: Option<Stored>, key: &Key) -> Applied {
    Applied::Refused(there.map(|s| s.into_item(key.clone())))
}

fn changed(there: Option<Stored>, key: &Key, changes: &[Change]) -> Item {
    let mut item = match there {
        Some(stored) => stored.into_item(key.clone()),
        None => Item::new(key.clone(), Attrs::new()),
    };
    for change in changes {
        change.apply(&mut item);
    }
    item
}

/// Writes the item over whatever is there. `was` is the expiry of what is there, if that was read.
fn put(
    connection: &Connection,
    key: &Key,
    attrs: &Attrs,
    expires_at: Option<Timestamp>,
    was: Option<Timestamp>,
    scratch: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let blob = encode_attrs(attrs, scratch)?;
    let millis = expires_at.map(Timestamp::millis);
    connection.prepare_cached(PUT)?.execute((&key.pk, &key.sk, millis, blob))?;
    note_expiry(connection, key, expires_at, was)
}

fn put_new(
    connection: &Connection,
    item: &Item,
    now: Timestamp,
    scratch: &mut Vec<u8>,
) -> Result<Applied, Trouble> {
    let (key, millis) = (&item.key, item.expires_at.map(Timestamp::millis));
    let blob = encode_attrs(&item.attrs, scratch)?;
    let written =
        connection.prepare_cached(PUT_NEW)?.execute((&key.pk, &key.sk, millis, blob, now.millis()))?;
    if written == 0 {
        let (there, _) = read(connection, key, now)?;
        return Ok(refused(there, key));
    }
    note_expiry(connection, key, item.expires_at, None)?;
    Ok(Applied::Put)
}

/// Keeps the promise of the table `expiry`: a row not later than the item's expiry.
fn note_expiry(
    connection: &Connection,
    key: &Key,
    expires_at: Option<Timestamp>,
    was: Option<Timestamp>,
) -> Result<(), Trouble> {
    if let Some(at) = expires_at
        && was.is_none_or(|was| was > at)
    {
        connection.prepare_cached(NOTE_EXPIRY)?.execute((at.millis(), &key.pk, &key.sk))?;
    }
    Ok(())
}
