//! The writer thread's loop.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::group::{Answer, Failure, Group};
use super::{Reply, Request};
use crate::checkpoint::{self, Checkpointer};
use crate::connect::CHECKPOINT_PAGES;
use crate::fault::not_written;
use crate::queue::lines::Lines;
use crate::stats::Counters;

/// At most this many requests share a transaction, so that the first does not wait long for the last.
const GROUP: usize = 256;

/// A group smaller than this gathers a little longer while others write too: a sync costs more than many rows.
const SMALL_GROUP: usize = 32;

/// How long it gathers.
const GATHER: Duration = Duration::from_micros(500);

/// Who wrote longer ago than this is not writing at the same time.
const BUSY: Duration = Duration::from_millis(3);

/// How long queue writes that failed rest before they are tried again while nothing else happens.
const REST: Duration = Duration::from_secs(1);

thread_local! {
    /// How many pages the log holds after the last commit of this thread.
    static LOG_PAGES: Cell<i32> = const { Cell::new(0) };
}

pub(super) struct Thread {
    connection: Connection,
    checkpointer: Checkpointer,
    lines: Arc<Lines>,
    counters: Arc<Counters>,
    /// Queue writes that nobody waits for and that could not be made: they are kept until they can.
    parked: Vec<Request>,
    /// When the last group of several requests was written.
    last_crowd: Option<Instant>,
    /// Whether the last group could not be written, so that a full disk is told once and not for each request.
    failing: bool,
    /// From how many pages of the log on its next copy is asked for.
    ask_at: i32,
    scratch: Vec<u8>,
}

