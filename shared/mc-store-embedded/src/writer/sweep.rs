//! Removing what has expired.

use mc_core::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::group::Trouble;

const DUE: &str = "SELECT at, pk, sk FROM expiry WHERE at <= ?1 ORDER BY at, pk, sk LIMIT ?2";
const EXPIRY: &str = "SELECT expires_at FROM item WHERE pk = ?1 AND sk = ?2";
const DELETE_ITEM: &str = "DELETE FROM item WHERE pk = ?1 AND sk = ?2";
const DELETE_NOTE: &str = "DELETE FROM expiry WHERE at = ?1 AND pk = ?2 AND sk = ?3";
const NOTE: &str = "INSERT OR IGNORE INTO expiry (at, pk, sk) VALUES (?1, ?2, ?3)";

/// Looks at up to `budget` notes that are due and removes the items that have really expired.
pub(super) fn sweep(connection: &Connection, now: Timestamp, budget: usize) -> Result<usize, Trouble> {
    let due = connection
        .prepare_cached(DUE)?
        .query_map((now.millis(), budget), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String, String)>>>()?;
    for (at, pk, sk) in &due {
        let expiry: Option<Option<i64>> =
            connection.prepare_cached(EXPIRY)?.query_row((pk, sk), |row| row.get(0)).optional()?;
        connection.prepare_cached(DELETE_NOTE)?.execute((at, pk, sk))?;
        match expiry.flatten() {
            Some(expiry) if expiry <= now.millis() => {
                connection.prepare_cached(DELETE_ITEM)?.execute((pk, sk))?;
            }
            Some(later) => {
                connection.prepare_cached(NOTE)?.execute((later, pk, sk))?;
            }
            None => {}
        }
    }
    Ok(due.len())
}
