//! The store's port.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mc_core::ports::{Commit, Item, Key, Op, Page, Query, Store, WriteError};
use mc_core::{Error, ErrorKind, Result, Timestamp};
use rusqlite::Connection;

use crate::fault::of_sqlite;
use crate::open::Shared;
use crate::row::Stored;
use crate::writer::Request;

/// Reads of at most this many rows run where they are called: they take less time than a change of threads would.
const INLINE_ROWS: usize = 64;

/// A page of a query ends when its attributes reach this size, whatever the limit.
const PAGE_BYTES: usize = 4 << 20;

/// The sweep looks at so many notes in one transaction, so that it never holds up anybody for long.
const SWEEP_ROWS: usize = 200;

const GET: &str = "SELECT expires_at, attrs FROM item WHERE pk = ?1 AND sk = ?2";
const OLDEST_FIRST: &str = "SELECT sk, length(attrs), expires_at, attrs FROM item \
    WHERE pk = ?1 AND sk >= ?2 AND sk < ?3 AND (expires_at IS NULL OR expires_at > ?4) ORDER BY sk";
const NEWEST_FIRST: &str = "SELECT sk, length(attrs), expires_at, attrs FROM item \
    WHERE pk = ?1 AND sk >= ?2 AND sk < ?3 AND (expires_at IS NULL OR expires_at > ?4) ORDER BY sk DESC";

/// The store of an open data folder. Clones share it.
#[derive(Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedStore")
    }
}

impl EmbeddedStore {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Removes up to `budget` items that have expired by `now`; answers how many entries it looked at, which is less
    /// than `budget` when nothing is left.
    pub async fn sweep(&self, now: Timestamp, budget: usize) -> Result<usize> {
        let mut looked = 0;
        while looked < budget {
            let some = SWEEP_ROWS.min(budget - looked);
            let found = self.shared.writer.ask(|reply| Request::Sweep { now, budget: some, reply }).await??;
            looked += found;
            if found < some {
                break;
            }
        }
        Ok(looked)
    }

    /// Runs a read here if it is small, else on a thread that may wait.
    async fn read<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Connection, Timestamp) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let now = self.shared.clock.now();
        if rows <= INLINE_ROWS {
            return work(&self.shared.readers.take(), now);
        }
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared.readers.take(), now)).await.map_err(|error| {
            Error::new(ErrorKind::Internal, "a read of the embedded store died").because(error)
        })?
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        let now = self.shared.clock.now();
        get(&self.shared.readers.take(), key, now)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, Error> {
        if keys.len() <= INLINE_ROWS {
            let now = self.shared.clock.now();
            return get_many(&self.shared.readers.take(), keys, now);
        }
        let keys = keys.to_vec();
        self.read(keys.len(), move |connection, now| get_many(connection, &keys, now)).await
    }

    async fn query(&self, query: &Query) -> Result<Page, Error> {
        let query = query.clone();
        self.read(query.limit, move |connection, now| page(connection, &query, now)).await
    }

    async fn write(&self, op: Op) -> Result<Option<Item>, WriteError> {
        self.commit(Commit { guard: Some(op), ..Commit::default() }).await
    }

    async fn commit(&self, commit: Commit) -> Result<Option<Item>, WriteError> {
        self.shared.commit(commit).await
    }

    fn spread(&self) -> u8 {
        // One partition keeps a day's messages together in the tree: a group of commits then changes one leaf.
        1
    }
}

/// The item under the key, unless it has expired.
fn get(connection: &Connection, key: &Key, now: Timestamp) -> Result<Option<Item>> {
    let mut statement = connection.prepare_cached(GET).map_err(of_sqlite)?;
    let mut rows = statement.query((&key.pk, &key.sk)).map_err(of_sqlite)?;
    match rows.next().map_err(of_sqlite)? {
        Some(row) => {
            Ok(Some(Stored::read(row, 0)?).filter(|s| s.lives(now)).map(|s| s.into_item(key.clone())))
        }
        None => Ok(None),
    }
}

fn get_many(connection: &Connection, keys: &[Key], now: Timestamp) -> Result<Vec<Option<Item>>> {
    // One transaction reads the log's end once, and all keys at the same point in time.
    let snapshot = connection.unchecked_transaction().map_err(of_sqlite)?;
    let items = keys.iter().map(|key| get(&snapshot, key, now)).collect();
    snapshot.finish().map_err(of_sqlite)?;
    items
}

fn page(connection: &Connection, query: &Query, now: Timestamp) -> Result<Page> {
    let sql = if query.newest_first { NEWEST_FIRST } else { OLDEST_FIRST };
    let mut statement = connection.prepare_cached(sql).map_err(of_sqlite)?;
    let mut rows = statement.query((&query.pk, &query.from, &query.to, now.millis())).map_err(of_sqlite)?;
    let mut page = Page::default();
    let mut bytes = 0;
    if query.limit == 0 {
        return Ok(page);
    }
    while let Some(row) = rows.next().map_err(of_sqlite)? {
        if page.items.len() >= query.limit || bytes >= PAGE_BYTES {
            page.more = true;
            break;
        }
        let sk: String = row.get(0).map_err(of_sqlite)?;
        bytes += row.get::<_, usize>(1).map_err(of_sqlite)?;
        page.items.push(Stored::read(row, 2)?.into_item(Key::new(query.pk.as_str(), sk)));
    }
    Ok(page)
}
