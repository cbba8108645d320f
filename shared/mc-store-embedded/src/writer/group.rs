//! One group of requests in one transaction.

use mc_core::ports::{Conflict, Item, Op, WriteError};
use mc_core::{Error, Timestamp};
use rusqlite::Connection;

use super::apply::{self, Applied};
use super::tasks::{self, Outbox};
use super::{Request, sweep};
use crate::fault::{is_storage, of_sqlite};
use crate::queue::lines::{Arrived, Lines};

/// Why a group was not made.
pub(super) enum Failure {
    /// The storage failed: no request of the group can be made now.
    Storage(rusqlite::Error),
    /// One request cannot be made; the others can.
    Request(usize, Error),
}

/// Why one step failed, before it is known whose fault it is.
pub(super) enum Trouble {
    Sqlite(rusqlite::Error),
    Other(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Trouble::Sqlite(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Other(error)
    }
}

/// What a request will be told once the transaction is committed.
pub(super) enum Answer {
    Commit(Outcome),
    Swept(usize),
    Redriven { rows: usize, tasks: usize },
    Done,
}

/// What became of a commit.
pub(super) enum Outcome {
    Made(After),
    Conflict(Option<Item>),
}

/// The guard's item after the write.
pub(super) enum After {
    /// As the guard put it, so that no copy is needed.
    AsPut,
    /// Changed to this.
    Changed(Item),
    /// Gone, or there was no guard.
    Nothing,
}

impl Outcome {
    pub(super) fn into_result(self, guard: Option<Op>) -> Result<Option<Item>, WriteError> {
        match (self, guard) {
            (Outcome::Conflict(current), _) => Err(WriteError::Conflict(Box::new(Conflict { current }))),
            (Outcome::Made(After::Changed(item)), _) => Ok(Some(item)),
            (Outcome::Made(After::AsPut), Some(Op::Put(item, _))) => Ok(Some(item)),
            (Outcome::Made(After::AsPut | After::Nothing), _) => Ok(None),
        }
    }
}

/// A transaction in the making.
pub(super) struct Group<'w> {
    connection: &'w Connection,
    now: Timestamp,
    outbox: Outbox<'w>,
    scratch: &'w mut Vec<u8>,
}

impl<'w> Group<'w> {
    pub(super) fn new(
        connection: &'w Connection,
        lines: &'w Lines,
        now: Timestamp,
        scratch: &'w mut Vec<u8>,
    ) -> Self {
        Self { connection, now, outbox: Outbox::new(lines), scratch }
    }

    /// Makes all requests and commits.
    pub(super) fn make(&mut self, requests: &[Request]) -> Result<Vec<Answer>, Failure> {
        let sql = |sql: &str| {
            self.connection.prepare_cached(sql).and_then(|mut s| s.execute([])).map_err(Failure::Storage)
        };
        sql("BEGIN IMMEDIATE")?;
        let mut answers = Vec::with_capacity(requests.len());
        for (at, request) in requests.iter().enumerate() {
            answers.push(self.one(request, requests).map_err(|trouble| blame(at, trouble))?);
        }
        // The rows of the queue come from all requests together, so a failure here is nobody's in particular.
        self.outbox.write(self.connection).map_err(|trouble| match trouble {
            Trouble::Sqlite(error) => Failure::Storage(error),
            Trouble::Other(error) => blame(0, Trouble::Other(error)),
        })?;
        self.connection.prepare_cached("COMMIT").and_then(|mut s| s.execute([])).map_err(Failure::Storage)?;
        Ok(answers)
    }

    /// The envelopes that were written.
    pub(super) fn into_arrived(self) -> Vec<Arrived> {
        self.outbox.into_arrived()
    }

    fn one(&mut self, request: &Request, all: &[Request]) -> Result<Answer, Trouble> {
        match request {
            Request::Commit { commit, .. } => self.commit(commit).map(Answer::Commit),
            Request::Settle { settle, .. } => {
                tasks::settle(self.connection, &mut self.outbox, settle)?;
                Ok(Answer::Done)
            }
            Request::Mark { key, receives, .. } => {
                // An envelope that is settled in the same breath needs no mark.
                let settled = |r: &Request| matches!(r, Request::Settle { settle, .. } if settle.key.place == key.place);
                if !all.iter().any(settled) {
                    tasks::mark(self.connection, key, *receives)?;
                }
                Ok(Answer::Done)
            }
            Request::Sweep { now, budget, .. } => {
                sweep::sweep(self.connection, *now, *budget).map(Answer::Swept)
            }
            Request::Redrive { family, .. } => {
                let (rows, tasks) = tasks::redrive(self.connection, &mut self.outbox, *family)?;
                Ok(Answer::Redriven { rows, tasks })
            }
            Request::Refill { .. } | Request::Stop(_) => Ok(Answer::Done),
        }
    }

    fn commit(&mut self, commit: &mc_core::ports::Commit) -> Result<Outcome, Trouble> {
        let mut after = After::Nothing;
        if let Some(guard) = &commit.guard {
            match apply::apply(self.connection, guard, self.now, self.scratch)? {
                Applied::Put => after = After::AsPut,
                Applied::Updated(item) => after = After::Changed(item),
                Applied::Deleted => {}
                Applied::Refused(current) => return Ok(Outcome::Conflict(current)),
            }
        }
        for op in commit.ops.iter().chain(&commit.then) {
            apply::apply(self.connection, op, self.now, self.scratch)?;
        }
        for task in &commit.tasks {
            self.outbox.add(task);
        }
        Ok(Outcome::Made(after))
    }
}

fn blame(at: usize, trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Sqlite(error) if is_storage(&error) => Failure::Storage(error),
        Trouble::Sqlite(error) => Failure::Request(at, of_sqlite(error)),
        Trouble::Other(error) => Failure::Request(at, error),
    }
}
