//! A store that fails when it is told to, and remembers what it was asked to write.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mc_core::ports::{Change, Commit, Item, Key, Op, Page, Query, Store, WriteError};
use mc_core::{Error, ErrorKind};

/// Where a commit breaks off, in a store whose commits are several calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Behind its guard.
    BehindGuard,
    /// Before its last writes.
    BeforeHeads,
    /// Behind all writes, before its tasks.
    BeforeTasks,
}

/// Hands everything to another store, but fails some writes, or breaks off a commit. A failed write changes nothing.
pub struct FlakyStore {
    inner: Arc<dyn Store>,
    attribute: &'static str,
    failures: AtomicUsize,
    crash: Mutex<Option<Crash>>,
    refused: Mutex<Option<String>>,
    written: Mutex<Vec<Key>>,
}

impl FlakyStore {
    /// Fails writes that set `attribute` or add to it, once [`fail`](Self::fail) says how many.
    pub fn new(inner: Arc<dyn Store>, attribute: &'static str) -> Self {
        Self {
            inner,
            attribute,
            failures: AtomicUsize::new(0),
            crash: Mutex::default(),
            refused: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// The next so many such writes fail as if the store could not be reached.
    pub fn fail(&self, times: usize) {
        self.failures.store(times, Ordering::SeqCst);
    }

    /// The next commit breaks off, as if the process had ended; nobody hears of it.
    pub fn crash(&self, crash: Crash) {
        *self.crash.lock().unwrap_or_else(PoisonError::into_inner) = Some(crash);
    }

    /// Writes to items of this sort key fail as if the store could not be reached, and the commits that they are in with
    /// them, until `None` is said.
    pub fn refuse(&self, sk: Option<&str>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = sk.map(str::to_owned);
    }

    /// The keys of all writes since the last time this was asked, in their order.
    pub fn written(&self) -> Vec<Key> {
        std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn remember<'a>(&self, ops: impl Iterator<Item = &'a Op>) {
        let keys = ops.map(|op| op.key().clone());
        self.written.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
    }

    /// How many writes are still going to fail.
    pub fn failures_left(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    fn admit<'a>(&self, mut ops: impl Iterator<Item = &'a Op>) -> Result<(), WriteError> {
        let one_less = |left: usize| left.checked_sub(1);
        let meant = ops.any(|op| sets(op, self.attribute));
        if meant && self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(unreachable_store());
        }
        Ok(())
    }

    fn reach<'a>(&self, mut ops: impl Iterator<Item = &'a Op>) -> Result<(), WriteError> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = refused.as_ref().is_some_and(|sk| ops.any(|op| op.key().sk == *sk));
        if meant { Err(unreachable_store()) } else { Ok(()) }
    }
}

fn unreachable_store() -> WriteError {
    Error::new(ErrorKind::Unavailable, "the store cannot be reached").into()
}

fn sets(op: &Op, attribute: &str) -> bool {
    match op {
        Op::Update(_, changes, _) => {
            let of = |change: &Change| match change {
                Change::Set(name, _) | Change::Add(name, _) => name == attribute,
                Change::Remove(_) | Change::Expire(_) => false,
            };
            changes.iter().any(of)
        }
        Op::Put(..) | Op::Delete(..) => false,
    }
}

#[async_trait]
impl Store for FlakyStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, Error> {
        self.inner.get_many(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Page, Error> {
        self.inner.query(query).await
    }

    async fn write(&self, op: Op) -> Result<Option<Item>, WriteError> {
        self.admit(std::iter::once(&op))?;
        self.reach(std::iter::once(&op))?;
        self.remember(std::iter::once(&op));
        self.inner.write(op).await
    }

    async fn commit(&self, mut commit: Commit) -> Result<Option<Item>, WriteError> {
        if let Some(crash) = self.crash.lock().unwrap_or_else(PoisonError::into_inner).take() {
            commit.tasks.clear();
            if crash != Crash::BeforeTasks {
                commit.then.clear();
            }
            if crash == Crash::BehindGuard {
                commit.ops.clear();
            }
        }
        self.admit(commit.guard.iter().chain(&commit.ops))?;
        self.reach(commit.guard.iter().chain(&commit.ops).chain(&commit.then))?;
        self.remember(commit.guard.iter().chain(&commit.ops).chain(&commit.then));
        self.inner.commit(commit).await
    }

    fn spread(&self) -> u8 {
        self.inner.spread()
    }
}
