//! The tables, and the steps from each version of them to the next.

use mc_core::{Error, ErrorKind, Result};
use rusqlite::Connection;

use crate::fault::of_sqlite;

/// Step `n` leads from version `n` to `n + 1`. Steps that were ever released stay as they are.
pub(crate) const STEPS: &[&str] = &["
    CREATE TABLE item (
        pk TEXT NOT NULL, sk TEXT NOT NULL, expires_at INTEGER, attrs BLOB NOT NULL,
        PRIMARY KEY (pk, sk)
    ) WITHOUT ROWID;

    -- When to look at an item for the sweep. An item that expires has at least one row here that is not later than
    -- its expiry; rows that turn out too early are moved, so that renewing an expiry writes nothing here.
    CREATE TABLE expiry (
        at INTEGER NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL,
        PRIMARY KEY (at, pk, sk)
    ) WITHOUT ROWID;

    CREATE TABLE queue (
        family INTEGER NOT NULL, grp TEXT NOT NULL, due INTEGER NOT NULL, seq INTEGER NOT NULL,
        sent INTEGER NOT NULL, receives INTEGER NOT NULL, n INTEGER NOT NULL, tasks BLOB NOT NULL,
        PRIMARY KEY (family, grp, due, seq)
    ) WITHOUT ROWID;

    CREATE TABLE crash_loop (
        family INTEGER NOT NULL, seq INTEGER NOT NULL,
        grp TEXT NOT NULL, sent INTEGER NOT NULL, receives INTEGER NOT NULL, n INTEGER NOT NULL, tasks BLOB NOT NULL,
        PRIMARY KEY (family, seq)
    ) WITHOUT ROWID;
"];

/// Brings the database to the newest version by the steps it lacks, all of them or none.
pub(crate) fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<()> {
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(of_sqlite)?;
    let missing = usize::try_from(version).ok().and_then(|done| steps.get(done..)).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "the database was written by a newer version of this program")
            .with("database_version", version)
            .with("newest_known", steps.len())
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(of_sqlite)?;
    for step in missing {
        transaction.execute_batch(step).map_err(of_sqlite)?;
    }
    transaction.pragma_update(None, "user_version", steps.len()).map_err(of_sqlite)?;
    transaction.commit().map_err(of_sqlite)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7);";
    const SECOND: &str = "CREATE TABLE b (y INTEGER); INSERT INTO b SELECT x + 1 FROM a;";

    #[test]
    fn each_step_is_made_once() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &[FIRST]).unwrap();
        migrate(&mut db, &[FIRST, SECOND]).unwrap();
        migrate(&mut db, &[FIRST, SECOND]).unwrap();
        assert_eq!(db.query_row("SELECT y FROM b", [], |r| r.get::<_, i64>(0)).unwrap(), 8);
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &[FIRST]).unwrap();
        migrate(&mut db, &[FIRST, SECOND, "nonsense"]).unwrap_err();
        assert!(db.prepare("SELECT y FROM b").is_err());
        assert_eq!(db.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0)).unwrap(), 1);
    }

    #[test]
    fn a_newer_database_is_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &[FIRST, SECOND]).unwrap();
        let refusal = migrate(&mut db, &[FIRST]).unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::Corrupt);
        assert!(refusal.to_string().contains("newer version"), "{refusal}");
    }
}