impl Thread {
    pub(super) fn new(
        connection: Connection,
        checkpointer: Checkpointer,
        lines: Arc<Lines>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            connection,
            checkpointer,
            lines,
            counters,
            parked: Vec::new(),
            last_crowd: None,
            failing: false,
            ask_at: CHECKPOINT_PAGES,
            scratch: Vec::new(),
        }
    }

    /// Works until nobody can ask any more, or until asked to stop; then answers who asked for that.
    pub(super) fn serve(mut self, receiver: &Receiver<Request>) -> Option<Reply<()>> {
        let hooked = self.connection.wal_hook(Some(|_: &mut rusqlite::hooks::Wal, pages| {
            LOG_PAGES.set(pages);
            Ok(())
        }));
        if let Err(error) = hooked {
            tracing::error!(error = %error, "the length of the database's log will not be known");
        }
        let mut group = Vec::new();
        loop {
            let first = if self.parked.is_empty() {
                receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                receiver.recv_timeout(REST)
            };
            match first {
                Ok(request) => group.push(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            group.extend(receiver.try_iter().take(GROUP - group.len()));
            if group.len() < SMALL_GROUP && self.last_crowd.is_some_and(|at| at.elapsed() < BUSY) {
                gather();
                group.extend(receiver.try_iter().take(GROUP - group.len()));
            }
            let crowd = group.len() > 2;
            let stop = group.iter().position(|request| matches!(request, Request::Stop(_)));
            let stop = stop.and_then(|at| match group.split_off(at).into_iter().next() {
                Some(Request::Stop(reply)) => Some(reply),
                _ => None,
            });
            if group.is_empty() {
                group.extend(self.parked.drain(..self.parked.len().min(GROUP)));
            }
            let written = self.write(&mut group);
            if crowd {
                self.last_crowd = Some(Instant::now());
            }
            if stop.is_some() {
                return stop;
            }
            if written && !self.parked.is_empty() {
                group.extend(self.parked.drain(..self.parked.len().min(GROUP)));
                self.write(&mut group);
            }
            self.counters.parked.store(self.parked.len() as u64, Relaxed);
            self.shorten_log();
        }
    }

    /// Makes and answers a group; whether the storage took it.
    fn write(&mut self, requests: &mut Vec<Request>) -> bool {
        while !requests.is_empty() {
            let now = self.lines.store_now();
            let mut group = Group::new(&self.connection, &self.lines, now, &mut self.scratch);
            let failure = match group.make(requests) {
                Ok(answers) => {
                    let arrived = group.into_arrived();
                    self.counters.commits.fetch_add(1, Relaxed);
                    if std::mem::take(&mut self.failing) {
                        tracing::info!("the embedded store writes again");
                    }
                    self.counters.requests.fetch_add(requests.len() as u64, Relaxed);
                    self.lines.arrived(arrived);
                    self.answer(requests, answers);
                    return true;
                }
                Err(failure) => failure,
            };
            if !self.connection.is_autocommit()
                && let Err(error) = self.connection.execute_batch("ROLLBACK")
            {
                tracing::error!(error = %error, "a transaction could not be rolled back");
            }
            match failure {
                Failure::Storage(error) => {
                    self.counters.failed_commits.fetch_add(1, Relaxed);
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::error!(error = %error, "the embedded store cannot write");
                    }
                    let reason = error.to_string();
                    requests.drain(..).for_each(|request| self.refuse(request, &reason));
                    return false;
                }
                Failure::Request(at, error) => {
                    tracing::error!(error = %error, "a write to the embedded store failed");
                    fail(requests.remove(at), error);
                }
            }
        }
        true
    }

    /// Tells everybody what happened; refills come last, so that they see the whole group.
    fn answer(&mut self, requests: &mut Vec<Request>, answers: Vec<Answer>) {
        for (request, answer) in requests.drain(..).zip(answers) {
            match (request, answer) {
                (Request::Commit { commit, reply }, Answer::Commit(outcome)) => {
                    let _ = reply.send(outcome.into_result(commit.guard));
                }
                (Request::Settle { settle, reply }, _) => {
                    self.lines.settled(&settle);
                    reply.map(|reply| reply.send(Ok(())));
                }
                (Request::Mark { reply, .. }, _) => {
                    reply.map(|reply| reply.send(Ok(())));
                }
                (Request::Sweep { reply, .. }, Answer::Swept(n)) => {
                    let _ = reply.send(Ok(n));
                }
                (Request::Redrive { family, reply }, Answer::Redriven { rows, tasks }) => {
                    self.lines.redriven(family, rows);
                    let _ = reply.send(Ok((rows, tasks)));
                }
                (Request::Refill { family, group }, _) => {
                    match super::tasks::refill(&self.connection, &self.lines, family, &group) {
                        Ok(()) => {}
                        Err(error) => {
                            tracing::error!(error = %error, "the queue cannot be read");
                            self.parked.push(Request::Refill { family, group });
                        }
                    }
                }
                // The answer's form follows from the request's, so nothing else comes here.
                (
                    Request::Commit { .. }
                    | Request::Sweep { .. }
                    | Request::Redrive { .. }
                    | Request::Stop(_),
                    _,
                ) => {}
            }
        }
    }

    /// Answers a request of a group that could not be written, or keeps it if nobody else would.
    fn refuse(&mut self, request: Request, reason: &str) {
        match request {
            Request::Settle { settle, reply } => {
                reply.map(|reply| reply.send(Err(not_written(reason))));
                self.parked.push(Request::Settle { settle, reply: None });
            }
            Request::Refill { .. } => self.parked.push(request),
            other => fail(other, not_written(reason)),
        }
    }

    /// Asks for a copy of the log when it is long, and finishes that copy so that the log starts again.
    fn shorten_log(&mut self) {
        let pages = LOG_PAGES.get();
        if pages < CHECKPOINT_PAGES {
            self.ask_at = CHECKPOINT_PAGES;
        } else if self.checkpointer.ready() {
            if let Err(error) = checkpoint::copy(&self.connection, &self.counters) {
                tracing::warn!(error = %error, "the database's log could not be copied");
            }
        } else if pages >= self.ask_at {
            self.checkpointer.ask();
            // While a long read keeps the log from starting again, copying after every commit would help nobody.
            self.ask_at = pages + CHECKPOINT_PAGES / 4;
        }
    }
}

/// Answers a request with an error.
fn fail(request: Request, error: mc_core::Error) {
    match request {
        Request::Commit { reply, .. } => drop(reply.send(Err(error.into()))),
        Request::Settle { reply, .. } | Request::Mark { reply, .. } => {
            reply.map(|reply| reply.send(Err(error)));
        }
        Request::Sweep { reply, .. } => drop(reply.send(Err(error))),
        Request::Redrive { reply, .. } => drop(reply.send(Err(error))),
        Request::Refill { .. } | Request::Stop(_) => {}
    }
}

/// Lets others come along. The senders find nobody waiting, so they need not wake this thread one by one.
#[expect(
    clippy::disallowed_methods,
    reason = "what is waited for is time: for whoever else is about to write"
)]
fn gather() {
    std::thread::sleep(GATHER);
}
